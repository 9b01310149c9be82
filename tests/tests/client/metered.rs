//! Prices that are known only afterwards, by each adapter: what is held, what it cost in the end.

use serde_json::{Value, json};
use stripe402_client::{Hold, Policy, Wallet, paid, storage::Memory};
use stripe402_protocol::Units;

use crate::{
    cli,
    driver::Driver,
    metered_api::{BODY, COST, MOST, MeteredApi},
    payer::{Kind, Payer},
};

/// The same of every adapter; trailers are seen by those whose HTTP library shows them.
async fn settles(kind: &Kind, sees_trailers: bool) {
    let server = MeteredApi::start().await;
    let settings = json!({"paymentMethodId": "pm_metered", "maxPrice": MOST});
    let payer = Payer::new(kind, settings);
    let mut left = 50_000;
    for path in ["/trailing", "/held", "/failing"] {
        let answer = payer.call(json!({"url": server.url(path)})).await;
        assert_eq!((&answer["status"], &answer["body"]), (&json!(200), &json!(BODY)), "{answer}");
        let paid = &answer["paid"];
        assert_eq!(paid["creditsRemaining"], left - MOST, "{path}: the hold is left out: {answer}");
        assert_eq!(paid["hold"]["amount"], MOST, "{path}: {answer}");
        left -= COST;
        let settlement = &paid["settlement"];
        assert_eq!(settlement["state"], "captured", "{path}: {answer}");
        assert_eq!(settlement["captured"], COST, "{path}: {answer}");
        assert_eq!(settlement["creditsRemaining"], left, "{path}: {answer}");
        let trailed = sees_trailers && path == "/trailing";
        assert_eq!(server.asked(path), if trailed { 0 } else { 3 }, "{path}: {answer}");
    }
    // Nothing is told: the request was served all the same, and the rest is not waited for.
    let answer = payer.call(json!({"url": server.url("/gone")})).await;
    assert_eq!(answer["status"], 200, "{answer}");
    assert_eq!(answer["paid"]["settlementError"]["code"], "unsettled", "{answer}");
    assert_eq!(answer["paid"]["settlementError"]["status"], 404, "{answer}");
    assert_eq!(server.asked("/gone"), 1);
}

#[tokio::test]
async fn the_middleware_for_reqwest_settles() {
    settles(&Kind::Rust, true).await;
}

#[tokio::test]
async fn the_command_line_settles() {
    settles(&Kind::CommandLine, true).await;
}

#[tokio::test]
async fn fetch_settles() {
    settles(&Kind::Driver(Driver::node("fetch")), false).await;
}

#[tokio::test]
async fn axios_settles() {
    settles(&Kind::Driver(Driver::node("axios")), false).await;
}

#[tokio::test]
async fn httpx_settles() {
    settles(&Kind::Driver(Driver::python("httpx")), false).await;
}

#[tokio::test]
async fn httpx_settles_asynchronously() {
    settles(&Kind::Driver(Driver::python("httpx-async")), false).await;
}

#[tokio::test]
async fn requests_settles() {
    settles(&Kind::Driver(Driver::python("requests")), false).await;
}

/// A body that is looked at on its way keeps what else its response says.
#[tokio::test]
async fn a_response_under_a_hold_is_still_the_servers() {
    let server = MeteredApi::start().await;
    let policy =
        Policy { max_price: Units::new(MOST).ok(), ..Policy::card("pm_metered".parse().unwrap()) };
    let wallet = Wallet::new(policy).unwrap();
    let client = wallet.client(reqwest::Client::builder().no_proxy()).unwrap();
    let answer = client.get(server.url("/held")).send().await.unwrap();
    assert_eq!(answer.url().as_str(), server.url("/held"));
    assert_eq!(answer.content_length(), u64::try_from(BODY.len()).ok());
    assert!(answer.remote_addr().is_some());
    // A hold is a value: kept, and settled by another wallet that knows the client.
    let hold = paid(&answer).unwrap().hold.clone().unwrap();
    let hold: Hold = serde_json::from_value(json!(hold)).unwrap();
    let later = Memory::new(wallet.purse().unwrap());
    let later = Wallet::with_storage(Policy::default(), later).unwrap();
    let settlement = later.settle(&hold).await.unwrap();
    assert_eq!(settlement.captured, Units::new(COST).ok());
    // Whoever is not known there shows nobody's id.
    let stranger = Wallet::new(Policy::default()).unwrap();
    assert!(stranger.settle(&hold).await.is_err());
    assert_eq!(server.asked("/held"), 3);
}

struct Terminal {
    server: MeteredApi,
    dir: tempfile::TempDir,
}

impl Terminal {
    async fn new() -> Self {
        Self { server: MeteredApi::start().await, dir: tempfile::tempdir().unwrap() }
    }

    async fn curl(&self, path: &str, more: &[&str]) -> cli::Said {
        let url = self.server.url(path);
        let paying = ["--payment-method", "pm_metered", "--max-price", "2usd"];
        self.run(&[&["curl", &url], &paying[..], more].concat()).await
    }

    async fn run(&self, arguments: &[&str]) -> cli::Said {
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        cli::run(&self.dir.path().join("credentials.json"), &arguments, "").await
    }

    /// What is remembered of the server.
    fn known(&self) -> Value {
        let kept = std::fs::read_to_string(self.dir.path().join("credentials.json")).unwrap();
        let kept: Value = serde_json::from_str(&kept).unwrap();
        kept["origins"][self.server.url("")].clone()
    }
}

#[tokio::test]
async fn a_terminal_shows_what_was_held_and_what_it_cost() {
    let here = Terminal::new().await;
    let said = here.curl("/trailing", &[]).await;
    assert_eq!((said.code, said.out.as_str()), (0, BODY), "{said:?}");
    let line = "held $2.00; cost $0.0125; $4.9875 left, card charged $5.00 (pi_metered)\n";
    assert_eq!(said.error, line);
    let said = here.curl("/held", &[]).await;
    assert_eq!((said.code, said.out.as_str()), (0, BODY), "{said:?}");
    assert_eq!(said.error, "held $2.00; cost $0.0125; $4.9750 left\n");
    let known = here.known();
    assert_eq!((&known["balances"]["usd"], &known["holds"]), (&json!(49_750), &Value::Null));

    let said = here.curl("/gone", &["--fail"]).await;
    assert_eq!((said.code, said.out.as_str()), (0, BODY), "served all the same: {said:?}");
    let warning = "held $2.00; warning: what the request cost is not known: the server answered \
                   404; the whole hold counts as spent; $2.9750 left\n";
    assert_eq!(said.error, warning);
    let known = here.known();
    assert_eq!(known["balances"]["usd"], 29_750, "the whole hold is missing: {known}");
    assert_eq!(known["holds"].as_object().unwrap().len(), 1, "{known}");

    let said = here.curl("/held", &["--silent"]).await;
    assert_eq!((said.code, said.out.as_str(), said.error.as_str()), (0, BODY, ""), "{said:?}");
    assert_eq!(here.known()["balances"]["usd"], 29_625, "settled in silence");
}

#[tokio::test]
async fn a_terminal_does_not_wait_for_ever() {
    let here = Terminal::new().await;
    let begun = std::time::Instant::now();
    let said = here.curl("/silent", &[]).await;
    assert_eq!((said.code, said.out.as_str()), (0, BODY), "{said:?}");
    assert!(said.error.contains("the server did not answer"), "{said:?}");
    let waited = begun.elapsed();
    assert!((4..9).contains(&waited.as_secs()), "{waited:?}");
}

#[tokio::test]
async fn a_metered_price_is_explained() {
    let here = Terminal::new().await;
    let url = here.server.url("/held");
    let said = here.run(&["explain", &url]).await;
    assert_eq!(said.code, 0, "{said:?}");
    for shown in [
        "at most $2.00 a request; $0.25 per 1,000 prompt, $1.00 per 1,000 completion; at least $0.01",
        "Tokens of a model",
        "$2.00 (20000 units) until the answer has ended",
        "2 requests at the highest price",
    ] {
        assert!(said.out.contains(shown), "{said:?}");
    }
    let said = here.run(&["explain", &url, "--json"]).await;
    let told: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(told["terms"]["pricing"]["unitPrices"][1]["of"], "completion", "{told}");
    let said =
        here.run(&["curl", &url, "--payment-method", "pm_metered", "--max-price", "1.99usd"]).await;
    assert_eq!(said.code, 20, "the most that it can cost is the price: {said:?}");
}

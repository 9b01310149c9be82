//! What only the command line has: what it says, what it keeps, how it ends.

use std::{os::unix::fs::PermissionsExt as _, path::Path, process::Stdio};

use serde_json::Value;
use stripe402_tests::{browser::Browser, card, stack::StackOptions};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use crate::{
    cli::{self, Said},
    elsewhere::Elsewhere,
    version_one::VersionOne,
};

pub(crate) struct Terminal {
    pub(crate) stack: stripe402_tests::stack::Stack,
    dir: TempDir,
}

impl Terminal {
    pub(crate) async fn new() -> Self {
        let stack = stripe402_tests::stack::Stack::start(StackOptions::new()).await.unwrap();
        Self { stack, dir: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    /// Whom its purse knows as the payer.
    pub(crate) fn client_id(&self) -> String {
        let kept = std::fs::read_to_string(self.file("credentials.json")).unwrap();
        let kept: Value = serde_json::from_str(&kept).unwrap();
        let mut known = kept["origins"].as_object().unwrap().values();
        known.find_map(|of| of["clientId"].as_str()).unwrap().to_owned()
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Said {
        self.with("credentials.json", arguments, "").await
    }

    async fn with(&self, credentials: &str, arguments: &[&str], input: &str) -> Said {
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        cli::run(&self.file(credentials), &arguments, input).await
    }

    pub(crate) async fn card(&self) -> String {
        self.stack.sim.payment_method(&card::fresh().unwrap(), "123").await.unwrap()
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_session_at_a_terminal() {
    let here = Terminal::new().await;
    let weather = here.stack.url("/api/weather");
    let joke = here.stack.url("/api/joke");
    let said = here.run(&["explain", &weather]).await;
    assert_eq!(said.code, 0, "{said:?}");
    for shown in ["$0.05 (500 units) per request", "$5.00 (50000 units)", "100 requests"] {
        assert!(said.out.contains(shown), "{said:?}");
    }
    let said = here.run(&["balance", &weather]).await;
    assert_eq!(said.code, 10, "{said:?}");

    let said = here.run(&["curl", &weather]).await;
    assert_eq!((said.code, said.out.as_str()), (10, ""), "{said:?}");
    assert!(
        said.error.contains("this costs $0.05, and there is no card and no client id to pay with"),
        "{said:?}"
    );

    let card = here.card().await;
    let limits = ["--max-price", "0.05usd", "--budget", "5usd"];
    let said =
        here.run(&[&["curl", &weather, "--payment-method", &card], &limits[..]].concat()).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(said.out, r#"{"conditions":"Sunny","temp":72}"#);
    assert!(said.error.starts_with("paid $4.95 left, card charged $5.00 (pi_"), "{said:?}");
    assert_eq!(mode(&here.file("credentials.json")), 0o600);

    // The card is not needed any more.
    let output = here.file("joke.json");
    let said = here.run(&["curl", &joke, "-s", "-i", "-o", output.to_str().unwrap()]).await;
    assert_eq!((said.code, said.out.as_str(), said.error.as_str()), (0, "", ""), "{said:?}");
    let saved = std::fs::read_to_string(output).unwrap();
    assert!(saved.starts_with("HTTP/1.1 200 OK\r\n") && saved.contains("\"joke\""), "{saved}");

    let said = here.run(&["balance", &weather, "--json"]).await;
    let told: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        (&told["creditsRemaining"], &told["chargedInTotal"]),
        (&49_400.into(), &50_000.into())
    );
    assert_eq!(told["now"], true, "the gateway's word, not the last receipt's: {told}");
    let said = here.run(&["balance", &weather]).await;
    assert!(said.out.contains("$4.94 (49400 units)"), "{said:?}");
}

#[tokio::test]
async fn each_outcome_has_its_exit_code() {
    let here = Terminal::new().await;
    let weather = here.stack.url("/api/weather");
    let elsewhere = Elsewhere::start().await;
    let away = format!("http://{}/", elsewhere.address);
    let fail = here.stack.url("/api/fail");
    let good = here.card().await;
    let declined = here.stack.sim.payment_method("4000000000000002", "123").await.unwrap();
    let confirm = here.stack.sim.payment_method("4000002760003184", "123").await.unwrap();
    let rows: Vec<(i32, Vec<&str>)> = vec![
        (1, vec!["http://127.0.0.1:1/", "--payment-method", &good]),
        (2, vec![&weather, "--payment-method", "4242424242424242"]),
        (2, vec![&weather, "--max-price", "cheap"]),
        (2, vec![&weather, "--max-price", "1usd", "--budget", "1eur"]),
        (2, vec![&weather, "--currency", "jpy"]),
        (2, vec![&weather, "-H", "payment: eyJ9"]),
        (2, vec!["not a url"]),
        (10, vec![&weather]),
        (
            11,
            vec![
                &weather,
                "--client-id",
                "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            ],
        ),
        (12, vec![&weather, "--payment-method", &declined]),
        (13, vec![&weather, "--payment-method", "pm_nobody"]),
        (16, vec![&weather, "--payment-method", &confirm]),
        (20, vec![&weather, "--payment-method", &good, "--max-price", "0.0499usd"]),
        (20, vec![&weather, "--payment-method", &good, "--max-charge", "49999"]),
        (21, vec![&weather, "--payment-method", &good, "--budget", "4.99usd"]),
        (22, vec![&fail, "--fail", "--payment-method", &good]),
        (23, vec![&weather, "--payment-method", &good, "--allow-origin", "https://api.example"]),
        (24, vec![&weather, "--payment-method", &good, "--currency", "eur"]),
    ];
    for (number, (code, arguments)) in rows.iter().enumerate() {
        let mut all = vec!["curl"];
        all.extend(arguments);
        let said = here.with(&format!("row-{number}.json"), &all, "").await;
        assert_eq!(said.code, *code, "{arguments:?}: {said:?}");
        assert!(*code == 22 || !said.error.is_empty(), "{arguments:?}: {said:?}");
    }
    // A card that was used here is not shown to others.
    let said = here.run(&["curl", &weather, "--payment-method", &good]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let said = here.run(&["curl", &away, "--payment-method", &good]).await;
    assert_eq!(said.code, 23, "{said:?}");

    let help = here.run(&["help", "exit-codes"]).await;
    let codes = rows.iter().map(|(code, _)| *code).filter(|code| *code > 0);
    for code in codes {
        assert!(help.out.contains(&format!("\n  {code:>2}  ")), "{code} is not in help exit-codes");
    }
}

/// Where the server tells what is left, its word counts, and not the last receipt.
#[tokio::test]
async fn a_balance_is_asked_for_where_it_is_told() {
    let server = VersionOne::start().await;
    let dir = tempfile::tempdir().unwrap();
    let run = async |arguments: &[&str]| {
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        cli::run(&dir.path().join("credentials.json"), &arguments, "").await
    };
    let url = server.url();
    let said = run(&["curl", &url, "--payment-method", "pm_told"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    server.empty();
    let said = run(&["balance", &url, "--json"]).await;
    let told: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&told["creditsRemaining"], &told["now"]), (&0.into(), &true.into()), "{said:?}");
}

/// The cardholder's part, as a person would see it: a secret to confirm with, then the same again.
#[tokio::test]
async fn three_d_secure_at_a_terminal() {
    let here = Terminal::new().await;
    let weather = here.stack.url("/api/weather");
    let card = here.stack.sim.payment_method("4000002760003184", "123").await.unwrap();
    let said = here.run(&["curl", &weather, "--payment-method", &card]).await;
    assert_eq!(said.code, 16);
    let secret = said.error.lines().find_map(|line| line.trim().strip_prefix("client secret"));
    let intent = secret.unwrap().trim().split("_secret").next().unwrap().to_owned();
    here.stack.sim.authenticate(&intent, true).await.unwrap();
    let said = here.run(&["curl", &weather, "--payment-method", &card]).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.error.contains("card charged $5.00"), "{said:?}");
}

/// A program that shows a page, and then tells what came of it.
struct Shown {
    program: Child,
    lines: Lines<BufReader<ChildStdout>>,
    page: String,
}

impl Shown {
    async fn start(arguments: &[&str], credentials: &Path) -> Self {
        let mut program = Command::new(cli::program());
        program.args(arguments).env("STRIPE402_CREDENTIALS", credentials);
        let mut program = program.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let lines = BufReader::new(program.stdout.take().unwrap()).lines();
        let mut this = Self { program, lines, page: String::new() };
        this.page = this.line().await["open"].as_str().unwrap().to_owned();
        this
    }

    async fn line(&mut self) -> Value {
        serde_json::from_str(&self.lines.next_line().await.unwrap().unwrap()).unwrap()
    }
}

/// The same on the local page, in a browser; by a stand-in of Stripe's script.
#[tokio::test]
async fn a_charge_is_confirmed_on_a_page() {
    let here = Terminal::new().await;
    let weather = here.stack.url("/api/weather");
    let card = here.stack.sim.payment_method("4000002760003184", "123").await.unwrap();
    let pay = |command: &'static str| [command, &weather, "--payment-method", &card, "--json"];
    let early = here.run(&pay("confirm")).await;
    assert_eq!(early.code, 2, "no card is charged by this: {early:?}");
    assert!(early.out.contains("waits to be confirmed"), "{early:?}");
    assert_eq!(here.run(&pay("curl")).await.code, 16);
    let twice = here.run(&[&pay("confirm")[..], &["-T", "-"]].concat()).await;
    assert_eq!(twice.code, 2, "{twice:?}");

    let base = here.stack.sim.url("/");
    let pays = [&pay("confirm")[..], &["--stripe-api-base", &base]].concat();
    let mut shown = Shown::start(&pays, &here.file("credentials.json")).await;
    let page = shown.page.clone();
    let wrong = here.stack.client.post(&page).body("pm_1").send().await.unwrap();
    assert_eq!(wrong.status(), 400);
    let browser = Browser::start(&here.file("browser.log")).await.unwrap();
    browser.open(&page).await.unwrap();
    browser.until("document.body.innerText.includes('$5.00 may be charged')").await.unwrap();
    browser.click("#confirm").await.unwrap();
    browser.until("document.getElementById('stripe-confirm')").await.unwrap();
    browser.click("#stripe-confirm").await.unwrap();
    browser.until("document.body.innerText.includes('Confirmed.')").await.unwrap();
    let told = shown.line().await;
    assert_eq!(
        (&told["status"], &told["paid"]["charged"]),
        (&200.into(), &50_000.into()),
        "{told}"
    );
    assert!(shown.program.wait().await.unwrap().success());
    let again = here.run(&pay("confirm")).await;
    assert_eq!(again.code, 2, "it waits no more: {again:?}");
}

#[tokio::test]
async fn a_card_is_added_at_the_stand_in_and_by_a_page() {
    let here = Terminal::new().await;
    let weather = here.stack.url("/api/weather");
    let base = here.stack.sim.url("");
    let number = card::fresh().unwrap();
    let added = ["card", "add", &weather, "--stripe-api-base", &base, "--test-number", &number];
    let said = here.run(&added).await;
    assert_eq!(said.code, 0, "{said:?}");
    let said = here.run(&["curl", &weather]).await;
    assert_eq!(said.code, 0, "{said:?}");
    // A path without a price: the server lists its key.
    let root = here.stack.url("/");
    let added = ["card", "add", &root, "--stripe-api-base", &base, "--test-number", &number];
    let said = here.run(&added).await;
    assert_eq!(said.code, 0, "{said:?}");
    let elsewhere = ["card", "add", &base, "--stripe-api-base", &base];
    let said = here.run(&elsewhere).await;
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.error.contains("names no publishable key"), "{said:?}");

    // With Stripe itself: a page for a browser, which sends back the id and nothing else.
    let file = here.file("by-page.json");
    let mut shown = Shown::start(&["card", "add", &weather, "--json"], &file).await;
    let page = shown.page.clone();
    let answer = here.stack.client.get(&page).send().await.unwrap();
    let rules = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(rules.contains("https://js.stripe.com") && rules.contains("default-src 'none'"));
    let html = answer.text().await.unwrap();
    assert!(
        html.contains("https://js.stripe.com/v3/") && html.contains("pk_test_standin"),
        "{html}"
    );
    let root = page.rsplit_once('/').unwrap().0;
    let guess = here.stack.client.post(format!("{root}/")).body("pm_thief").send().await.unwrap();
    assert_eq!(guess.status(), 404, "only who was shown the page can add a card");
    let wrong = here.stack.client.post(&page).body("4242424242424242").send().await.unwrap();
    assert_eq!(wrong.status(), 400, "an id, and nothing else");
    let card = here.card().await;
    let taken = here.stack.client.post(&page).body(card.clone()).send().await.unwrap();
    assert_eq!(taken.status(), 204);
    let told = shown.line().await;
    assert_eq!(told["paymentMethodId"], card.as_str());
    assert!(shown.program.wait().await.unwrap().success());
    assert_eq!(mode(&file), 0o600);
}

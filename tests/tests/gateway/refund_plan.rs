//! What a refund would give back is shown first, and an operator agrees to just that.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use stripe402_tests::{
    binary,
    postgres::Postgres,
    redis::Redis,
    redis_cluster::RedisCluster,
    stack::{Stack, StackOptions},
};

use crate::{
    answer::pay,
    command::{ends_sound, ledger},
    grants::client_with_money,
    operator::{get, post, signed_in, subject},
};

/// $25.00 paid, $1.17 spent, $5.00 given: $23.83 go back to the card, and $5.00 stay.
async fn what_was_paid_for_goes_back(store: Option<&str>) {
    let options = StackOptions::new();
    let options = store.map_or_else(StackOptions::new, |store| options.store(store));
    let mut stack = Stack::start(options).await.unwrap();
    let (client, charge) = client_with_money(&stack).await;
    let path = format!("/clients/{}", subject(&client));
    let gift = json!({"units": 50_000, "currency": "usd", "reference": "g", "reason": "sorry"});
    assert_eq!(post(&stack, &format!("{path}/grants"), gift).await.status, 200);

    let plan = get(&stack, &format!("{path}/refund-plan?units=all&currency=usd&reference=r")).await;
    let parts = json!([{"payment_intent": charge, "amount": 238_300}]);
    assert_eq!((&plan["parts"], &plan["total"]), (&parts, &json!(238_300)), "{plan}");
    assert_eq!(
        (&plan["granted"], &plan["account"]["available"]),
        (&json!(50_000), &json!(288_300))
    );
    assert_eq!(stack.sim.totals("usd").await.unwrap().refunded, 0, "it was looked at only");
    let refunds = format!("{path}/refunds");
    let order = |parts: &Value, reference: &str| {
        let order = json!({
            "units": "all", "currency": "usd", "reference": reference, "reason": "asked for",
            "parts": parts,
        });
        post(&stack, &refunds, order)
    };
    // What nobody was shown is refused, and leaves nothing.
    let forged = json!([{"payment_intent": charge, "amount": 238_400}]);
    for other in [forged, json!([]), json!([{"payment_intent": "pi_x", "amount": 238_300}])] {
        let refused = order(&other, "r").await;
        let code = &refused.body["error"]["code"];
        assert_eq!((refused.status, code), (409, &json!("plan_changed")), "{refused:?}");
    }
    // Two operators say yes at once.
    let (one, two) = tokio::join!(order(&parts, "r"), order(&parts, "r"));
    for given in [one, two] {
        assert_eq!((given.status, &given.body["refunded"]), (200, &json!(238_300)), "{given:?}");
        assert_eq!(given.body["account"]["available"], 50_000);
    }
    assert_eq!(stack.sim.totals("usd").await.unwrap().refunded, 2_383);
    let nothing = order(&parts, "s").await;
    let code = &nothing.body["error"]["code"];
    assert_eq!((nothing.status, code), (409, &json!("nothing_to_refund")), "{nothing:?}");
    let movements = get(&stack, &format!("{path}/movements")).await["movements"].clone();
    let moved = movements.as_array().unwrap().iter().filter(|of| of["amount"] != 0);
    let moved: Vec<_> =
        moved.map(|of| format!("{} {}", of["kind"].as_str().unwrap(), of["amount"])).collect();
    assert_eq!(moved, ["capture 238300", "hold 238300", "grant 50000", "top_up 250000"]);
    let entries = get(&stack, "/audit").await["entries"].clone();
    let done = |of: &&Value| of["kind"] == "refund" && of["outcome"] == "done";
    let done = entries.as_array().unwrap().iter().find(done).unwrap();
    assert_eq!((&done["units"], &done["reference"]), (&json!(238_300), &json!("r")), "{done}");
    // The present is spent.
    let receipt = pay(&stack, "/api/weather", json!({"clientId": client})).await.receipt();
    assert_eq!(receipt["creditsRemaining"], 49_500);
    ends_sound(&mut stack, store, "refunded");
}

#[tokio::test]
async fn what_was_paid_for_goes_back_from_a_file() {
    what_was_paid_for_goes_back(None).await;
}

#[tokio::test]
async fn what_was_paid_for_goes_back_on_redis() {
    let redis = Redis::start().await.unwrap();
    what_was_paid_for_goes_back(Some(&redis.url())).await;
}

#[tokio::test]
async fn what_was_paid_for_goes_back_on_postgresql() {
    let postgres = Postgres::start().await.unwrap();
    what_was_paid_for_goes_back(Some(&postgres.url())).await;
}

#[tokio::test]
async fn what_was_paid_for_goes_back_on_a_cluster() {
    let cluster = RedisCluster::start().await.unwrap();
    what_was_paid_for_goes_back(Some(&cluster.url())).await;
}

/// What the page answers a form.
#[derive(Debug)]
struct Page {
    status: u16,
    location: String,
    text: String,
}

/// The page's form of a client, filled in.
async fn sent(stack: &Stack, cookie: &str, client: &str, form: &str, fields: Value) -> Page {
    let url = format!("/admin/clients/{}/{form}", subject(client));
    let request = stack.client.post(stack.ledgers[0].admin_url(&url)).header("cookie", cookie);
    let request = request.header("sec-fetch-site", "same-origin").form(&fields);
    let answer = request.send().await.unwrap();
    let location = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
    let (status, location) = (answer.status().as_u16(), location.unwrap_or_default());
    Page { status, location, text: answer.text().await.unwrap() }
}

/// The plan that a page shows.
fn plan_of(page: &Page) -> String {
    let (_, rest) = page.text.split_once("name=\"plan\" value=\"").expect("a plan");
    rest.split_once('"').unwrap().0.to_owned()
}

#[tokio::test]
async fn the_page_refunds_what_was_agreed_to_and_nothing_else() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let (client, charge) = client_with_money(&stack).await;
    let cookie = signed_in(&stack).await;
    let refunded = async || stack.sim.totals("usd").await.unwrap().refunded;
    let form = |plan: &str| {
        let fields = json!({
            "amount": "", "all": "1", "currency": "usd", "reference": "r", "reason": "", "plan": plan,
        });
        sent(&stack, &cookie, &client, "refund", fields)
    };
    let question = form("").await;
    assert_eq!(question.status, 200, "{question:?}");
    let shown = plan_of(&question);
    assert_eq!(shown, format!("{charge}=238300"));
    assert!(question.text.contains("Refund to the card") && !question.text.contains("changed"));
    // A request is paid before the operator says yes.
    pay(&stack, "/api/weather", json!({"clientId": client})).await.receipt();
    for stale in [shown.as_str(), "pi_x=1", "nonsense", "<script>"] {
        let again = form(stale).await;
        assert!(
            again.status == 200 && again.text.contains("has changed since you saw it"),
            "{stale}"
        );
        assert!(!again.text.contains("<script>"));
    }
    assert_eq!(refunded().await, 0);
    // A double click.
    let shown = plan_of(&form(&shown).await);
    assert_eq!(shown, format!("{charge}=237800"));
    for done in [form(&shown).await, form(&shown).await] {
        assert_eq!(done.status, 303, "{done:?}");
        assert!(done.location.ends_with("?done=refund"));
    }
    assert_eq!(refunded().await, 2_378);
    // What moves credit asks, too, and says how much.
    let path = format!("/clients/{}", subject(&client));
    let available = async || get(&stack, &path).await["accounts"][0]["available"].clone();
    for (form, amount, asks, after) in [
        ("adjust", "1.25", "Add ", 12_500),
        ("adjust", "-0.25", "Take ", 10_000),
        ("grant", "2", "which expires in 3 days", 30_000),
    ] {
        let before = available().await;
        let mut fields = json!({
            "amount": amount, "currency": "usd", "days": "3", "reason": "why", "reference": asks,
        });
        let question = sent(&stack, &cookie, &client, form, fields.clone()).await;
        assert!(question.status == 200 && question.text.contains(asks), "{question:?}");
        assert_eq!(available().await, before, "{form} only asks");
        fields["sure"] = json!("1");
        assert_eq!(sent(&stack, &cookie, &client, form, fields).await.status, 303);
        assert_eq!(available().await, after, "{form}");
    }
}

/// At a terminal the command shows the plan, and takes nothing but yes.
#[tokio::test]
async fn the_command_asks_at_a_terminal() {
    let redis = Redis::start().await.unwrap();
    let stack = Stack::start(StackOptions::new().store(&redis.url())).await.unwrap();
    let (client, charge) = client_with_money(&stack).await;
    // `script` (util-linux) runs it at a terminal of its own.
    let at_terminal = |answer: &str, more: &str| {
        let program = binary::ledger().unwrap();
        let ledger = &stack.ledgers[0];
        let command = format!(
            "{} client refund {client} --all --reference r --url {} {more}",
            program.display(),
            ledger.admin_url("")
        );
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", &command, "/dev/null"]);
        script.env("LEDGER_ADMIN_TOKEN", ledger.admin_token());
        script.stdin(Stdio::piped()).stdout(Stdio::piped());
        let running = script.spawn().unwrap();
        writeln!(running.stdin.as_ref().unwrap(), "{answer}").unwrap();
        let output = running.wait_with_output().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    for no in ["no", "", "y"] {
        let (code, said) = at_terminal(no, "");
        assert!(code == 4 && said.contains("the answer was not yes"), "{no}: {code} {said}");
        assert!(said.contains(&charge) && said.contains("23.83 usd"), "{said}");
    }
    assert_eq!(stack.sim.totals("usd").await.unwrap().refunded, 0);
    let (code, said) = at_terminal("yes", "");
    assert!(code == 0 && said.contains("23.83 usd refunded"), "{code} {said}");
    assert_eq!(stack.sim.totals("usd").await.unwrap().refunded, 2_383);
    // Who says so beforehand is not asked; nor is a script.
    let (code, said) = at_terminal("", "--yes");
    assert!(code == 0 && !said.contains("Type yes"), "{code} {said}");
    let again =
        ledger(&stack, &redis.url(), &["client", "refund", &client, "--all", "--reference=r"]);
    assert_eq!((again.code, &again.json["refunded"]), (0, &json!(238_300)), "{}", again.error);
}

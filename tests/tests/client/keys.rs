//! `stripe402 key`: from the card that has paid to somebody else's request.

use serde_json::{Value, json};
use stripe402_tests::wire;
use tokio::process::Command;

use crate::{cli, package::Project, program::Terminal, python::interpreter};

#[tokio::test]
async fn a_key_is_created_used_listed_and_revoked() {
    let here = Terminal::new().await;
    let weather = here.stack.url("/api/weather");
    let card = here.card().await;
    let said = here.run(&["key", "list", &weather]).await;
    assert!(said.code == 2 && said.error.contains("stripe402 card add"), "{said:?}");
    let by_card = ["--payment-method", &card];
    let none = here.run(&[&["key", "list", &weather], &by_card[..]].concat()).await;
    assert!(none.code == 0 && none.out.contains("There is no key."), "{none:?}");
    let paid = here.run(&[&["curl", &weather], &by_card[..]].concat()).await;
    assert_eq!(paid.code, 0, "{paid:?}");

    let create = ["key", "create", &weather, "--label", "ci", "--total", "0.07usd"];
    let created = here.run(&[&create[..], &by_card].concat()).await;
    assert_eq!(created.code, 0, "{created:?}");
    let key = created.out.trim();
    assert!(key.len() == 64 && key.starts_with("402402402402"), "{created:?}");
    assert!(created.error.contains("shown this once"), "{created:?}");
    let euros = [&create[..6], &["0.07eur"], &by_card].concat();
    assert_eq!(here.run(&euros).await.code, 2);

    let auto = ["key", "create", &weather, "--label", "auto", "--json", "--auto-top-up"];
    let agreed = "below=0.01usd,amount=5usd,monthly-most=6usd";
    let made = here.run(&[&auto[..], &[agreed], &by_card].concat()).await;
    let made: Value = serde_json::from_str(&made.out).unwrap_or_else(|_| panic!("{made:?}"));
    let expected = json!({"below": 100, "amount": 50_000, "monthlyMost": 60_000, "thisMonth": 0});
    assert_eq!(made["autoTopUp"], expected, "{made}");
    for wrong in ["below=1usd", &format!("{agreed},below=2usd"), &agreed.replace("5usd", "5eur")] {
        assert_eq!(here.run(&[&auto[..], &[wrong], &by_card].concat()).await.code, 2, "{wrong}");
    }

    // Somebody else, with nothing but the key.
    let dir = tempfile::tempdir().unwrap();
    let arguments = ["curl", &weather, "--client-id", key].map(str::to_owned);
    let other = cli::run(&dir.path().join("credentials.json"), &arguments, "").await;
    assert!(other.code == 0 && other.error.contains("$0.02 left"), "{other:?}");
    let spent = here.stack.pay("/api/weather", &json!({"clientId": key})).send().await.unwrap();
    let challenge: Value = wire::header(spent.headers(), wire::PAYMENT_REQUIRED).unwrap();
    assert_eq!(challenge["reason"], "key_budget");

    let list = here.run(&[&["key", "list", &weather], &by_card[..]].concat()).await;
    assert!(list.out.contains("ci: active, $0.05 spent, $0.02 left"), "{list:?}");
    let json = here.run(&[&["key", "list", &weather, "--json"], &by_card[..]].concat()).await;
    let json: Value = serde_json::from_str(&json.out).unwrap();
    let id = json["keys"][0]["id"].as_str().unwrap();
    let revoke = [&["key", "revoke", &weather, "--id", id], &by_card[..]].concat();
    let revoked = here.run(&revoke).await;
    assert!(revoked.code == 0 && revoked.out.contains("(ci) is revoked"), "{revoked:?}");
    let unknown = ["key", "revoke", &weather, "--id", "0123456789abcdef"];
    let unknown = here.run(&[&unknown[..], &by_card].concat()).await;
    assert!(unknown.code == 14 && unknown.error.contains("no such key"), "{unknown:?}");
    let stranger = here.run(&["key", "list", &weather, "--manager", key]).await;
    assert!(stranger.code == 14 && stranger.error.contains("manage"), "{stranger:?}");
}

/// The program keeps the new id, and pays with it; who has the old one pays nothing.
#[tokio::test]
async fn a_client_id_is_rotated_and_the_new_one_kept() {
    let here = Terminal::new().await;
    let (url, card) = paid(&here).await;
    let known = here.client_id();
    let rotated = here.run(&["key", "rotate", &url, "--payment-method", &card]).await;
    assert_eq!(rotated.code, 0, "{rotated:?}");
    let new = rotated.out.trim();
    assert!(new.starts_with("402402402402") && new != known, "{rotated:?}");
    assert!(rotated.error.contains("generation 1"), "{rotated:?}");
    assert_eq!(here.client_id(), new);
    let paid = here.run(&["curl", &url]).await;
    assert_eq!(paid.code, 0, "{paid:?}");
    let old = here.stack.pay("/api/weather", &json!({"clientId": known})).send().await.unwrap();
    let challenge: Value = wire::header(old.headers(), wire::PAYMENT_REQUIRED).unwrap();
    assert_eq!(challenge["reason"], "id_rotated");
    // Rotated elsewhere, it learns the new one from its receipt, and its card is not charged.
    let payment = wire::encode(&json!({"paymentMethodId": card}));
    let elsewhere = here.stack.client.post(here.stack.url("/.well-known/stripe402/keys/rotate"));
    assert_eq!(elsewhere.header("payment", payment).send().await.unwrap().status(), 200);
    let paid = here.run(&["curl", &url, "--payment-method", &card]).await;
    assert_eq!(paid.code, 0, "{paid:?}");
    assert!(here.client_id() != new && here.client_id().starts_with("402402402402"));
    assert_eq!(here.stack.sim.totals("usd").await.unwrap().charged, 500);
    // A key that may manage keys cannot be told the new one.
    let manager = ["key", "rotate", &url, "--manager", new];
    let refused = here.run(&manager).await;
    assert!(refused.code == 14 && refused.error.contains("paymentMethodId"), "{refused:?}");
}

/// What the packages for JavaScript and Python do with keys, as a program prints it.
fn same_in_every_language(said: &str) {
    let said: Value = serde_json::from_str(said).unwrap_or_else(|_| panic!("{said}"));
    assert_eq!(said["made"]["label"], "ci ü", "{said}");
    assert_eq!(said["made"]["key"].as_str().map(str::len), Some(64), "{said}");
    assert_eq!(said["again"], said["made"]["key"], "{said}");
    assert_eq!(said["made"]["autoTopUp"]["monthlyMost"], 60_000, "{said}");
    assert_eq!(said["served"], 200, "{said}");
    assert_eq!(said["listed"][0]["spent"], 500, "{said}");
    assert_eq!(said["listed"][0]["left"], 200, "{said}");
    assert_eq!(said["changed"], json!({"perDay": 900}), "{said}");
    assert_eq!(said["revoked"], "revoked", "{said}");
    assert_eq!(
        said["refused"],
        json!({"status": 404, "message": "there is no such key"}),
        "{said}"
    );
    assert_eq!(said["plain"], "not_encrypted", "{said}");
    assert_eq!(said["rotated"]["generation"], 1, "{said}");
    let grace = said["rotated"]["oldUntil"].as_u64().unwrap() / 1_000;
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!(grace > now + 500 && grace < now + 700, "{said}");
    assert_eq!(said["rotatedAgain"], said["rotated"]["clientId"], "{said}");
    assert_eq!(said["servedByNew"], 200, "{said}");
}

const JAVASCRIPT: &str = r"
import { changeKey, createKey, listKeys, revokeKey, rotateId } from 'stripe402-client';
const [url, paymentMethodId] = process.argv.slice(2);
const proof = { paymentMethodId };
const autoTopUp = { below: 1, amount: 50_000, monthlyMost: 60_000 };
const terms = { label: 'ci ü', budget: { total: 700 }, autoTopUp };
const made = await createKey(url, proof, terms, { idempotencyKey: 'n' });
const again = await createKey(url, proof, terms, { idempotencyKey: 'n' });
const payment = Buffer.from(JSON.stringify({ clientId: made.key })).toString('base64');
const served = (await fetch(url, { headers: { payment } })).status;
const listed = await listKeys(url, proof);
const changed = (await changeKey(url, proof, made.id, { budget: { perDay: 900 } })).budget;
const revoked = (await revokeKey(url, proof, made.id)).state;
const refused = await revokeKey(url, proof, '0123456789abcdef').catch(({ status, message }) => ({ status, message }));
const plain = await listKeys('http://api.example', proof).catch((error) => error.code);
const once = { graceSeconds: 600, idempotencyKey: 'r' };
const rotated = await rotateId(url, proof, once);
const rotatedAgain = (await rotateId(url, proof, once)).clientId;
const byNew = Buffer.from(JSON.stringify({ clientId: rotated.clientId })).toString('base64');
const servedByNew = (await fetch(url, { headers: { payment: byNew } })).status;
console.log(JSON.stringify({ rotated, rotatedAgain, servedByNew, made, again: again.key, served, listed, changed, revoked, refused, plain }));
";

const PYTHON: &str = r#"
import base64, json, sys
import SESSION
import stripe402
from stripe402 import KeyRefused, change_key, create_key, list_keys, revoke_key, rotate_id

url, proof = sys.argv[1], {"paymentMethodId": sys.argv[2]}
session = SESSION.CLASS()
auto = {"below": 1, "amount": 50_000, "monthlyMost": 60_000}
terms = {"label": "ci ü", "budget": {"total": 700}, "autoTopUp": auto}
made = create_key(session, url, proof, terms, idempotency_key="n")
again = create_key(session, url, proof, terms, idempotency_key="n")
payment = base64.b64encode(json.dumps({"clientId": made["key"]}).encode()).decode()
served = session.get(url, headers={"payment": payment}).status_code
listed = list_keys(session, url, proof)
changed = change_key(session, url, proof, made["id"], {"budget": {"perDay": 900}})["budget"]
revoked = revoke_key(session, url, proof, made["id"])["state"]
try:
    revoke_key(session, url, proof, "0123456789abcdef")
except KeyRefused as error:
    refused = {"status": error.status, "message": str(error)}
try:
    list_keys(session, "http://api.example", proof)
except stripe402.Error as error:
    plain = error.code
once = {"grace_seconds": 600, "idempotency_key": "r"}
rotated = rotate_id(session, url, proof, **once)
rotated_again = rotate_id(session, url, proof, **once)["clientId"]
by_new = base64.b64encode(json.dumps({"clientId": rotated["clientId"]}).encode()).decode()
served_by_new = session.get(url, headers={"payment": by_new}).status_code
print(json.dumps({"rotated": rotated, "rotatedAgain": rotated_again, "servedByNew": served_by_new, "made": made, "again": again["key"], "served": served, "listed": listed, "changed": changed,
                  "revoked": revoked, "refused": refused, "plain": plain}))
"#;

/// A client that has paid, and its card.
async fn paid(here: &Terminal) -> (String, String) {
    let (url, card) = (here.stack.url("/api/weather"), here.card().await);
    let paid = here.run(&["curl", &url, "--payment-method", &card]).await;
    assert_eq!(paid.code, 0, "{paid:?}");
    (url, card)
}

async fn said_by(program: &mut Command) -> String {
    let output = program.env("NO_PROXY", "*").output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[tokio::test]
async fn the_package_for_javascript_manages_keys() {
    let (here, project) = (Terminal::new().await, Project::new().await);
    let (url, card) = paid(&here).await;
    let program = project.write("keys.mjs", JAVASCRIPT);
    same_in_every_language(&said_by(Command::new("node").arg(program).args([url, card])).await);
}

#[tokio::test]
async fn the_package_for_python_manages_keys() {
    let dir = tempfile::tempdir().unwrap();
    for (library, session) in [("requests", "Session"), ("httpx", "Client")] {
        let here = Terminal::new().await;
        let (url, card) = paid(&here).await;
        let program = dir.path().join(format!("{library}_keys.py"));
        let text = PYTHON.replace("SESSION", library).replace("CLASS", session);
        std::fs::write(&program, text).unwrap();
        let mut python = Command::new(interpreter());
        same_in_every_language(&said_by(python.arg(program).args([url, card])).await);
    }
}

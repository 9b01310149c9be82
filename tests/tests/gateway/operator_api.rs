//! The operator API: whoever has a token finds clients and corrects accounts, and it is on record.

use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};
use stripe402_tests::{
    binary,
    redis::Redis,
    stack::{Stack, StackOptions},
};

use crate::{
    answer::{paid_client, pay, send},
    command,
    operator::{get, post, request, subject},
};

#[tokio::test]
async fn an_operator_finds_freezes_corrects_and_refunds_and_it_is_on_record() {
    let redis = Redis::start().await.unwrap();
    let token = "0123456789abcdef0123456789abcdef";
    let options = StackOptions::new().store(&redis.url());
    let stack = Stack::start(options.ledger_env("LEDGER_ADMIN_TOKEN", &format!("alice:{token}")));
    let stack = stack.await.unwrap();
    let ledger = &stack.ledgers[0];
    let url = |path: &str| ledger.admin_url(&format!("/admin/v1{path}"));
    let ask = async |path: &str| {
        let answer = send(stack.client.get(url(path)).bearer_auth(token)).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.body
    };
    let act = async |path: &str, body: Value| {
        send(stack.client.post(url(path)).bearer_auth(token).json(&body)).await
    };
    let client = paid_client(&stack).await;
    let subject = subject(&client);

    // Found by its subject, its id, and the beginning of its id; the id itself is never told.
    for name in [subject.as_str(), client.as_str(), &client[..10]] {
        let found = ask(&format!("/clients?search={name}")).await;
        let expected = json!([{"subject": subject, "accounts": [{"currency": "usd",
            "available": 49_500, "pending": 0, "debt": 0, "frozen": false,
            "generation": 0}]}]);
        assert_eq!(found["clients"], expected, "{name}");
        assert!(!found.to_string().contains(&client));
    }
    let shown = ask(&format!("/clients/{subject}")).await;
    assert_eq!(
        (&shown["accounts"][0]["requests"], &shown["accounts"][0]["spent"]),
        (&json!(1), &json!(500))
    );
    assert_eq!(shown["accounts"][0]["recent"][0]["route"], "weather");
    assert!(shown["customer"].as_str().unwrap().starts_with("cus_"));
    let movements = ask(&format!("/clients/{subject}/movements")).await;
    assert_eq!(movements["movements"][0]["kind"], "top_up");
    assert_eq!(ask("/transfers?kind=top_up").await["movements"], movements["movements"]);
    let revenue = ask("/revenue?by=route").await;
    let line = json!({"route": "weather", "currency": "usd", "requests": 1, "units": 500});
    assert_eq!(revenue["lines"], json!([line]));
    assert_eq!(ask("/revenue?by=hour").await["lines"][0]["units"], 500);
    let top_ups = ask("/top-ups?state=credited").await;
    assert_eq!(top_ups["top_ups"][0]["amount"], 50_000);
    assert!(!top_ups.to_string().contains("pm_"), "a PaymentMethod pays: it is a credential");
    assert_eq!(ask("/top-ups?state=in_flight").await["top_ups"], json!([]));
    let health = ask("/health").await;
    assert_eq!(health, json!({"store": {"good": true}, "stripe": {"good": true}}));

    // Frozen, it does not pay; unfrozen, it does.
    let frozen = act(&format!("/clients/{subject}/freeze"), json!({"reason": "stolen"})).await;
    assert_eq!(frozen.body["accounts"][0]["frozen"], true, "{frozen:?}");
    let refused = pay(&stack, "/api/joke", json!({"clientId": client})).await;
    assert_eq!(refused.status, 402);
    let refund = json!({"units": "all", "currency": "usd", "reference": "r1"});
    let refused = act(&format!("/clients/{subject}/refunds"), refund.clone()).await;
    assert_eq!((refused.status, &refused.body["error"]["code"]), (409, &json!("frozen")));
    act(&format!("/clients/{subject}/unfreeze"), json!({"reason": "found"})).await;

    // A correction is made once, whoever asks twice.
    let up = |units: i64| json!({"units": units, "currency": "usd", "reference": "c1", "reason": "<b>sorry</b>"});
    for repeated in [false, true] {
        let done = act(&format!("/clients/{subject}/adjustments"), up(500)).await;
        let account = &done.body["account"]["available"];
        assert_eq!((&done.body["repeated"], account), (&json!(repeated), &json!(50_000)));
    }
    let other = act(&format!("/clients/{subject}/adjustments"), up(501)).await;
    let used = "Reference \"c1\" was already used for $0.05; choose another reference.";
    let error = json!({"code": "conflict", "message": used});
    assert_eq!((other.status, &other.body["error"]), (409, &error));
    let down = json!({"units": -60_000, "currency": "usd", "reference": "c2", "reason": "x"});
    let short = act(&format!("/clients/{subject}/adjustments"), down).await;
    assert_eq!((short.status, &short.body["error"]["code"]), (409, &json!("insufficient")));

    // A refund goes to the card once.
    for _ in 0..2 {
        let given = act(&format!("/clients/{subject}/refunds"), refund.clone()).await;
        assert_eq!((given.status, &given.body["refunded"]), (200, &json!(50_000)), "{given:?}");
    }
    assert_eq!(stack.sim.totals("usd").await.unwrap().refunded, 500);

    // The command line leaves its entries in the same record.
    let cli = ["client", "freeze", &subject, "--reason", "by hand"];
    assert_eq!(command::ledger(&stack, &redis.url(), &cli).code, 0);
    let (mut entries, mut path) = (Vec::new(), "/audit?limit=3".to_owned());
    loop {
        let page = ask(&path).await;
        entries.extend(page["entries"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/audit?limit=3&cursor={next}");
    }
    let told: Vec<_> = entries
        .iter()
        .rev()
        .map(|of| {
            let text = |name: &str| of[name].as_str().unwrap_or_default().to_owned();
            format!("{} {} {}", text("actor"), text("kind"), text("outcome"))
        })
        .collect();
    let each = |who: &str, kind: &str, outcome: &str| {
        [format!("{who} {kind} begun"), format!("{who} {kind} {outcome}")]
    };
    let expected = [
        each("alice", "freeze", "done"),
        each("alice", "refund", "refused"),
        each("alice", "unfreeze", "done"),
        each("alice", "adjust", "done"),
        each("alice", "adjust", "repeated"),
        each("alice", "adjust", "refused"),
        each("alice", "adjust", "refused"),
        each("alice", "refund", "done"),
        each("alice", "refund", "done"),
        each("cli", "freeze", "done"),
    ];
    assert_eq!(told, expected.concat());
    assert_eq!(entries[0]["reason"], "by hand");
    assert!(entries.iter().all(|entry| entry["subject"] == json!(subject)));
    let verified = command::ledger(&stack, &redis.url(), &["verify"]);
    assert_eq!(verified.code, 0, "{}", verified.json);
}

/// Every address that the document names, and every token that is not one.
#[tokio::test]
async fn nobody_else_is_let_in() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let ledger = &stack.ledgers[0];
    let document = send(stack.client.get(ledger.admin_url("/admin/openapi.json"))).await.body;
    assert_eq!(document["openapi"], "3.1.0");
    let good = ledger.admin_token();
    let nearly =
        [&good[1..], &good[..good.len() - 1], &good.to_uppercase(), &stack.secrets.ledger_token];
    let mut asked = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let url = ledger.admin_url(&path.replace("{client}", "0123456789abcdef"));
            let ask = || stack.client.request(method.clone(), &url).json(&json!({}));
            let mut answers =
                vec![send(ask()).await, send(ask().basic_auth("a", Some(good))).await];
            for wrong in nearly {
                answers.push(send(ask().bearer_auth(wrong)).await);
            }
            for answer in answers {
                assert_eq!(
                    (answer.status, &answer.body["error"]["code"]),
                    (401, &json!("unauthorized")),
                    "{url}"
                );
                assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            }
            let let_in = send(ask().bearer_auth(good)).await;
            assert!(![401, 405, 500].contains(&let_in.status), "{url}: {let_in:?}");
            asked += 1;
        }
    }
    assert_eq!(asked, 31);
    // A mistake says what would be right.
    let wrong = send(request(&stack, Method::GET, "/audit?limit=0")).await;
    let said = wrong.body["error"]["message"].as_str().unwrap().to_owned();
    assert!(wrong.status == 400 && said.contains("from 1 to 500"), "{said}");
    let wrong = send(request(&stack, Method::GET, "/clients?serch=1")).await;
    assert!(wrong.status == 400 && wrong.body.to_string().contains("serch"), "{wrong:?}");
    let wrong = post(&stack, "/clients/0123456789abcdef/freeze", json!({"reason": "x"})).await;
    assert_eq!(wrong.status, 404);
    assert_eq!(get(&stack, "/audit").await["entries"], json!([]), "nothing happened");
    // The gateway's listener has none of this.
    let inside = ledger.url("/admin/v1/audit");
    assert_eq!(send(stack.client.get(inside).bearer_auth(good)).await.status, 404);

    let off = StackOptions::new().ledger_env("LEDGER_ADMIN_TOKEN", "");
    let stack = Stack::start(off).await.unwrap();
    for path in ["/admin/v1/audit", "/admin/", "/admin/login", "/admin/openapi.json"] {
        let url = stack.ledgers[0].admin_url(path);
        assert_eq!(send(stack.client.get(&url).bearer_auth("")).await.status, 404, "{path}");
    }
}

/// Whatever the document allows is answered as it says, and whatever it does not is refused.
#[tokio::test]
async fn the_api_keeps_to_its_document() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let client = subject(&paid_client(&stack).await);
    let examples = std::env::var("STRIPE402_EXAMPLES").unwrap_or_else(|_| "20".to_owned());
    // Once as it comes, and once about a client that is there.
    let config = stack.dir().join("schemathesis.toml");
    let token = format!("[auth.openapi.token]\nbearer = \"{}\"\n", stack.ledgers[0].admin_token());
    for parameters in ["", &format!("[parameters]\n\"path.client\" = \"{client}\"\n")] {
        std::fs::write(&config, format!("{parameters}{token}")).unwrap();
        let mut command = Command::new(binary::schemathesis().unwrap());
        command
            .arg(format!("--config-file={}", config.display()))
            .args(["run", &stack.ledgers[0].admin_url("/admin/openapi.json"), "--checks=all"])
            .args(["--seed=402", "--max-examples", &examples, "--phases=examples,coverage,fuzzing"])
            .args(["--no-color", "--workers=1", "--generation-database=none", "--no-shrink"])
            .args(["--suppress-health-check=all", "--continue-on-failure"])
            .current_dir(stack.dir());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
        let summary = said.split("SUMMARY").nth(1).unwrap_or(&said);
        println!("{summary}");
    }
    // What it did is on record, and the books add up.
    let entries = get(&stack, "/audit").await;
    assert_eq!(entries["entries"].as_array().unwrap().len(), 50, "it acted, too");
    assert_eq!(get(&stack, "/health").await["store"], json!({"good": true}));
}

//! What a command says of a ledger that cannot be asked, or does not answer.

use std::{
    io::Read as _,
    net::TcpListener,
    time::{Duration, Instant},
};

use serde_json::json;
use stripe402_tests::stack::{Stack, StackOptions};

use super::{on_ledger, on_store, run};
use crate::answer::paid_client;

/// Arguments, variables, the exit code, and words of what is said.
type Case<'c> = (&'c [&'c str], &'c [(&'c str, &'c str)], i32, &'c str);

const TOKEN: &str = "0123456789abcdef-a-token";

#[tokio::test]
async fn the_address_and_the_token_are_checked_and_the_way_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| format!("file:{}", dir.path().join(name).display());
    let stack = Stack::start(StackOptions::new().store(&at("ledger.redb"))).await.unwrap();
    paid_client(&stack).await;
    let locked = on_store(&stack, &at("ledger.redb"), &["verify"]);
    assert_eq!(locked.code, 5);
    for words in ["in use by another process", "--url http://127.0.0.1:8403", "LEDGER_ADMIN_TOKEN"]
    {
        assert!(locked.error.contains(words), "{}", locked.error);
    }
    let url = stack.ledgers[0].admin_url("");
    let good = stack.ledgers[0].admin_token();
    let token = [("LEDGER_ADMIN_TOKEN", TOKEN)];
    let by_environment = [("LEDGER_ADMIN_TOKEN", good), ("LEDGER_ADMIN_URL", &*url)];
    let (missing, named) = (at("missing.redb"), format!("alice:{good},bob:{TOKEN}"));
    let with_store = ["verify", "--url", &url, "--store", &missing];
    let lost = ["reconcile", "--url", &url, "--lost-books", "00000000-0000-0000-0000-000000000000"];
    let cases: [Case<'_>; 11] = [
        (&["verify", "--url", &url], &[("LEDGER_ADMIN_TOKEN", good)], 0, ""),
        (&["verify", "--url", &url], &[("LEDGER_ADMIN_TOKEN", &named)], 0, ""),
        (&["verify"], &by_environment, 0, ""),
        (&["verify", "--url", &url], &[], 2, "LEDGER_ADMIN_TOKEN: must be set in the environment"),
        (&["verify", "--url", &url], &token, 2, "does not know this LEDGER_ADMIN_TOKEN"),
        (&["verify", "--url", "http://10.0.0.7:8403"], &token, 2, "plain http to another machine"),
        (&["verify", "--url", "http://a:b@127.0.0.1:1"], &token, 2, "without a user"),
        (
            &["verify", "--url", "http://127.0.0.1:1"],
            &token,
            5,
            "check --url, and that the ledger runs",
        ),
        (&with_store, &token, 2, "cannot be used with"),
        (&lost, &token, 2, "--lost-books: cannot be used with --url"),
        // Whoever names a backup is not told of the ledger that runs.
        (&["verify", "--store", &missing], &by_environment, 3, "there is no ledger file"),
    ];
    for (arguments, variables, code, words) in cases {
        let said = run(arguments, variables);
        assert_eq!(said.code, code, "{arguments:?}: {}", said.error);
        assert!(said.error.contains(words), "{arguments:?}: {}", said.error);
        for secret in [TOKEN, good, "a:b@"] {
            assert!(!(said.text.clone() + &said.error).contains(secret), "{}", said.error);
        }
    }
    let import = ["import", "express", "--url", &url, "--from", "postgres://u@127.0.0.1:1/x"];
    assert_eq!(run(&import, &by_environment).code, 2, "an import needs the store itself");
}

/// A ledger that reads a request and closes the connection: it may have done it.
#[test]
fn a_connection_that_is_cut_has_an_unknown_outcome() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let _ = connection.read(&mut [0; 4_096]);
        }
    });
    let client = "0123456789abcdef";
    let again = "the outcome is unknown: run this again, with the same --reference";
    let commands: [(&[&str], &str); 6] = [
        (&["client", "adjust", client, "--units=1", "--reason=x", "--reference=r"], again),
        (&["client", "refund", client, "--all", "--reference=r"], again),
        (&["client", "freeze", client, "--reason=x"], again),
        (&["client", "unfreeze", client, "--reason=x"], again),
        (&["reconcile", "--repair"], again),
        (&["client", "show", client], "; run this again"),
    ];
    for (command, words) in commands {
        let said = run(&[command, &["--url", &url]].concat(), &[("LEDGER_ADMIN_TOKEN", TOKEN)]);
        assert_eq!(said.code, 5, "{command:?}: {}", said.error);
        assert!(said.error.contains(words), "{command:?}: {}", said.error);
        assert!(!said.error.contains(TOKEN), "{}", said.error);
    }
}

/// A check takes longer than requests may, and there is one at a time.
#[tokio::test]
async fn one_check_runs_at_a_time_for_as_long_as_it_takes() {
    let options = StackOptions::new()
        .ledger_env("LEDGER_PAYMENT_DEADLINE", "1s")
        .ledger_env("LEDGER_REQUEST_TIMEOUT", "2s");
    let stack = Stack::start(options).await.unwrap();
    paid_client(&stack).await;
    let slow =
        json!({"method": "GET", "path": "/v1/payment_intents", "action": "latency", "ms": 4_000});
    stack.sim.fault(&slow).await.unwrap();
    std::thread::scope(|scope| {
        let reconcile = scope.spawn(|| on_ledger(&stack, &["reconcile"]));
        let begun = Instant::now();
        // Until Stripe is asked: a verify that comes first would keep the other from it.
        std::thread::sleep(Duration::from_secs(1));
        let said = on_ledger(&stack, &["verify"]);
        assert_eq!(said.code, 5, "two checks run at a time");
        assert!(said.error.contains("runs verify or reconcile already"), "{}", said.error);
        let said = reconcile.join().unwrap();
        assert_eq!(said.code, 0, "{}", said.error);
        assert!(begun.elapsed() > Duration::from_secs(3), "nothing was slow");
    });
    assert_eq!(on_ledger(&stack, &["verify"]).code, 0);
}

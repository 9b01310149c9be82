//! Exit codes: a script can tell what to do next.

use stripe402_tests::stack::{Stack, StackOptions};

use super::{ledger, run};
use crate::{
    answer::paid_client,
    operator::{post, subject},
};

#[tokio::test]
async fn each_outcome_has_its_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ledger.redb");
    let store = format!("file:{}", file.display());
    let mut stack = Stack::start(StackOptions::new().store(&store)).await.unwrap();
    let client = subject(&paid_client(&stack).await);
    let freeze = serde_json::json!({"reason": "stolen"});
    let code = |stack: &Stack, arguments: &[&str], expected: i32, words: &str| {
        let said = ledger(stack, &store, arguments);
        assert_eq!(said.code, expected, "{arguments:?}: {} {}", said.json, said.error);
        assert!(said.error.contains(words), "{arguments:?}: {}", said.error);
    };
    // 5: the ledger has the file.
    code(&stack, &["verify"], 5, "in use by another process");
    stack.ledger().unwrap().process().stop();
    code(&stack, &["verify"], 0, "");
    code(&stack, &["client", "show", &client], 0, "");
    // 1: half a cent cannot be refunded.
    code(&stack, &["client", "refund", &client, "--amount=10050", "--reference=r"], 1, "");
    // 2: the argument is wrong, or missing.
    code(&stack, &["client", "show", "nobody"], 2, "16 hex digits");
    code(&stack, &["client", "adjust", &client, "--units=1"], 2, "--reason");
    let (neither, both) = (["--reference=r"], ["--all", "--amount=1", "--reference=r"]);
    for amount in [&neither[..], &both] {
        code(&stack, &[&["client", "refund", &client], amount].concat(), 2, "--amount");
    }
    let wrong = run(&["verify", "--store", "postgres://user@host:port/x"], &[]);
    assert_eq!(wrong.code, 2, "{}", wrong.error);
    // 3: it is not there.
    code(&stack, &["client", "show", "0123456789abcdef"], 3, "no such client");
    // 4: the books refuse it.
    let adjust = |units: &'static str| {
        ["client", "adjust", &client, units, "--reason=x", "--reference=r-17"]
    };
    code(&stack, &adjust("--units=30000"), 0, "");
    let used = "Reference \"r-17\" was already used for $3.00; choose another reference.";
    code(&stack, &adjust("--units=20000"), 4, used);
    code(&stack, &adjust("--units=-900000"), 4, "");
    stack.ledger().unwrap().restart().await.unwrap();
    assert_eq!(post(&stack, &format!("/clients/{client}/freeze"), freeze).await.status, 200);
    stack.ledger().unwrap().process().stop();
    code(&stack, &["client", "refund", &client, "--all", "--reference=s"], 4, "frozen");
    // 5: Stripe does not answer.
    stack
        .sim
        .fault(&serde_json::json!({"method": "GET", "action": "status", "status": 500, "times": 0}))
        .await
        .unwrap();
    code(&stack, &["reconcile"], 5, "");
    stack.sim.clear_faults().await.unwrap();
    // 1: the file was cut short.
    let length = std::fs::metadata(&file).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(length / 2).unwrap();
    code(&stack, &["verify"], 1, "is not as the ledger wrote it");
    // The help says them all.
    let help = std::process::Command::new(stripe402_tests::binary::ledger().unwrap())
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for line in
        ["Exit codes:", "  0  all is well", "  5  the store, Stripe or the ledger gave no answer"]
    {
        assert!(help.contains(line), "{help}");
    }
}

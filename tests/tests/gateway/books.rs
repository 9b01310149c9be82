//! What the operator's own command says of the books.

use std::process::Command;

use stripe402_tests::{binary, stack::Stack};

/// `stripe402-ledger revenue` of this stack's store. A file serves one process, so its ledger ends.
pub(crate) fn revenue(stack: &mut Stack) -> String {
    let store = format!("file:{}", stack.dir().join("ledger.redb").display());
    stack.ledger().unwrap().process().stop();
    let output = Command::new(binary::ledger().unwrap())
        .args(["revenue", "--store", &store, "--json"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

//! What gateway and ledger say to each other, for tests that stand in for one of them.

use serde_json::Value;
use stripe402_protocol::message::{Batch, BatchAnswer, compact};

/// A message to the ledger, whatever its encoding.
pub(crate) fn read(body: &[u8]) -> Value {
    match compact::from_bytes::<Batch>(body) {
        Ok(batch) => serde_json::to_value(batch).unwrap(),
        Err(_) => serde_json::from_slice(body).unwrap(),
    }
}

/// The answer to a batch, as a ledger writes it.
pub(crate) fn batch_answer(answer: Value) -> Vec<u8> {
    let answer: BatchAnswer = serde_json::from_value(answer).unwrap();
    compact::to_bytes(&answer)
}

//! What a stranger sends beside others' paid requests fails none of them.

use futures_util::future::join_all;
use serde_json::json;
use stripe402_tests::{
    stack::{Stack, StackOptions},
    wire,
};

use crate::answer::paid_client;

/// Batches are shared: a header that the ledger's listener refuses would fail them all.
#[tokio::test]
async fn long_names_of_a_request_fail_nobody() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let client = paid_client(&stack).await;
    let long = "0".repeat(40_000);
    let strange = wire::encode(&json!({"clientId": "ab".repeat(32)}));
    for name in ["traceparent", "x-request-id"] {
        let strangers = (0..60).map(|_| {
            let request = stack.get("/api/joke").header("payment", &strange);
            request.header(name, &long).send()
        });
        let honest = (0..60).map(|_| stack.pay("/api/joke", &json!({"clientId": client})).send());
        let (strangers, honest) = tokio::join!(join_all(strangers), join_all(honest));
        for answer in honest {
            assert_eq!(answer.unwrap().status(), 200, "{name}: an honest request");
        }
        for answer in strangers {
            assert_eq!(answer.unwrap().status(), 402, "{name}: a stranger has no credits");
        }
    }
}

//! `envoy/minimal/`: the fewest lines that charge.

use serde_json::json;
use stripe402_tests::{
    stack::{Stack, StackOptions},
    wire,
};

#[tokio::test]
async fn the_fewest_lines_charge() {
    let stack = Stack::start(StackOptions::new().file("envoy/minimal/envoy.yaml")).await.unwrap();
    // Whatever is behind it costs the same.
    for path in ["/api/joke", "/api/health", "/"] {
        let answer = stack.get(path).send().await.unwrap();
        assert_eq!(answer.status(), 402, "{path}");
        let challenge = wire::header(answer.headers(), wire::PAYMENT_REQUIRED).unwrap();
        assert_eq!(challenge["price"], 100, "{path}");
    }
    assert_eq!(stack.upstream.recorder().count(), 0);
    let card = stack.sim.fresh_card().await.unwrap();
    let paid = stack.pay("/api/joke", &json!({"paymentMethodId": card})).send().await.unwrap();
    assert_eq!(paid.status(), 200);
    let receipt = wire::header(paid.headers(), wire::PAYMENT_RESPONSE).unwrap();
    assert_eq!(receipt["creditsRemaining"], 49_900);
    let again = json!({"clientId": receipt["clientId"]});
    let again = stack.pay("/api/health", &again).send().await.unwrap();
    let receipt = wire::header(again.headers(), wire::PAYMENT_RESPONSE).unwrap();
    assert_eq!((again.status().as_u16(), &receipt["creditsRemaining"]), (200, &json!(49_800)));
}

//! A client cannot have the identity dropped on the way to the API, nor put one of its own beside it.

use serde_json::json;
use stripe402_tests::{raw, stack::Stack, wire};
use tokio::net::TcpStream;

use crate::{answer::paid_client, other_api};

/// Envoy forwards `connection` with a request to upgrade, and the next hop drops what it names.
#[tokio::test]
async fn a_request_to_upgrade_names_no_header_of_ours() {
    let (seen, mut heads) = tokio::sync::mpsc::unbounded_channel();
    let api = other_api::raw(move |head: String, mut stream: TcpStream| {
        let seen = seen.clone();
        async move {
            seen.send(head.to_ascii_lowercase()).unwrap();
            let refusal = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            other_api::write(&mut stream, refusal).await;
        }
    })
    .await;
    let stack = Stack::start(other_api::before(api)).await.unwrap();
    let payment = wire::encode(&json!({"clientId": paid_client(&stack).await}));
    for named in
        ["x-stripe402-client-id", "X-Stripe402-Price, payment", "x_stripe402_charge_id, x-other"]
    {
        let head = format!(
            "GET /other/socket HTTP/1.1\r\nhost: x\r\nconnection: upgrade, {named}\r\n\
             upgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nx.stripe402.client.id: forged\r\n\
             x!stripe402!price: forged\r\npayment: {payment}\r\n\r\n"
        );
        let mut client = raw::open(stack.envoy.address(), head.as_bytes()).await.unwrap();
        other_api::head(&mut client).await;
        let head = heads.recv().await.unwrap();
        let value = |name: &str| {
            head.lines()
                .find_map(|line| line.strip_prefix(name))
                .map(|value| value.trim().to_owned())
        };
        let connection = value("connection:").unwrap_or_default();
        assert!(connection.contains("upgrade"), "{head}");
        assert!(!connection.contains("stripe402") && !connection.contains("payment"), "{head}");
        assert!(value("x-stripe402-client-id:").is_some() && value("upgrade:").is_some(), "{head}");
        assert!(!head.contains("forged"), "{head}");
    }
}

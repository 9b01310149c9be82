//! Every way in which an API fails, and what it costs: balances are exact.

use std::time::Duration;

use serde_json::json;
use stripe402_tests::stack::Stack;
use tokio::{io::AsyncReadExt as _, net::TcpStream};

use crate::{
    answer::{left_before, paid_client, pay},
    other_api,
};

async fn behave(head: String, mut stream: TcpStream) {
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let ok = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n";
    match path.as_str() {
        "/other/good" => other_api::write(&mut stream, &format!("{ok}0123456789")).await,
        "/other/500" => {
            other_api::write(&mut stream, "HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n").await;
        }
        "/other/503" => {
            other_api::write(&mut stream, "HTTP/1.1 503 X\r\ncontent-length: 0\r\n\r\n").await;
        }
        "/other/404" => {
            other_api::write(&mut stream, "HTTP/1.1 404 X\r\ncontent-length: 0\r\n\r\n").await;
        }
        "/other/304" => other_api::write(&mut stream, "HTTP/1.1 304 X\r\n\r\n").await,
        "/other/closes" => drop(stream),
        "/other/resets" => reset(stream),
        "/other/resets-in-headers" => {
            other_api::write(&mut stream, "HTTP/1.1 200 OK\r\ncontent-le").await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            reset(stream);
        }
        "/other/nonsense" => other_api::write(&mut stream, "220 smtp ready\r\n\r\n").await,
        "/other/resets-in-body" => {
            other_api::write(&mut stream, &format!("{ok}01234")).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            reset(stream);
        }
        "/other/hangs" => drop(stream.read_u8().await),
        "/other/hangs-in-headers" => {
            other_api::write(&mut stream, "HTTP/1.1 200 OK\r\n").await;
            drop(stream.read_u8().await);
        }
        other => panic!("{other}"),
    }
}

/// Closes at once, as a process that is killed does.
fn reset(stream: TcpStream) {
    #[expect(deprecated, reason = "a lingering of zero does not block")]
    stream.set_linger(Some(Duration::ZERO)).unwrap();
}

#[tokio::test]
async fn what_the_api_fails_costs_nothing_and_what_it_answers_costs_its_price() {
    let api = other_api::raw(behave).await;
    let stack = Stack::start(other_api::before(api)).await.unwrap();
    let client = paid_client(&stack).await;
    let mut left = 49_500;
    for (path, status, price) in [
        ("/other/good", 200, 1_000),
        ("/other/404", 404, 1_000),
        ("/other/304", 304, 1_000),
        ("/other/500", 500, 0),
        ("/other/503", 503, 0),
        ("/other/closes", 503, 0),
        ("/other/resets", 503, 0),
        ("/other/resets-in-headers", 502, 0),
        ("/other/nonsense", 502, 0),
        ("/other/hangs", 504, 0),
        ("/other/hangs-in-headers", 504, 0),
    ] {
        let answer = pay(&stack, path, json!({"clientId": client})).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert_eq!(answer.header("payment-response").is_some(), price > 0, "{path}");
        left -= price;
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(left_before(&stack, &client).await, left, "{path}");
        left -= 100;
    }
    // It had answered; what becomes of its body is not known at the head of the response.
    let request = stack.pay("/other/resets-in-body", &json!({"clientId": client})).send().await;
    assert!(request.unwrap().bytes().await.is_err());
    assert_eq!(left_before(&stack, &client).await, left - 1_000);
}

/// A void outlives the ledger: it waits until there is one again.
#[tokio::test]
async fn a_void_waits_for_a_ledger_that_restarts() {
    let api = other_api::raw(|_, mut stream: TcpStream| async move {
        tokio::time::sleep(Duration::from_millis(800)).await;
        other_api::write(&mut stream, "HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n").await;
    });
    let mut stack = Stack::start(other_api::before(api.await)).await.unwrap();
    let client = paid_client(&stack).await;
    let slow = stack.pay("/other/x", &json!({"clientId": client}));
    let slow = tokio::spawn(slow.send());
    tokio::time::sleep(Duration::from_millis(400)).await;
    stack.ledger().unwrap().process().kill9();
    assert_eq!(slow.await.unwrap().unwrap().status(), 500);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    stack.ledger().unwrap().restart().await.unwrap();
    stack.healthy_ledgers(1).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(left_before(&stack, &client).await, 49_500);
}

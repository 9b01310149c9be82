//! The filter loaded by ECDS from a file, and replaced while requests are served.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use stripe402_tests::{
    binary,
    envoy_config::EnvoyConfig,
    stack::{Stack, StackOptions},
    wire,
};

use crate::answer::{pay, send};

fn read(path: &str) -> Value {
    EnvoyConfig::read(&binary::workspace().join(path)).unwrap().root().clone()
}

/// The shipped file with another price of the joke, put in place as its comment says.
fn write(file: &Path, version: i64, price: i64) {
    let mut resource = read("envoy/ecds/filter.yaml");
    resource["version_info"] = json!(version.to_string());
    let config = resource.pointer_mut("/resources/0/typed_config/config").unwrap();
    config["vm_config"]["code"]["local"]["filename"] = json!(binary::filter().unwrap());
    config["configuration"]["value"]["routes"][0]["price"] = json!(price);
    let new = file.with_extension("new");
    std::fs::write(&new, resource.to_string()).unwrap();
    std::fs::rename(&new, file).unwrap();
}

/// A gateway whose filter stands in a file of its own.
async fn stack(file: &Path) -> Stack {
    write(file, 1, 100);
    let file = file.to_owned();
    let options = StackOptions::new().workers(2).config(move |config| {
        let shipped = read("envoy/ecds/envoy.yaml");
        config.root()["node"] = shipped["node"].clone();
        let manager =
            "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";
        let filters = shipped.pointer(manager).unwrap().as_array().unwrap();
        let by_ecds = filters.iter().find(|filter| filter["name"] == "stripe402").unwrap();
        let filters = config.connection_manager()?["http_filters"].as_array_mut().unwrap();
        let own = filters.iter_mut().find(|filter| filter["name"] == "stripe402").unwrap();
        *own = by_ecds.clone();
        own["config_discovery"]["config_source"]["path_config_source"]["path"] = json!(file);
        Ok(())
    });
    Stack::start(options).await.unwrap()
}

async fn until_price(stack: &Stack, price: i64) {
    let start = Instant::now();
    // Both workers, so several times in a row.
    let mut in_a_row = 0;
    while in_a_row < 8 {
        let answer = send(reqwest::Client::new().get(stack.url("/api/joke"))).await;
        in_a_row = if answer.challenge()["price"] == price { in_a_row + 1 } else { 0 };
        assert!(start.elapsed() < Duration::from_secs(10), "the price is not {price}");
    }
}

#[tokio::test]
async fn prices_change_under_load_without_a_failed_request() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("filter.yaml");
    let stack = stack(&file).await;
    let card = stack.sim.fresh_card().await.unwrap();
    let top_up = json!({"paymentMethodId": card, "topUpAmount": 10_000_000});
    let first = pay(&stack, "/api/joke", top_up).await.receipt();
    let client = first["clientId"].as_str().unwrap().to_owned();
    let payment = wire::encode(&json!({"clientId": client}));

    let stop = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (stop, payment, url) = (Arc::clone(&stop), payment.clone(), stack.url("/api/joke"));
            tokio::spawn(async move {
                let http = reqwest::Client::new();
                let (mut paid, mut count) = (0, 0);
                while !stop.load(Ordering::SeqCst) {
                    let answer = http.get(&url).header(wire::PAYMENT, &payment).send().await;
                    let answer = answer.unwrap();
                    assert_eq!(answer.status(), 200);
                    let receipt = wire::header(answer.headers(), wire::PAYMENT_RESPONSE).unwrap();
                    assert_eq!(receipt["success"], true);
                    let body: Value = answer.json().await.unwrap();
                    assert!(body["joke"].is_string());
                    (paid, count) = (paid + 1, count + 1);
                }
                (paid, count)
            })
        })
        .collect();
    for version in 2..8 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        write(&file, version, version * 100);
    }
    until_price(&stack, 700).await;
    stop.store(true, Ordering::SeqCst);
    let mut served = 0;
    for task in tasks {
        served += task.await.unwrap().1;
    }
    // What was charged is what the API heard that it was paid.
    let heard: i64 = stack
        .upstream
        .recorder()
        .requests()
        .iter()
        .map(|request| request.header("x-stripe402-price").unwrap().parse::<i64>().unwrap())
        .sum();
    let last = pay(&stack, "/api/joke", json!({"clientId": client})).await.receipt();
    assert_eq!(last["creditsRemaining"], 10_000_000 - heard - 700);
    assert!(served > 100, "{served}");
    println!("{served} requests were served while the filter was replaced six times");

    // A mistake changes nothing: the last good one goes on.
    write(&file, 8, 0);
    tokio::time::sleep(Duration::from_millis(500)).await;
    until_price(&stack, 700).await;
}

/// A request whose filter was replaced while it waited for its answer is settled all the same.
#[tokio::test]
async fn what_began_under_the_old_configuration_is_settled_under_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("filter.yaml");
    let mut stack = stack(&file).await;
    let card = stack.sim.fresh_card().await.unwrap();
    let first = pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await.receipt();
    let client = first["clientId"].as_str().unwrap().to_owned();
    // The ledger hangs; the request waits, the configuration changes, the charge is unknown.
    stack.ledger().unwrap().process().pause();
    let waiting = tokio::spawn(stack.pay("/api/joke", &json!({"clientId": client})).send());
    tokio::time::sleep(Duration::from_millis(300)).await;
    write(&file, 2, 200);
    assert_eq!(waiting.await.unwrap().unwrap().status(), 503);
    stack.ledger().unwrap().process().resume();
    stack.healthy_ledgers(1).await.unwrap();
    until_price(&stack, 200).await;
    // The old configuration's worker has handed its void over.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let last = pay(&stack, "/api/joke", json!({"clientId": client})).await.receipt();
    assert_eq!(last["creditsRemaining"], 49_900 - 200);
}

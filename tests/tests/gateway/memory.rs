//! The gate keeps nothing of a request that is over, however it ended.
//!
//! Some thousands of requests here; `make soak` sends a million (`STRIPE402_REQUESTS`).

use std::{net::SocketAddr, time::Duration};

use serde_json::json;
use stripe402_tests::{
    stack::{Stack, StackOptions},
    wire,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream},
    net::TcpStream,
};

use crate::answer::pay;

/// Connections that are used at once.
const CONNECTIONS: usize = 32;

fn requests() -> usize {
    let set = std::env::var("STRIPE402_REQUESTS").ok();
    set.and_then(|requests| requests.parse().ok()).unwrap_or(8_000)
}

/// Sends requests one after the other; every twentieth client hangs up at some moment.
async fn load(address: SocketAddr, client: String, count: usize, seed: usize) {
    let paid = wire::encode(&json!({"clientId": client}));
    let unknown = wire::encode(&json!({"clientId": client.chars().rev().collect::<String>()}));
    let mut stream = None;
    for number in 0..count {
        let payment = match number % 10 {
            0 => String::new(),
            1 => format!("payment: {unknown}\r\n"),
            _ => format!("payment: {paid}\r\n"),
        };
        let path = if number % 50 == 7 { "/api/fail" } else { "/api/joke" };
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n{payment}\r\n");
        let mut open = match stream.take() {
            Some(open) => open,
            None => BufStream::new(TcpStream::connect(address).await.unwrap()),
        };
        open.write_all(request.as_bytes()).await.unwrap();
        open.flush().await.unwrap();
        if number % 20 == seed % 20 {
            let moment = Duration::from_micros(u64::try_from(number * 37 % 1_500).unwrap());
            tokio::time::sleep(moment).await;
            continue;
        }
        let (mut line, mut length) = (String::new(), None);
        while line != "\r\n" {
            line.clear();
            open.read_line(&mut line).await.unwrap();
            assert!(!line.is_empty(), "the answer ends in its head");
            length = line.strip_prefix("content-length: ").map(str::to_owned).or(length);
        }
        let mut body = vec![0; length.unwrap().trim().parse().unwrap()];
        open.read_exact(&mut body).await.unwrap();
        stream = Some(open);
    }
}

/// Kilobytes of memory that a process has, all its threads' VMs in it.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn memory_stays_flat_whatever_clients_do() {
    let options = StackOptions::new().filter(|filter| {
        for route in filter["routes"].as_array_mut().unwrap() {
            // MCP's tools have prices of their own.
            if route["mcp"].is_null() {
                route["price"] = json!(1);
            }
        }
    });
    // What is measured is the gateway: the ledger's disk would only slow it down.
    let memory = std::path::Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let folder = folder.unwrap();
    let store = format!("file:{}", folder.path().join("ledger.redb").display());
    let options = options.store(&store).config(|config| {
        config.connection_manager()?["access_log"] = json!([]);
        Ok(())
    });
    let mut stack = Stack::start(options).await.unwrap();
    let card = stack.sim.fresh_card().await.unwrap();
    let top_up = json!({"paymentMethodId": card, "topUpAmount": 10_000_000});
    let first = pay(&stack, "/api/joke", top_up).await.receipt();
    let client = first["clientId"].as_str().unwrap().to_owned();
    // This process would fill up with what reached the API.
    let recorder = stack.upstream.recorder().clone();
    tokio::spawn(async move {
        loop {
            recorder.clear();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let (address, total) = (stack.envoy.address(), requests());
    let mut measured = Vec::new();
    for part in [total / 10, total - total / 10] {
        let loads: Vec<_> = (0..CONNECTIONS)
            .map(|seed| tokio::spawn(load(address, client.clone(), part / CONNECTIONS, seed)))
            .collect();
        for load in loads {
            load.await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        measured.push(resident(stack.envoy.process().pid()));
    }
    let [before, after] = measured[..] else { panic!() };
    println!("Envoy has {before} kB after {} requests, {after} kB after {total}", total / 10);
    // A short run is still filling Envoy's own pools.
    let allowed = if total >= 1_000_000 { 105 } else { 130 };
    assert!(after * 100 <= before * allowed, "{before} kB became {after} kB");
}

//! `redis-benchmark` with the very call that the ledger makes, seen by `MONITOR`.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    process::Command,
    time::Duration,
};

use stripe402_ledger::store::Store;
use stripe402_protocol::message::{self, Batch};

use super::load;
use crate::{Result, accounts};

/// What takes the place of a deduction's id: two random numbers of up to nine digits, since one alone
/// would meet itself again in every round.
const RANDOM_ID: &str = "__rand_int____rand_int__";

/// The arguments of the ledger's call for one deduction, with the id to be filled in.
///
/// # Errors
/// If no such call was seen.
pub(super) async fn call(store: &dyn Store, port: u16) -> Result<Vec<String>> {
    let mut monitor = TcpStream::connect(("127.0.0.1", port))?;
    monitor.set_read_timeout(Some(Duration::from_secs(5)))?;
    monitor.write_all(b"MONITOR\r\n")?;
    let mut lines = BufReader::new(monitor).lines();
    lines.next().ok_or("MONITOR was not answered")??;
    let deduction = load::deduction(accounts::client(0))?;
    let id = deduction.id.to_string();
    let batch = Batch {
        version: message::VERSION,
        deductions: vec![deduction],
        voids: Vec::new(),
        captures: vec![],
    };
    store.batch(batch).await?;
    for line in lines {
        let line = line?;
        if line.contains("\"EVALSHA\"") && line.contains(&id) {
            let words = line.split('"').skip(1).step_by(2);
            return Ok(words.map(|word| word.replace(&id, RANDOM_ID)).collect());
        }
    }
    Err("the ledger's call was not seen".into())
}

/// Makes that call so many times, as many at once as the ledger; answers how many a second.
///
/// # Errors
/// If the program is missing or says something else than a rate.
pub(super) fn benchmark(port: u16, call: &[String], count: u64) -> Result<f64> {
    let output = Command::new("redis-benchmark")
        .args(["-p", &port.to_string(), "-n", &count.to_string(), "-r", "1000000000", "-q"])
        .args(["-c", &load::IN_FLIGHT.to_string(), "-P", &load::BATCH.to_string()])
        .args(call)
        .output()
        .map_err(|error| format!("redis-benchmark: {error}; scripts/setup-redis.sh installs it"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let before = said.split(" requests per second").next().unwrap_or_default();
    let rate = before.rsplit(' ').next().unwrap_or_default().parse();
    rate.map_err(|_| format!("redis-benchmark said {said}").into())
}

/// What the server's data take, in bytes.
///
/// # Errors
/// If the server does not say.
pub(super) fn bytes(port: u16) -> Result<u64> {
    let output =
        Command::new("redis-cli").args(["-p", &port.to_string(), "info", "memory"]).output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = said.lines().find_map(|line| line.strip_prefix("used_memory:"));
    Ok(line.ok_or("redis-cli does not say used_memory")?.trim().parse()?)
}

//! `h2load` as the load: HTTP/2 without TLS, one stream at a time on each connection.

use std::{process::Command, time::Duration};

use super::{Load, Payer};
use crate::Result;

/// Asks for a URL over so many connections.
///
/// # Errors
/// If h2load is missing, or a connection failed.
pub(super) fn run(url: &str, payer: Payer<'_>, connections: u32, time: Duration) -> Result<Load> {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("requests.tsv");
    let mut command = Command::new("h2load");
    command
        .arg(format!("--clients={connections}"))
        .arg("--threads=1")
        .arg("--max-concurrent-streams=1");
    command.arg(format!("--duration={}", time.as_secs()));
    command.arg("--log-file").arg(&log);
    if let Payer::One(payment) = payer {
        command.arg("-H").arg(format!("payment: {payment}"));
    }
    let output = command
        .arg(url)
        .output()
        .map_err(|error| format!("h2load: {error}; scripts/setup-load.sh installs it"))?;
    if !output.status.success() {
        return Err(format!("h2load: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    read(&std::fs::read_to_string(&log)?, time)
        .map_err(|problem| format!("{url}: {problem}").into())
}

/// One line for each request: when it began, its status, and how long it took, in microseconds.
fn read(log: &str, took: Duration) -> std::result::Result<Load, String> {
    let mut micros = Vec::new();
    let mut refused = 0;
    for line in log.lines() {
        let mut fields = line.split('\t').skip(1);
        let mut next = || fields.next().and_then(|field| field.parse::<i64>().ok());
        let (Some(status), Some(time)) = (next(), next()) else {
            return Err(format!("h2load wrote {line:?}"));
        };
        if status < 100 {
            return Err("a connection failed".to_owned());
        }
        refused += u64::from(status >= 400);
        micros.push(u64::try_from(time).unwrap_or(0));
    }
    micros.sort_unstable();
    let quantile = |of_hundred: usize| {
        let at = micros.len() * of_hundred / 100;
        Duration::from_micros(micros.get(at).copied().unwrap_or_default())
    };
    Ok(Load { requests: micros.len() as u64, took, p50: quantile(50), p99: quantile(99), refused })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_their_status() {
        let log = "10\t200\t300\n20\t402\t100\n30\t200\t200\n";
        let load = read(log, Duration::from_secs(1)).unwrap();
        assert_eq!((load.requests, load.refused), (3, 1));
        assert_eq!(load.p50, Duration::from_micros(200));
        assert!(read("10\t-1\t300\n", Duration::ZERO).is_err());
        assert!(read("garbage\n", Duration::ZERO).is_err());
    }
}

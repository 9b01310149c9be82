//! `wrk` as the load: closed loop, HTTP/1.1.

use std::{process::Command, time::Duration};

use super::Load;
use crate::Result;

/// Reports numbers, one a line, in place of wrk's text for people.
const SCRIPT: &str = r#"
done = function(summary, latency, requests)
  io.write(string.format("requests %d\nus %d\np50 %d\np99 %d\nrefused %d\nerrors %d\n",
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
"#;

/// Asks for a URL over so many connections.
///
/// # Errors
/// If wrk is missing, or a connection failed.
pub(super) fn run(
    url: &str,
    payment: Option<&str>,
    connections: u32,
    time: Duration,
) -> Result<Load> {
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("report.lua");
    std::fs::write(&script, SCRIPT)?;
    let mut command = Command::new("wrk");
    command.arg("-t1").arg(format!("-c{connections}")).arg(format!("-d{}s", time.as_secs()));
    command.arg("-s").arg(&script);
    if let Some(payment) = payment {
        command.arg("-H").arg(format!("payment: {payment}"));
    }
    let output = command
        .arg(url)
        .output()
        .map_err(|error| format!("wrk: {error}; scripts/setup-load.sh installs it"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = |name: &str| -> Result<u64> {
        let line = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.ok_or_else(|| format!("wrk said {said}"))?.trim().parse()?)
    };
    if number("errors")? > 0 {
        return Err(format!("{url}: connections failed: {said}").into());
    }
    Ok(Load {
        requests: number("requests")?,
        took: Duration::from_micros(number("us")?),
        p50: Duration::from_micros(number("p50")?),
        p99: Duration::from_micros(number("p99")?),
        refused: number("refused")?,
    })
}

//! `wrk` as the load: closed loop, HTTP/1.1.

use std::{process::Command, time::Duration};

use super::{Load, Payer};
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

/// Each request in another client's name, in no order: a random one of `CLIENTS`. What base64 makes of the
/// name does not change but for the six digits in its middle, which are two groups of three.
const CROWD: &str = r#"
local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local function base64(text)
  return (text:gsub("...", function(three)
    local a, b, c = three:byte(1, 3)
    local all, out = a * 65536 + b * 256 + c, ""
    for shift = 3, 0, -1 do
      local at = math.floor(all / 64 ^ shift) % 64
      out = out .. alphabet:sub(at + 1, at + 1)
    end
    return out
  end))
end
local groups, front, back = {}, base64('{"clientId":"' .. ("0"):rep(56)), base64('00"}  ')
function init()
  for number = 0, 4095 do groups[number] = base64(string.format("%03x", number)) end
  math.randomseed(os.time())
end
function request()
  local client = math.random(0, CLIENTS - 1)
  local middle = groups[math.floor(client / 4096)] .. groups[client % 4096]
  return wrk.format(nil, nil, { payment = front .. middle .. back })
end
"#;

/// Asks for a URL over so many connections.
///
/// # Errors
/// If wrk is missing, or a connection failed.
pub(super) fn run(url: &str, payer: Payer<'_>, connections: u32, time: Duration) -> Result<Load> {
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("report.lua");
    let crowd = match payer {
        Payer::AnyOf(clients) => format!("local CLIENTS = {clients}\n{CROWD}"),
        Payer::Nobody | Payer::One(_) => String::new(),
    };
    std::fs::write(&script, crowd + SCRIPT)?;
    let mut command = Command::new("wrk");
    command.arg("-t1").arg(format!("-c{connections}")).arg(format!("-d{}s", time.as_secs()));
    command.arg("-s").arg(&script);
    if let Payer::One(payment) = payer {
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

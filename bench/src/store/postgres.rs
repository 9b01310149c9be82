//! `pgbench` with the statement that the ledger runs for any batch.

use std::{fs, path::Path, process::Command, time::Duration};

use super::load::{BATCH, CLIENTS, IN_FLIGHT};
use crate::Result;

/// The ledger's statement; its arguments are made by the server, as new for each call.
fn script() -> String {
    let last = BATCH.saturating_sub(1);
    format!(
        "\\set first random(0, {most})
SELECT outcome, balance FROM stripe402.apply_batch('{{}}'::bytea[], '{{}}'::bytea[],
  '{{}}'::bytea[], '{{}}'::bytea[], '{{}}'::bigint[],
  ARRAY(SELECT substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
        || substring(uuid_send(gen_random_uuid()) FROM 7) FROM generate_series(0, {last})),
  ARRAY(SELECT decode(repeat('00', 24), 'hex') || int8send((:first + n) % {CLIENTS})
        FROM generate_series(0, {last}) AS n),
  array_fill('usd'::text, ARRAY[{BATCH}]), array_fill(1::bigint, ARRAY[{BATCH}]),
  array_fill('joke'::text, ARRAY[{BATCH}]), array_fill(NULL::bigint, ARRAY[{BATCH}]),
  array_fill(NULL::bigint, ARRAY[{BATCH}]), 604800000, 60000);\n",
        most = CLIENTS.saturating_sub(1),
    )
}

/// Runs it for a time, as many at once as the ledger; answers how many deductions were made.
///
/// # Errors
/// If the program is missing, or a transaction failed.
pub(super) fn benchmark(url: &str, folder: &Path, time: Duration) -> Result<u64> {
    let file = folder.join("batch.sql");
    fs::write(&file, script())?;
    let output = Command::new("pgbench")
        .args(["--no-vacuum", "--protocol=prepared", "--jobs=1"])
        .arg(format!("--client={IN_FLIGHT}"))
        .arg(format!("--time={}", time.as_secs()))
        .arg("--file")
        .arg(&file)
        .arg(url)
        .env("PGOPTIONS", "-c search_path=stripe402")
        .output()
        .map_err(|error| format!("pgbench: {error}; scripts/setup-postgres.sh installs it"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = |after: &str| {
        let rest = said.split(after).nth(1)?.trim_start();
        rest.split(|other: char| !other.is_ascii_digit()).next()?.parse::<u64>().ok()
    };
    let failed = number("number of failed transactions:").unwrap_or(0);
    match number("number of transactions actually processed:") {
        Some(count) if failed == 0 && output.status.success() => {
            Ok(count.saturating_mul(BATCH as u64))
        }
        _ => Err(format!("pgbench said {said}{}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

/// What the database takes, in bytes.
///
/// # Errors
/// If the server does not say.
pub(crate) fn bytes(url: &str) -> Result<u64> {
    let query = "SELECT pg_database_size(current_database())";
    let output = Command::new("psql").args([url, "-At", "-c", query]).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse()?)
}

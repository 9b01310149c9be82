//! Rows of a PostgreSQL store as batches would have left them, written by the server itself: a hundred
//! million take minutes so, and hours by batches.

use std::process::Command;

use super::Size;
use crate::{Result, accounts::CREDIT};

/// What each deduction took, in units.
const PRICE: u64 = 100;
/// Over how long they are spread, in milliseconds: they end now.
const SPAN_MS: u64 = 6 * 3_600_000;
/// So many rows are written by one statement.
const AT_ONCE: u64 = 5_000_000;

/// Writes accounts, what credited them, and deductions with their sums.
///
/// # Errors
/// If `psql` is missing, or the server refuses.
pub(super) fn write(url: &str, Size { clients, deductions }: Size) -> Result<()> {
    let client = "decode(repeat('00', 24), 'hex') || int8send";
    let last = clients.saturating_sub(1);
    // The triggers take a lock for each account, and refuse changes that nobody makes here.
    let mut script = format!(
        "SET search_path = stripe402; SET session_replication_role = replica; SET statement_timeout = 0;
         SELECT now_ms() AS now \\gset
         INSERT INTO movements (client, currency, kind, reference, amount, at_ms)
             SELECT {client}(n), 'usd', 'adjustment_up', 'bench', {CREDIT}, :now - {SPAN_MS}
             FROM generate_series(0, {last}) n;\n"
    );
    let mut first = 0;
    while first < deductions {
        let end = first.saturating_add(AT_ONCE).min(deductions);
        script.push_str(&format!(
            "INSERT INTO charge_records (id, state, client, currency, amount, route, balance_after)
                 SELECT substring(int8send((:now - {SPAN_MS} + n * {SPAN_MS}::numeric / {deductions})::bigint) FROM 3)
                            || substring(uuid_send(gen_random_uuid()) FROM 7),
                        'deducted', {client}(n % {clients}), 'usd', {PRICE}, 'bench', {CREDIT}
                 FROM generate_series({first}::bigint, {}) n;\n",
            end.saturating_sub(1),
        ));
        first = end;
    }
    script.push_str(&format!(
        "INSERT INTO tallies SELECT client, currency, minted_ms(id) / 3600000, route, count(*), sum(amount)
             FROM charge_records GROUP BY 1, 2, 3, 4;
         INSERT INTO accounts (client, currency, available)
             SELECT {client}(n), 'usd', {CREDIT} - coalesce(t.amount, 0) FROM generate_series(0, {last}) n
             LEFT JOIN (SELECT client, sum(amount) AS amount FROM tallies GROUP BY 1) t
                 ON t.client = {client}(n);
         VACUUM ANALYZE;\n"
    ));
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("rows.sql");
    std::fs::write(&file, script)?;
    let done = Command::new("psql")
        .args([url, "-q", "-v", "ON_ERROR_STOP=1", "-f"])
        .arg(&file)
        .status()
        .map_err(|error| format!("psql: {error}; scripts/setup-postgres.sh installs it"))?;
    if done.success() { Ok(()) } else { Err("the server refused the rows".into()) }
}

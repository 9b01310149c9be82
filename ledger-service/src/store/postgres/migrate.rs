//! The schema, brought up to date by whoever comes first.

use std::time::Duration;

use sqlx::{PgPool, postgres::PgPoolOptions};

use super::{super::StoreError, SCHEMA, durability, millis, unavailable};

/// Replicas that start together migrate one after the other: "stripe402" in ASCII, shortened.
const MIGRATION_LOCK: i64 = 0x7374_7269_7065_3430;
/// A migration may take longer than a request.
const MIGRATED_WITHIN: Duration = Duration::from_secs(300);

/// Migrates over a connection of its own, as the pool's have the time-out of requests.
///
/// # Errors
/// If the server is away, or a migration is not possible now. It is tried again at the next request.
pub(super) async fn migrate(pool: &PgPool) -> Result<(), StoreError> {
    let within = millis(MIGRATED_WITHIN).to_string();
    let options = (*pool.connect_options()).clone().options([("statement_timeout", within)]);
    let own = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(pool.options().get_acquire_timeout())
        .connect_lazy_with(options);
    let migrated = run(&own).await;
    own.close().await;
    migrated?;
    tracing::info!("the schema {SCHEMA} is up to date");
    durability::check(pool).await.map_err(unavailable)
}

async fn run(pool: &PgPool) -> Result<(), StoreError> {
    let mut transaction = pool.begin().await.map_err(unavailable)?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(MIGRATION_LOCK)
        .execute(&mut *transaction)
        .await
        .map_err(unavailable)?;
    sqlx::query("CREATE SCHEMA IF NOT EXISTS stripe402")
        .execute(&mut *transaction)
        .await
        .map_err(unavailable)?;
    transaction.commit().await.map_err(unavailable)?;
    // sqlx takes an advisory lock of its own for the length of the migrations. Those that a later
    // version has made are left alone: it serves beside this one while ledgers are replaced.
    let mut migrator = sqlx::migrate!();
    migrator.set_ignore_missing(true);
    let migrated = migrator.run(pool).await;
    migrated.map_err(|error| StoreError::Unavailable(format!("migrations: {error}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "all of this is tests")]

    use std::fs;

    use stripe402_protocol::{Units, message::MOST_LEASES};

    use crate::accounting::HOUR_MS;

    /// The rules exist in SQL, too. What numbers they share with the accounting is compared here, as
    /// SQL cannot be given them.
    #[test]
    fn the_numbers_in_sql_are_those_of_the_accounting() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let text: String = files.map(|path| fs::read_to_string(path).unwrap()).collect();
        let most = u64::from(MOST_LEASES).to_string();
        for place in ["CHECK (leases BETWEEN 0 AND ", "out[asked.account] >= "] {
            let found = text.split_once(place).unwrap().1;
            let digits = found.split(|digit: char| !digit.is_ascii_digit()).next().unwrap();
            assert_eq!(digits, most, "{place}");
        }
        let known = [1_000, HOUR_MS, 2 * HOUR_MS, 24 * HOUR_MS, Units::MAX.get().unsigned_abs()];
        let words = text.lines().map(|line| line.split("--").next().unwrap()).flat_map(|line| {
            line.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        });
        for number in words.filter_map(|word| word.parse::<u64>().ok()).filter(|n| *n >= 1_000) {
            assert!(known.contains(&number), "{number} is a number of no constant");
        }
    }
}

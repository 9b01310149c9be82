//! Whether the store can be reached, and what it loses when its machine stops.

use std::{collections::HashMap, future::Future, time::Duration};

use sqlx::{Connection as _, PgConnection, Row as _};

use super::{check::Check, file_system};
use crate::{
    config::Config,
    store::{RedisUrl, StoreUrl},
};

const STORE: &str = "store";
const DURABILITY: &str = "durability";
/// For connecting and each question.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the server, or looks at the file's place.
pub(super) async fn checks(config: &Config) -> Vec<Check> {
    match &config.store {
        StoreUrl::File(path) => file_system::checks(path, config.backup.as_deref()),
        StoreUrl::Redis(url) if url.is_cluster() => {
            let mend =
                "set appendonly yes and appendfsync always on every node, then see docs/redis.md";
            vec![Check::warn(DURABILITY, "a cluster's nodes are not asked", mend)]
        }
        StoreUrl::Redis(url) => found(in_time(redis(url)).await),
        StoreUrl::Postgres(address) => found(in_time(postgres(address.expose())).await),
    }
}

/// Twice the patience, for connecting and asking.
async fn in_time<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let limit = PATIENCE.saturating_mul(2);
    let done = tokio::time::timeout(limit, work).await;
    done.unwrap_or_else(|_| Err(format!("no answer in {} s", limit.as_secs())))
}

fn found(asked: Result<Check, String>) -> Vec<Check> {
    match asked {
        Ok(durability) => vec![Check::ok(STORE, "answers"), durability],
        Err(why) => {
            let mend =
                "see LEDGER_STORE: the address, the password, and whether this machine may connect";
            vec![Check::fail(STORE, format!("cannot be reached: {why}"), mend)]
        }
    }
}

async fn redis(url: &RedisUrl) -> Result<Check, String> {
    let node = url.nodes().first().map(String::as_str).unwrap_or_default();
    let text = |error: redis::RedisError| error.to_string();
    let client = redis::Client::open(node).map_err(text)?;
    let connected = tokio::time::timeout(PATIENCE, client.get_multiplexed_async_connection()).await;
    let connected = connected.map_err(|_| format!("no connection in {} s", PATIENCE.as_secs()))?;
    let mut connection = connected.map_err(text)?;
    redis::cmd("EXISTS")
        .arg("stripe402:doctor")
        .query_async::<u64>(&mut connection)
        .await
        .map_err(text)?;
    let mut settings = HashMap::new();
    for name in ["appendonly", "appendfsync", "maxmemory-policy"] {
        let mut command = redis::cmd("CONFIG");
        command.arg("GET").arg(name);
        match command.query_async::<HashMap<String, String>>(&mut connection).await {
            Ok(answer) => settings.extend(answer),
            Err(_denied) => {
                let mend =
                    "allow the ledger's user +config|get, or compare the server with docs/redis.md";
                return Ok(Check::warn(DURABILITY, "Redis does not tell its settings", mend));
            }
        }
    }
    Ok(of_redis(&settings))
}

/// What to say of a Redis' settings.
fn of_redis(settings: &HashMap<String, String>) -> Check {
    let value = |name: &str| settings.get(name).map(String::as_str).unwrap_or_default();
    let (file, sync, policy) =
        (value("appendonly"), value("appendfsync"), value("maxmemory-policy"));
    if file != "yes" {
        let mend = "set appendonly yes and appendfsync always in Redis";
        return Check::fail(
            DURABILITY,
            "appendonly is no: balances are lost with the server",
            mend,
        );
    }
    if policy != "noeviction" {
        let finding =
            format!("maxmemory-policy is {policy}: Redis deletes balances when its memory is full");
        return Check::fail(DURABILITY, finding, "set maxmemory-policy noeviction in Redis");
    }
    match sync {
        "always" => Check::ok(DURABILITY, "appendfsync is always: nothing acknowledged is lost"),
        "everysec" => {
            let finding =
                "appendfsync is everysec: a power cut loses up to a second of charges and credits";
            Check::warn(
                DURABILITY,
                finding,
                "set appendfsync always in Redis, if that second is worth more than the speed",
            )
        }
        other => {
            let finding = format!("appendfsync is {other}: a power cut loses charges and credits");
            Check::fail(DURABILITY, finding, "set appendfsync always in Redis")
        }
    }
}

async fn postgres(address: &str) -> Result<Check, String> {
    let connected = tokio::time::timeout(PATIENCE, PgConnection::connect(address)).await;
    let connected = connected.map_err(|_| format!("no connection in {} s", PATIENCE.as_secs()))?;
    let mut connection = connected.map_err(|error| error.to_string())?;
    let row = sqlx::query(
        "SELECT current_setting('synchronous_commit') AS commits,
                current_setting('fsync') AS syncs,
                current_setting('full_page_writes') AS pages",
    );
    let row = row.fetch_one(&mut connection).await.map_err(|error| error.to_string())?;
    let value = |name: &str| row.try_get::<String, _>(name).map_err(|error| error.to_string());
    Ok(of_postgres(&[
        ("synchronous_commit", value("commits")?),
        ("fsync", value("syncs")?),
        ("full_page_writes", value("pages")?),
    ]))
}

/// What to say of a PostgreSQL's settings.
fn of_postgres(settings: &[(&str, String)]) -> Check {
    let off = settings.iter().filter(|(_, value)| value == "off");
    let off: Vec<&str> = off.map(|(name, _)| *name).collect();
    if off.is_empty() {
        let commits = settings.first().map(|(_, value)| value.as_str()).unwrap_or_default();
        let finding = format!("synchronous_commit is {commits}: nothing acknowledged is lost");
        return Check::ok(DURABILITY, finding);
    }
    let finding = format!("{} is off: a power cut loses charges and credits", off.join(", "));
    Check::fail(DURABILITY, finding, "set it to on in PostgreSQL")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::cli::doctor::check::Status;

    #[test]
    fn what_a_redis_loses_is_told() {
        for (file, sync, policy, status, words) in [
            ("yes", "always", "noeviction", Status::Ok, "always"),
            ("yes", "everysec", "noeviction", Status::Warn, "a second"),
            ("yes", "no", "noeviction", Status::Fail, "appendfsync is no"),
            ("no", "always", "noeviction", Status::Fail, "appendonly is no"),
            ("yes", "always", "allkeys-lru", Status::Fail, "allkeys-lru"),
        ] {
            let settings =
                [("appendonly", file), ("appendfsync", sync), ("maxmemory-policy", policy)];
            let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let found = of_redis(&settings.into());
            assert_eq!(found.status, status, "{found:?}");
            assert!(found.finding.contains(words), "{found:?}");
        }
    }

    #[test]
    fn what_a_postgres_loses_is_told() {
        for (commits, syncs, status, words) in [
            ("on", "on", Status::Ok, "synchronous_commit is on"),
            ("off", "on", Status::Fail, "synchronous_commit is off"),
            ("on", "off", Status::Fail, "fsync is off"),
            ("off", "off", Status::Fail, "synchronous_commit, fsync is off"),
        ] {
            let settings = [("synchronous_commit", commits), ("fsync", syncs)];
            let found = of_postgres(&settings.map(|(name, value)| (name, value.to_owned())));
            assert_eq!(found.status, status, "{found:?}");
            assert!(found.finding.contains(words), "{found:?}");
        }
    }
}

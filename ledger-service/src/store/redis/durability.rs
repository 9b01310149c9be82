//! What the server is set to lose in a crash, said in the log.

use std::{collections::HashMap, time::Duration};

use super::connection::Connection;

/// Asks until the server answers, then warns if acknowledged transactions can be lost. Where
/// CONFIG is not allowed, as on most managed servers, it says nothing but that.
pub(super) async fn check(connection: Connection) {
    let mut pause = Duration::from_millis(250);
    while let Err(error) = connection.ping().await {
        tracing::warn!(%error, ?pause, "Redis is out of reach: not ready");
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(Duration::from_secs(10));
    }
    tracing::info!(cluster = connection.is_cluster(), "connected to Redis");
    if connection.is_cluster() {
        // CONFIG GET goes to one node or to all; each must be set by whoever runs them.
        tracing::info!("every node of the cluster should have `appendonly yes`");
        return;
    }
    let mut settings = HashMap::new();
    for name in ["appendonly", "appendfsync", "maxmemory-policy"] {
        let mut command = redis::cmd("CONFIG");
        command.arg("GET").arg(name);
        match connection.command::<HashMap<String, String>>(&command).await {
            Ok(answer) => settings.extend(answer),
            Err(error) => {
                tracing::info!(%error, "Redis does not say how durable it is");
                return;
            }
        }
    }
    for warning in warnings(&settings) {
        tracing::warn!("{warning}");
    }
}

/// What to say about a server's settings.
fn warnings(settings: &HashMap<String, String>) -> Vec<&'static str> {
    let is = |name: &str, value: &str| settings.get(name).is_some_and(|set| set == value);
    let mut warnings = Vec::new();
    if !is("appendonly", "yes") {
        warnings.push(
            "Redis keeps no append-only file: balances are lost with the server. \
             Set `appendonly yes` and `appendfsync always`",
        );
    } else if is("appendfsync", "everysec") {
        warnings.push(
            "Redis has `appendfsync everysec`: a crash of its machine can lose a second of \
             charges and credits. `always` loses nothing",
        );
    } else if !is("appendfsync", "always") {
        warnings.push(
            "Redis leaves it to the system when its file is written (`appendfsync no`): a crash \
             of its machine can lose charges and credits. Set `appendfsync always`",
        );
    }
    if settings.get("maxmemory-policy").is_some_and(|policy| policy != "noeviction") {
        warnings.push(
            "Redis may evict keys when its memory is full, and balances with them. \
             Set `maxmemory-policy noeviction`",
        );
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_weakness_is_named() {
        let cases: [(&str, &str, &str, usize); 5] = [
            ("yes", "always", "noeviction", 0),
            ("yes", "everysec", "noeviction", 1),
            ("yes", "no", "noeviction", 1),
            ("no", "always", "noeviction", 1),
            ("no", "everysec", "allkeys-lru", 2),
        ];
        for (file, sync, policy, expected) in cases {
            let settings = [
                ("appendonly".to_owned(), file.to_owned()),
                ("appendfsync".to_owned(), sync.to_owned()),
                ("maxmemory-policy".to_owned(), policy.to_owned()),
            ];
            assert_eq!(warnings(&settings.into()).len(), expected, "{file} {sync} {policy}");
        }
    }
}

//! What the server is set to lose in a crash, said in the log.

use sqlx::{PgPool, Row};

/// Warns if acknowledged transactions can be lost.
///
/// Source: postgresql.org/docs/15/runtime-config-wal.html.
///
/// # Errors
/// The server's.
pub(super) async fn check(pool: &PgPool) -> Result<(), sqlx::Error> {
    let row = sqlx::query(
        "SELECT current_setting('synchronous_commit') AS commits,
                current_setting('fsync') AS syncs,
                current_setting('full_page_writes') AS pages",
    )
    .fetch_one(pool)
    .await?;
    for warning in warnings(row.try_get("commits")?, row.try_get("syncs")?, row.try_get("pages")?) {
        tracing::warn!("{warning}");
    }
    Ok(())
}

fn warnings(commits: &str, syncs: &str, pages: &str) -> Vec<&'static str> {
    let weak = [
        (
            commits == "off",
            "PostgreSQL has `synchronous_commit = off`: a crash of its machine can lose the last \
             charges and credits that were answered. Set it to `on`",
        ),
        (
            syncs == "off",
            "PostgreSQL has `fsync = off`: a crash of its machine can lose everything. Set it to `on`",
        ),
        (
            pages == "off",
            "PostgreSQL has `full_page_writes = off`: a crash of its machine can damage balances. \
             Set it to `on`",
        ),
    ];
    weak.into_iter().filter_map(|(is_set, text)| is_set.then_some(text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_weakness_is_named() {
        let cases = [
            ("on", "on", "on", 0),
            ("remote_apply", "on", "on", 0),
            ("local", "on", "on", 0),
            ("off", "on", "on", 1),
            ("on", "off", "on", 1),
            ("on", "on", "off", 1),
            ("off", "off", "off", 3),
        ];
        for (commits, syncs, pages, expected) in cases {
            assert_eq!(
                warnings(commits, syncs, pages).len(),
                expected,
                "{commits} {syncs} {pages}"
            );
        }
    }
}

//! Whether a ledger's tables are in a database, found out without making or changing any.

use sqlx::PgPool;

use super::{super::StoreError, durability, unavailable};

/// SQLSTATE of a database that does not exist (PostgreSQL, appendix A).
const NO_DATABASE: &str = "3D000";

/// Looks for the tables of this version.
///
/// # Errors
/// [`StoreError::Absent`] if there is no such database, or it has not all of the tables;
/// [`StoreError::Unavailable`] if the server does not answer.
pub(super) async fn check(pool: &PgPool) -> Result<(), StoreError> {
    let found = "SELECT to_regclass('stripe402._sqlx_migrations') IS NOT NULL";
    let found = sqlx::query_scalar::<_, bool>(found).fetch_one(pool).await.map_err(refused)?;
    if !found {
        return Err(absent(
            "there is no ledger in this PostgreSQL database: it has no tables of one",
        ));
    }
    let made = "SELECT version FROM stripe402._sqlx_migrations WHERE success";
    let made: Vec<i64> = sqlx::query_scalar(made).fetch_all(pool).await.map_err(unavailable)?;
    if sqlx::migrate!().iter().any(|of| !made.contains(&of.version)) {
        let text = "the tables in this PostgreSQL database are of an earlier version than this \
                    program, or not complete: start a ledger of this version, which migrates them";
        return Err(StoreError::Absent(text.to_owned()));
    }
    durability::check(pool).await.map_err(unavailable)
}

fn refused(error: sqlx::Error) -> StoreError {
    let code = error.as_database_error().and_then(|error| error.code());
    if code.is_some_and(|code| code == NO_DATABASE) {
        return absent("there is no such PostgreSQL database");
    }
    unavailable(error)
}

fn absent(what: &str) -> StoreError {
    StoreError::Absent(format!(
        "{what}. Check --store (LEDGER_STORE); only `serve` and `import` make tables"
    ))
}

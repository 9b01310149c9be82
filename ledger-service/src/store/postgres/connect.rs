//! Where a PostgreSQL is, and how it is reached.

use std::{sync::atomic::AtomicI64, time::Duration};

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::sync::OnceCell;

use super::{Postgres, PostgresOptions, SCHEMA, StoreError};
use crate::accounting::UNCHARGED_KEPT;

impl Postgres {
    /// Prepares to connect; connects and migrates when it is first used, and again whenever the
    /// server was away.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the address cannot be understood. It is not repeated: it
    /// may hold a password.
    pub fn new(url: &str, options: PostgresOptions) -> Result<Self, StoreError> {
        let parsed: PgConnectOptions = url.parse().map_err(|_| {
            let text = "the address must be postgres://user:password@host:port/database";
            StoreError::Unavailable(text.to_owned())
        })?;
        let timeout = options.timeout.as_millis().to_string();
        let connect = parsed
            .application_name("stripe402-ledger")
            .options([("search_path", SCHEMA), ("statement_timeout", timeout.as_str())]);
        let pool = PgPoolOptions::new()
            .max_connections(options.connections)
            .acquire_timeout(options.timeout)
            .connect_lazy_with(connect);
        let (migrated, longest_piece_ms) = (OnceCell::new(), AtomicI64::new(0));
        let (uncharged_kept, makes_tables) = (UNCHARGED_KEPT, true);
        Ok(Self { pool, options, uncharged_kept, makes_tables, migrated, longest_piece_ms })
    }

    /// Makes no tables: without those of this version, every question is answered with
    /// [`StoreError::Absent`].
    #[must_use]
    pub const fn existing(mut self) -> Self {
        self.makes_tables = false;
        self
    }

    /// Keeps top-ups without a charge for so long instead.
    #[must_use]
    pub const fn keep_uncharged(mut self, kept: Duration) -> Self {
        self.uncharged_kept = kept;
        self
    }
}

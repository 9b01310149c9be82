//! Where the books are, as `LEDGER_STORE` says it.

use std::{path::PathBuf, str::FromStr};

use serde::Deserialize;
use sqlx::postgres::PgConnectOptions;

use super::RedisUrl;

/// Where the books are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum StoreUrl {
    /// The embedded store, in this file.
    File(PathBuf),
    /// A Redis server, or a Redis Cluster.
    Redis(RedisUrl),
    /// PostgreSQL, at this address.
    Postgres(Address),
}

/// An address that may hold a password, and does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// The whole address, for connecting.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for Address {
    type Err = core::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Address")
    }
}

impl StoreUrl {
    /// What kind of store it is, for people and for labels.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::File(_) => "embedded",
            Self::Redis(_) => "redis",
            Self::Postgres(_) => "postgres",
        }
    }
}

impl Default for StoreUrl {
    fn default() -> Self {
        Self::File("stripe402.redb".into())
    }
}

impl FromStr for StoreUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
        match scheme {
            "file" if !rest.is_empty() => Ok(Self::File(rest.into())),
            "redis" | "rediss" | "redis+cluster" | "rediss+cluster" => {
                text.parse().map(Self::Redis)
            }
            // It may hold a password, and is not repeated.
            "postgres" | "postgresql" if text.parse::<PgConnectOptions>().is_err() => {
                Err("the address must be postgres://user:password@host:port/database".to_owned())
            }
            "postgres" | "postgresql" if rest.starts_with("//") => {
                Ok(Self::Postgres(Address(text.to_owned())))
            }
            // The rest may hold a password: only the scheme is repeated.
            _ => Err(format!(
                "{scheme:?} is not a kind of store; write file:PATH, redis://HOST:PORT, \
                 rediss://HOST:PORT (TLS), redis+cluster://HOST:PORT,HOST:PORT or \
                 postgres://user@host/database"
            )),
        }
    }
}

impl TryFrom<String> for StoreUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

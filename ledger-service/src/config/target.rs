//! Which books a command works on. A flag takes precedence over the environment: somebody who names a
//! backup must not be told of the ledger that runs.

use std::{env::VarError, path::PathBuf};

use secrecy::SecretString;

use super::{BooksArgs, ConfigError};
use crate::store::StoreUrl;

/// The books of a command.
#[derive(Debug)]
pub enum Target {
    /// A store, to be opened.
    Store(StoreUrl),
    /// A ledger that runs.
    Ledger {
        /// Its operator listener.
        url: String,
        /// An operator's token.
        token: SecretString,
        /// The file of the authorities that are trusted there, if not the public ones.
        ca: Option<PathBuf>,
    },
}

impl BooksArgs {
    /// `--url` or `--store`; else `LEDGER_ADMIN_URL`; else `LEDGER_STORE`; else the usual file.
    ///
    /// # Errors
    /// [`ConfigError`] if a variable is wrong, or there is no token for a ledger.
    pub fn target(&self) -> Result<Target, ConfigError> {
        if let Some(url) = &self.url {
            return self.ledger(url.clone());
        }
        if let Some(store) = &self.store {
            return Ok(Target::Store(store.clone()));
        }
        if let Some(url) = variable("LEDGER_ADMIN_URL")? {
            return self.ledger(url);
        }
        let Some(store) = variable("LEDGER_STORE")? else {
            return Ok(Target::Store(StoreUrl::default()));
        };
        let parsed =
            store.parse().map_err(|problem: String| ConfigError::new("LEDGER_STORE", problem));
        parsed.map(Target::Store)
    }

    fn ledger(&self, url: String) -> Result<Target, ConfigError> {
        let name = "LEDGER_ADMIN_TOKEN";
        let list = variable(name)?.ok_or_else(|| {
            let problem =
                "must be set in the environment, to one of the ledger's tokens, for --url";
            ConfigError::new(name, problem)
        })?;
        // As the ledger is given it: `alice:TOKEN,bob:TOKEN`. The first will do.
        let first = list.split(',').next().unwrap_or_default().trim();
        let token = first.split_once(':').map_or(first, |(_, token)| token);
        Ok(Target::Ledger { url, token: SecretString::from(token), ca: self.ca.clone() })
    }
}

/// A variable that is set and not empty.
fn variable(name: &str) -> Result<Option<String>, ConfigError> {
    match std::env::var(name) {
        Ok(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        // It may be a secret, and is not repeated.
        Err(VarError::NotUnicode(_)) => Err(ConfigError::new(name, "is not valid UTF-8")),
    }
}

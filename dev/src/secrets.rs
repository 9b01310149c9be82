//! The secrets that the parts share: made once, kept in a file that only their owner may read.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use stripe402_protocol::hex;

use crate::{Error, Result};

/// Only the owner may read and write.
const OWNER_ONLY: u32 = 0o600;

/// What the parts must agree on.
#[derive(Clone, PartialEq, Eq)]
pub struct Secrets {
    /// Lets the filter talk to the ledger.
    pub ledger_token: String,
    /// Lets an operator talk to the ledger.
    pub admin_token: String,
    /// Turns card fingerprints into client ids; with another one, every client loses its balance.
    pub server_secret: String,
    /// Signs Stripe's webhooks.
    pub webhook_secret: String,
    /// Makes the ids of MPP's challenges.
    pub mpp_secret: String,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secrets(…)")
    }
}

impl Secrets {
    /// New ones.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn random() -> Result<Self> {
        Ok(Self {
            ledger_token: random_hex()?,
            admin_token: random_hex()?,
            server_secret: random_hex()?,
            webhook_secret: format!("whsec_{}", random_hex()?),
            mpp_secret: random_hex()?,
        })
    }

    /// What the environment sets, else what the file holds, else new ones, which are then added to the file.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn load_or_make(path: &Path, environment: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let mut kept = read(path)?;
        let before = kept.len();
        let made = Self::random()?;
        let mut take = |name: &str, fresh: String| -> String {
            // What the user sets is the user's to keep: it is not copied into the file.
            environment(name)
                .unwrap_or_else(|| kept.entry(name.to_owned()).or_insert(fresh).clone())
        };
        let secrets = Self {
            ledger_token: take("LEDGER_TOKEN", made.ledger_token),
            admin_token: take("LEDGER_ADMIN_TOKEN", made.admin_token),
            server_secret: take("SERVER_SECRET", made.server_secret),
            webhook_secret: take("STRIPE_WEBHOOK_SECRET", made.webhook_secret),
            mpp_secret: take("MPP_SECRET", made.mpp_secret),
        };
        if kept.len() > before {
            write(path, &kept)?;
        }
        Ok(secrets)
    }
}

fn random_hex() -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::Invalid(format!("no random bytes: {error}")))?;
    Ok(hex::to_string(&bytes))
}

fn read(path: &Path) -> Result<BTreeMap<String, String>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(Error::io(format!("cannot read {}", path.display()))(error)),
    };
    // Someone may have copied it about: narrow it again.
    fs::set_permissions(path, Permissions::from_mode(OWNER_ONLY))
        .map_err(Error::io(format!("cannot protect {}", path.display())))?;
    let lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| match line.split_once('=') {
            Some((name, value)) if !value.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => {
                Err(Error::Invalid(format!("{} has a line that is not NAME=value", path.display())))
            }
        })
        .collect()
}

/// Through a second file: one cut off half-way would lose the server secret, and with it every balance.
fn write(path: &Path, secrets: &BTreeMap<String, String>) -> Result<()> {
    let failed = || Error::io(format!("cannot write {}", path.display()));
    let next = path.with_extension("env.new");
    let _absent = fs::remove_file(&next);
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(OWNER_ONLY)
        .open(&next)
        .map_err(failed())?;
    let mut text =
        "# Made by make run. Whoever has these can spend and move every balance.\n".to_owned();
    for (name, value) in secrets {
        text.push_str(&format!("{name}={value}\n"));
    }
    file.write_all(text.as_bytes()).map_err(failed())?;
    file.sync_all().map_err(failed())?;
    fs::rename(&next, path).map_err(failed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn made_once_and_used_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets.env");
        let first = Secrets::load_or_make(&path, nothing).unwrap();
        assert_eq!(first.server_secret.len(), 64);
        assert!(first.webhook_secret.starts_with("whsec_"));
        assert_ne!(first.ledger_token, first.admin_token);
        assert_eq!(Secrets::load_or_make(&path, nothing).unwrap(), first);
    }

    #[test]
    fn only_the_owner_reads_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets.env");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        Secrets::load_or_make(&path, nothing).unwrap();
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        Secrets::load_or_make(&path, nothing).unwrap();
        assert_eq!(mode(), 0o600);
    }

    #[test]
    fn the_environment_wins_and_is_not_written_down() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets.env");
        let environment = |name: &str| (name == "SERVER_SECRET").then(|| "new,old".to_owned());
        assert_eq!(Secrets::load_or_make(&path, environment).unwrap().server_secret, "new,old");
        assert!(!fs::read_to_string(&path).unwrap().contains("SERVER_SECRET"));
    }

    #[test]
    fn what_the_file_lacks_is_added_and_what_it_has_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets.env");
        fs::write(&path, "# mine\nLEDGER_TOKEN=abc\n").unwrap();
        let secrets = Secrets::load_or_make(&path, nothing).unwrap();
        assert_eq!(secrets.ledger_token, "abc");
        assert_eq!(Secrets::load_or_make(&path, nothing).unwrap(), secrets);
    }

    #[test]
    fn a_broken_file_is_refused_without_showing_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets.env");
        fs::write(&path, "SERVER_SECRET abcdef\n").unwrap();
        let error = Secrets::load_or_make(&path, nothing).unwrap_err().to_string();
        assert!(error.contains("not NAME=value"), "{error}");
        assert!(!error.contains("abcdef"), "{error}");
    }
}

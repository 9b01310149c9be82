//! MPP: whether the gate speaks it, as whom, and with which secret.

use std::time::Duration;

use stripe402_protocol::mpp::{AUTHORIZATION, SHORTEST_SECRET};

use super::{
    Config, ConfigError,
    fields::{Checked, Fields, wrong},
    identity::TAKEN,
};

pub(super) const MPP: [&str; 7] =
    ["enabled", "realm", "network_id", "secret", "secret_env", "header", "expires"];

const SHORTEST: Duration = Duration::from_secs(30);
const USUAL: Duration = Duration::from_secs(5 * 60);

/// How the gate speaks MPP.
#[derive(Debug)]
pub struct Mpp {
    /// Who asks to be paid.
    pub realm: String,
    /// The seller's Stripe profile.
    pub network_id: String,
    /// The header in which credentials are to come, where that is not `authorization`.
    pub header: Option<String>,
    /// The header in which they come, in small letters as Envoy has all names.
    field: String,
    /// How long a challenge can be paid, in milliseconds.
    pub expires_ms: u64,
    secret: Secret,
}

/// What the ids of challenges are made with. The first makes them, all are honoured.
enum Secret {
    /// In an environment variable of Envoy's.
    Env(String),
    /// These.
    Known(Vec<String>),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Mpp {
    /// The secrets, the newest first; none until [`Config::with_secrets`].
    pub fn secrets(&self) -> impl Iterator<Item = &[u8]> {
        let known = match &self.secret {
            Secret::Known(known) => known.as_slice(),
            Secret::Env(_) => &[],
        };
        known.iter().map(String::as_bytes)
    }
}

impl Config {
    /// The header in which MPP's credentials come, in small letters; `None` if the gate does not speak MPP.
    #[must_use]
    pub fn credential_header(&self) -> Option<&str> {
        self.mpp.as_ref().map(|mpp| mpp.field.as_str())
    }

    /// Fetches what the configuration leaves to environment variables.
    ///
    /// # Errors
    /// [`ConfigError`] if one is not set, or no secret.
    pub fn with_secrets(
        mut self,
        variable: impl FnOnce(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        if let Some(mpp) = &mut self.mpp
            && let Secret::Env(name) = &mpp.secret
        {
            let path = "mpp.secret_env";
            let Some(value) = variable(name).filter(|value| !value.is_empty()) else {
                let problem = format!(
                    "{name} is not set; set it in Envoy's environment and name it in \
                     vm_config.environment_variables.host_env_keys"
                );
                return wrong(path, problem);
            };
            mpp.secret = Secret::Known(newest_first(path, &value)?);
        }
        Ok(self)
    }
}

pub(super) fn mpp(mut fields: Fields) -> Checked<Option<Mpp>> {
    let enabled: Option<bool> = fields.optional("enabled")?;
    if enabled != Some(true) {
        return Ok(None);
    }
    let realm: String = fields.required("realm")?;
    let quotable = |byte: u8| (b' '..=b'~').contains(&byte) && !b"\"\\|".contains(&byte);
    if realm.is_empty() || realm.len() > 255 || !realm.bytes().all(quotable) {
        let problem = "must be the API's host name, or other printable ASCII without \" \\ and |";
        return wrong(fields.path("realm"), problem);
    }
    let network_id: String = fields.required("network_id")?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if network_id.strip_prefix("profile_").is_none_or(str::is_empty)
        || !network_id.bytes().all(plain)
    {
        return wrong(fields.path("network_id"), "must be your Stripe profile: profile_…");
    }
    let header: Option<String> = fields.optional("header")?;
    if let Some(name) = &header {
        let small = name.to_ascii_lowercase();
        let token = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if name.is_empty() || !token || small.starts_with("x-") || TAKEN.contains(&&*small) {
            let problem = "must be a header of its own for credentials, such as \
                           Payment-Authorization; leave it out for Authorization";
            return wrong(fields.path("header"), problem);
        }
    }
    let expires = fields.optional("expires")?.unwrap_or(USUAL);
    if expires < SHORTEST {
        return wrong(fields.path("expires"), "must be between 30s and 60m");
    }
    let given: Option<String> = fields.optional("secret")?;
    let variable: Option<String> = fields.optional("secret_env")?;
    let secret = match (given, variable) {
        (Some(_), Some(_)) => {
            return wrong(fields.path("secret"), "must be removed: secret_env is set");
        }
        (Some(given), None) => Secret::Known(newest_first("mpp.secret", &given)?),
        (None, variable) => Secret::Env(variable.unwrap_or_else(|| "MPP_SECRET".to_owned())),
    };
    let expires_ms = u64::try_from(expires.as_millis()).unwrap_or(u64::MAX);
    let field = header.as_deref().unwrap_or(AUTHORIZATION).to_ascii_lowercase();
    Ok(Some(Mpp { realm, network_id, header, field, expires_ms, secret }))
}

fn newest_first(path: &str, list: &str) -> Checked<Vec<String>> {
    let secrets: Vec<String> = list.split(',').map(|one| one.trim().to_owned()).collect();
    if secrets.iter().any(|secret| secret.len() < SHORTEST_SECRET) {
        let problem = format!(
            "must be a secret of at least {SHORTEST_SECRET} bytes, or several with commas between \
             them, the newest first; `openssl rand -hex 32` makes one"
        );
        return wrong(path, problem);
    }
    Ok(secrets)
}

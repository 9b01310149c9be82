//! From what is written to what can be served: defaults, ranges, contradictions.

use std::{net::SocketAddr, time::Duration};

use secrecy::{ExposeSecret, SecretString};

use super::{Config, ConfigError, Secret, Settings, Span};
use crate::store::StoreUrl;
use crate::{
    net::{ListenerLimits, tls::TlsOptions},
    options::LimitOptions,
    store::WaitOptions,
};

impl TryFrom<Settings> for Config {
    type Error = ConfigError;

    fn try_from(given: Settings) -> Result<Self, ConfigError> {
        let limits = limits(&given);
        let tls = tls(&given)?;
        let listeners = listeners(&given);
        let redis_wait = redis_wait(&given);
        let tokens = newest_first("token", &required("token", "LEDGER_TOKEN", given.token)?)?;
        let secrets = required("server_secret", "SERVER_SECRET", given.server_secret)?;
        let config = Self {
            listen: given.listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8402))),
            admin_listen: given.admin_listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8403))),
            webhooks: webhooks(given.webhook_listen, given.stripe_webhook_secret),
            tls,
            store: given.store.unwrap_or_default(),
            tokens,
            admin_tokens: admin_tokens(given.admin_token)?,
            server_secrets: newest_first("server_secret", &secrets)?,
            stripe_secret_key: stripe_key(given.stripe_secret_key)?,
            stripe_api_base: api_base(given.stripe_api_base)?,
            stripe_timeout: seconds(given.stripe_timeout, 10),
            payment_deadline: seconds(given.payment_deadline, 25),
            confirmation: seconds(given.confirmation, 15 * 60),
            settle_after: seconds(given.settle_after, 10 * 60),
            verify_cards: given.verify_cards.unwrap_or(true),
            mpp_without_identity: given.mpp_without_identity.unwrap_or_default(),
            decline_details: given.decline_details.unwrap_or(false),
            refund_debt: given.refund_debt.unwrap_or(false),
            most_keys: given.most_keys.unwrap_or(100),
            limits,
            unknown_memory: seconds(given.unknown_card_memory, 5 * 60),
            sweep: seconds(given.sweep, 60),
            charge_memory: seconds(given.charge_memory, 7 * 24 * 3600),
            clock_skew: seconds(given.clock_skew, 60),
            backup: given.backup,
            backup_every: seconds(given.backup_every, 3600),
            store_queue: given.store_queue.unwrap_or(4096),
            store_timeout: seconds(given.store_timeout, 1),
            redis_wait,
            store_connections: given.store_connections.unwrap_or(16),
            listeners,
            drain: seconds(given.drain, 5),
            shutdown_grace: seconds(given.shutdown_grace, 30),
            otlp_endpoint: given.otlp_endpoint.filter(|address| !address.is_empty()),
            log_format: given.log_format.unwrap_or_default(),
            log: given.log.unwrap_or_else(|| "info".to_owned()),
        };
        above_zero(&config)?;
        if config.redis_wait.timeout >= config.store_timeout {
            return Err(ConfigError::new(
                "redis_wait_timeout",
                "must be below store_timeout: lower it, or raise store_timeout",
            ));
        }
        match (&config.backup, &config.store) {
            (Some(copy), StoreUrl::File(path)) if copy == path => {
                return Err(ConfigError::new(
                    "backup",
                    "is the file of the store itself: name another file",
                ));
            }
            (Some(_), StoreUrl::Redis(_) | StoreUrl::Postgres(_)) => {
                let problem = "is only for file stores: remove it, and back up Redis or PostgreSQL with its own tools";
                return Err(ConfigError::new("backup", problem));
            }
            _ => {}
        }
        if listeners.request_time <= config.payment_deadline {
            return Err(ConfigError::new(
                "request_timeout",
                "must be above payment_deadline: raise it, or lower payment_deadline",
            ));
        }
        if config.charge_memory < Duration::from_secs(2 * 3600) {
            // A charge is taken up to half of it late, and voided within an hour.
            return Err(ConfigError::new("charge_memory", "must be at least 2h"));
        }
        Ok(config)
    }
}

fn above_zero(config: &Config) -> Result<(), ConfigError> {
    for (setting, is_zero) in [
        ("stripe_timeout", config.stripe_timeout.is_zero()),
        ("payment_deadline", config.payment_deadline.is_zero()),
        ("sweep", config.sweep.is_zero()),
        ("tls_reload", config.tls.as_ref().is_some_and(|tls| tls.reload.is_zero())),
        ("limit_window", config.limits.window.is_zero()),
        ("backup_every", config.backup_every.is_zero()),
        ("store_queue", config.store_queue == 0),
        ("store_timeout", config.store_timeout.is_zero()),
        ("redis_wait_timeout", config.redis_wait.timeout.as_millis() == 0),
        ("store_connections", config.store_connections == 0),
        ("max_body", config.listeners.max_body == 0),
        ("max_headers", config.listeners.max_headers == 0),
        ("max_connections", config.listeners.connections == 0),
        ("header_timeout", config.listeners.header_time.is_zero()),
        ("body_timeout", config.listeners.body_time.is_zero()),
        ("idle_timeout", config.listeners.idle_time.is_zero()),
    ] {
        if is_zero {
            return Err(ConfigError::new(setting, "must be above 0"));
        }
    }
    Ok(())
}

fn required(
    setting: &str,
    variable: &str,
    value: Option<Secret>,
) -> Result<SecretString, ConfigError> {
    let missing = || ConfigError::new(setting, format!("is missing; set {variable}"));
    value.map(|secret| secret.0).filter(|s| !s.expose_secret().is_empty()).ok_or_else(missing)
}

fn newest_first(setting: &str, list: &SecretString) -> Result<Vec<SecretString>, ConfigError> {
    list.expose_secret()
        .split(',')
        .map(|secret| match secret.trim() {
            short if short.len() < 16 => Err(ConfigError::new(
                setting,
                "each must have at least 16 characters; separate several by commas",
            )),
            secret => Ok(SecretString::from(secret)),
        })
        .collect()
}

/// `name:token,name:token`; a token without a name is the one of "operator".
fn admin_tokens(list: Option<Secret>) -> Result<Vec<(String, SecretString)>, ConfigError> {
    let Some(Secret(list)) = list.filter(|list| !list.0.expose_secret().is_empty()) else {
        return Ok(Vec::new());
    };
    let wrong = |problem| ConfigError::new("admin_token", problem);
    let is_name = |name: &str| {
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        !name.is_empty() && name.len() <= 32 && name.bytes().all(is_good)
    };
    let tokens = list.expose_secret().split(',').map(|entry| {
        let (name, token) = entry.trim().split_once(':').unwrap_or(("operator", entry.trim()));
        if !is_name(name) {
            return Err(wrong("the name before a colon must have 1 to 32 letters, digits, dots, dashes or underscores"));
        }
        if name == "cli" {
            return Err(wrong("the name cli is reserved for commands in the audit record: choose another"));
        }
        if token.len() < 16 {
            return Err(wrong("every token must have at least 16 characters"));
        }
        Ok((name.to_owned(), SecretString::from(token)))
    });
    tokens.collect()
}

fn listeners(given: &Settings) -> ListenerLimits {
    ListenerLimits {
        header_time: seconds(given.header_timeout, 10),
        body_time: seconds(given.body_timeout, 10),
        request_time: seconds(given.request_timeout, 60),
        idle_time: seconds(given.idle_timeout, 600),
        max_headers: given.max_headers.unwrap_or(32_768),
        max_body: given.max_body.unwrap_or(1 << 20),
        connections: given.max_connections.unwrap_or(1024),
    }
}

fn redis_wait(given: &Settings) -> WaitOptions {
    let usual = WaitOptions::within(given.redis_wait_replicas, seconds(given.store_timeout, 1));
    WaitOptions { timeout: given.redis_wait_timeout.map_or(usual.timeout, |span| span.0), ..usual }
}

fn webhooks(
    listen: Option<SocketAddr>,
    secret: Option<Secret>,
) -> Option<(SocketAddr, SecretString)> {
    let secret = secret.map(|secret| secret.0).filter(|s| !s.expose_secret().is_empty())?;
    Some((listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8406))), secret))
}

/// Certificate and key go together; who may connect can only be asked over TLS.
fn tls(given: &Settings) -> Result<Option<TlsOptions>, ConfigError> {
    let [certificate, key, client_ca, admin_client_ca] =
        [&given.tls_certificate, &given.tls_key, &given.tls_client_ca, &given.admin_tls_client_ca]
            .map(|path| path.clone().filter(|path| !path.as_os_str().is_empty()));
    let reload = seconds(given.tls_reload, 30);
    match (certificate, key) {
        (Some(certificate), Some(key)) => {
            Ok(Some(TlsOptions { certificate, key, client_ca, admin_client_ca, reload }))
        }
        (None, None) if client_ca.is_none() && admin_client_ca.is_none() => Ok(None),
        (Some(_), None) => Err(ConfigError::new(
            "tls_key",
            "is missing: tls_certificate needs its key; set LEDGER_TLS_KEY",
        )),
        (None, _) => {
            let problem = "is missing: the other TLS settings need it; set LEDGER_TLS_CERTIFICATE";
            Err(ConfigError::new("tls_certificate", problem))
        }
    }
}

fn stripe_key(value: Option<Secret>) -> Result<SecretString, ConfigError> {
    let key = required("stripe_secret_key", "STRIPE_SECRET_KEY", value)?;
    let prefixes = ["sk_test_", "sk_live_", "rk_test_", "rk_live_"];
    if prefixes.iter().any(|prefix| key.expose_secret().starts_with(prefix)) {
        return Ok(key);
    }
    let problem =
        "must be a secret or restricted key: sk_test_…, sk_live_…, rk_test_… or rk_live_…";
    Err(ConfigError::new("stripe_secret_key", problem))
}

fn api_base(value: Option<String>) -> Result<String, ConfigError> {
    let base = value.unwrap_or_else(|| "https://api.stripe.com".to_owned());
    if base.starts_with("https://") || base.starts_with("http://") {
        return Ok(base);
    }
    Err(ConfigError::new("stripe_api_base", "must begin with https:// (or http:// for a stand-in)"))
}

fn limits(given: &Settings) -> LimitOptions {
    let usual = LimitOptions::default();
    LimitOptions {
        window: given.limit_window.map_or(usual.window, |span| span.0),
        source_attempts: given.limit_source_attempts.unwrap_or(usual.source_attempts),
        source_trials: given.limit_source_trials.unwrap_or(usual.source_trials),
        source_declines: given.limit_source_declines.unwrap_or(usual.source_declines),
        source_unknown: given.limit_source_unknown.unwrap_or(usual.source_unknown),
        source_reads: given.limit_source_reads.unwrap_or(usual.source_reads),
        card_declines: given.limit_card_declines.unwrap_or(usual.card_declines),
        all_attempts: given.limit_attempts.unwrap_or(usual.all_attempts),
        all_declines: given.limit_declines.unwrap_or(usual.all_declines),
        quiet_attempts: given.limit_quiet_attempts.unwrap_or(usual.quiet_attempts),
    }
}

fn seconds(value: Option<Span>, default: u64) -> Duration {
    value.map_or(Duration::from_secs(default), |span| span.0)
}

//! Settings: each is a flag, an environment variable and a line of a TOML file.
//!
//! A flag wins over the environment, the environment over the file, the file over the default.

mod books;
mod redis_url;
mod settings;
mod values;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Parser, Subcommand};
use secrecy::{ExposeSecret, SecretString};

use crate::{http::Limits, payment::LimitOptions, store::StoreOptions, tls::TlsOptions};

pub use books::{
    AdjustArgs, BooksArgs, ClientArgs, ClientCommand, FreezeArgs, ImportArgs, ImportCommand,
    ReconcileArgs, RefundArgs, RevenueArgs, RevenueBy, StripeArgs, TransfersArgs,
};
pub use redis_url::RedisUrl;
pub use settings::Settings;
pub use values::{Address, LogFormat, Secret, Span, StoreUrl};

/// The ledger of the stripe402 payment gateway.
#[derive(Debug, Parser)]
#[command(name = "stripe402-ledger", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the binary does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve charges, voids and card payments until SIGTERM or Ctrl-C.
    Serve(Box<ServeArgs>),
    /// Look at a client's account, freeze it, correct it.
    #[command(subcommand)]
    Client(ClientCommand),
    /// Movements of money, oldest first.
    Transfers(TransfersArgs),
    /// What was earned.
    Revenue(RevenueArgs),
    /// Bring clients and balances over.
    #[command(subcommand)]
    Import(ImportCommand),
    /// Compare the books with Stripe; exit 1 if they differ.
    Reconcile(ReconcileArgs),
    /// Recompute every balance from its movements and sums; exit 1 if one differs.
    Verify(BooksArgs),
}

/// Where settings come from.
#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// A TOML file with any of the settings below.
    #[arg(long, env = "LEDGER_CONFIG")]
    pub config: Option<PathBuf>,
    /// The settings.
    #[command(flatten)]
    pub settings: Settings,
}

/// Settings, complete and checked.
#[derive(Debug)]
pub struct Config {
    /// Gateways connect here.
    pub listen: SocketAddr,
    /// Operators and probes connect here.
    pub admin_listen: SocketAddr,
    /// Stripe's webhooks arrive here, signed with this secret; `None` where there is no secret.
    pub webhooks: Option<(SocketAddr, SecretString)>,
    /// How the listeners speak TLS; `None` for TCP as it is.
    pub tls: Option<TlsOptions>,
    /// Where the books are.
    pub store: StoreUrl,
    /// Where copies of a file store are written, if they are.
    pub backup: Option<PathBuf>,
    /// How often.
    pub backup_every: Duration,
    /// What gateways must present: one of these.
    pub tokens: Vec<SecretString>,
    /// What operators must present, each with its holder's name; nobody may if there are none.
    pub admin_tokens: Vec<(String, SecretString)>,
    /// Derives client ids; newest first.
    pub server_secrets: Vec<SecretString>,
    /// Stripe's secret key.
    pub stripe_secret_key: SecretString,
    /// Stripe's address.
    pub stripe_api_base: String,
    /// For one attempt of one call to Stripe.
    pub stripe_timeout: Duration,
    /// For one card payment, all told.
    pub payment_deadline: Duration,
    /// How long a cardholder may take to confirm (3D Secure).
    pub confirmation: Duration,
    /// For how long failures of Stripe's own are met with the same request.
    pub settle_after: Duration,
    /// Whether a card that never paid for a client is verified before it spends its balance.
    pub verify_cards: bool,
    /// Whether clients are told why the bank declined.
    pub decline_details: bool,
    /// How often cards may be tried.
    pub limits: LimitOptions,
    /// How long a PaymentMethod that Stripe does not know is remembered as such.
    pub unknown_memory: Duration,
    /// How often top-ups that were cut off are looked for.
    pub sweep: Duration,
    /// How long charge ids are remembered.
    pub charge_memory: Duration,
    /// How far a gateway's clock may be ahead.
    pub clock_skew: Duration,
    /// Transactions that may wait for the file store.
    pub store_queue: usize,
    /// For one transaction on a store that is a server.
    pub store_timeout: Duration,
    /// Connections to a store that is a server.
    pub store_connections: u32,
    /// What each listener gives at the most.
    pub listeners: Limits,
    /// For how long it goes on serving, not ready, after it is told to stop.
    pub drain: Duration,
    /// How long to wait for what is under way when told to stop.
    pub shutdown_grace: Duration,
    /// Where traces go, if anywhere.
    pub otlp_endpoint: Option<String>,
    /// How logs are written.
    pub log_format: LogFormat,
    /// Which logs are written.
    pub log: String,
}

impl Config {
    /// Whether Stripe's key is one for real money.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.stripe_secret_key.expose_secret().contains("_live_")
    }

    /// What the store must know of these settings.
    #[must_use]
    pub const fn store_options(&self) -> StoreOptions {
        StoreOptions {
            charge_memory: self.charge_memory,
            clock_skew: self.clock_skew,
            queue: self.store_queue,
            timeout: self.store_timeout,
            connections: self.store_connections,
        }
    }
}

/// A setting that is missing or wrong, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct ConfigError {
    /// Its name in the TOML file.
    pub setting: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl ConfigError {
    fn new(setting: &str, problem: impl Into<String>) -> Self {
        Self { setting: setting.to_owned(), problem: problem.into() }
    }
}

impl ServeArgs {
    /// Reads the file if there is one, fills in defaults, checks everything.
    ///
    /// # Errors
    /// [`ConfigError`] for the first setting that is missing or wrong.
    pub fn resolve(self) -> Result<Config, ConfigError> {
        let Some(path) = self.config else {
            return Config::try_from(self.settings);
        };
        let text = std::fs::read_to_string(&path)
            .map_err(|error| ConfigError::new("config", format!("{}: {error}", path.display())))?;
        let file: Settings = toml::from_str(&text)
            .map_err(|error| ConfigError::new("config", toml_problem(&path, &text, &error)))?;
        Config::try_from(self.settings.or(file))
    }
}

/// Where a TOML file is wrong, and how; never the line itself, which may hold a secret.
fn toml_problem(path: &Path, text: &str, error: &toml::de::Error) -> String {
    let start = error.span().map_or(0, |span| span.start);
    let line = text.bytes().take(start).filter(|byte| *byte == b'\n').count().saturating_add(1);
    let said = error.message();
    // A wrong type is reported with its value.
    let said = if said.contains("invalid type") { "a value of the wrong type" } else { said };
    format!("{}, line {line}: {said}", path.display())
}

impl TryFrom<Settings> for Config {
    type Error = ConfigError;

    fn try_from(given: Settings) -> Result<Self, ConfigError> {
        let limits = limits(&given);
        let tls = tls(&given)?;
        let listeners = listeners(&given);
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
            decline_details: given.decline_details.unwrap_or(false),
            limits,
            unknown_memory: seconds(given.unknown_card_memory, 5 * 60),
            sweep: seconds(given.sweep, 60),
            charge_memory: seconds(given.charge_memory, 7 * 24 * 3600),
            clock_skew: seconds(given.clock_skew, 60),
            backup: given.backup,
            backup_every: seconds(given.backup_every, 3600),
            store_queue: given.store_queue.unwrap_or(4096),
            store_timeout: seconds(given.store_timeout, 1),
            store_connections: given.store_connections.unwrap_or(16),
            listeners,
            drain: seconds(given.drain, 5),
            shutdown_grace: seconds(given.shutdown_grace, 30),
            otlp_endpoint: given.otlp_endpoint.filter(|address| !address.is_empty()),
            log_format: given.log_format.unwrap_or_default(),
            log: given.log.unwrap_or_else(|| "info".to_owned()),
        };
        for (setting, is_zero) in [
            ("stripe_timeout", config.stripe_timeout.is_zero()),
            ("payment_deadline", config.payment_deadline.is_zero()),
            ("sweep", config.sweep.is_zero()),
            ("tls_reload", config.tls.as_ref().is_some_and(|tls| tls.reload.is_zero())),
            ("limit_window", config.limits.window.is_zero()),
            ("backup_every", config.backup_every.is_zero()),
            ("store_queue", config.store_queue == 0),
            ("store_timeout", config.store_timeout.is_zero()),
            ("store_connections", config.store_connections == 0),
            ("max_body", listeners.max_body == 0),
            ("max_headers", listeners.max_headers == 0),
            ("max_connections", listeners.connections == 0),
            ("header_timeout", listeners.header_time.is_zero()),
            ("body_timeout", listeners.body_time.is_zero()),
            ("idle_timeout", listeners.idle_time.is_zero()),
        ] {
            if is_zero {
                return Err(ConfigError::new(setting, "must be above 0"));
            }
        }
        match (&config.backup, &config.store) {
            (Some(copy), StoreUrl::File(path)) if copy == path => {
                return Err(ConfigError::new("backup", "must be another file than the store's"));
            }
            (Some(_), StoreUrl::Redis(_) | StoreUrl::Postgres(_)) => {
                let problem = "is for file stores; a server is backed up with its own tools";
                return Err(ConfigError::new("backup", problem));
            }
            _ => {}
        }
        if listeners.request_time <= config.payment_deadline {
            return Err(ConfigError::new("request_timeout", "must be above payment_deadline"));
        }
        if config.charge_memory < Duration::from_secs(2 * 3600) {
            // A charge is taken up to half of it late, and voided within an hour.
            return Err(ConfigError::new("charge_memory", "must be at least 2h"));
        }
        Ok(config)
    }
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
                "each must have at least 16 characters (newest first, comma-separated)",
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
        !name.is_empty() && name.len() <= 32 && name != "cli" && name.bytes().all(is_good)
    };
    let tokens = list.expose_secret().split(',').map(|entry| {
        let (name, token) = entry.trim().split_once(':').unwrap_or(("operator", entry.trim()));
        if !is_name(name) {
            return Err(wrong("names have 1 to 32 letters, digits, dots, dashes or underscores"));
        }
        if token.len() < 16 {
            return Err(wrong("every token must have at least 16 characters"));
        }
        Ok((name.to_owned(), SecretString::from(token)))
    });
    tokens.collect()
}

fn listeners(given: &Settings) -> Limits {
    Limits {
        header_time: seconds(given.header_timeout, 10),
        body_time: seconds(given.body_timeout, 10),
        request_time: seconds(given.request_timeout, 60),
        idle_time: seconds(given.idle_timeout, 600),
        max_headers: given.max_headers.unwrap_or(32_768),
        max_body: given.max_body.unwrap_or(1 << 20),
        connections: given.max_connections.unwrap_or(1024),
    }
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
            "is missing beside tls_certificate; set LEDGER_TLS_KEY",
        )),
        (None, _) => {
            let problem = "is missing: TLS was asked for; set LEDGER_TLS_CERTIFICATE";
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
        source_declines: given.limit_source_declines.unwrap_or(usual.source_declines),
        source_unknown: given.limit_source_unknown.unwrap_or(usual.source_unknown),
        source_reads: given.limit_source_reads.unwrap_or(usual.source_reads),
        card_declines: given.limit_card_declines.unwrap_or(usual.card_declines),
        all_attempts: given.limit_attempts.unwrap_or(usual.all_attempts),
        all_declines: given.limit_declines.unwrap_or(usual.all_declines),
    }
}

fn seconds(value: Option<Span>, default: u64) -> Duration {
    value.map_or(Duration::from_secs(default), |span| span.0)
}

#[cfg(test)]
mod tests;

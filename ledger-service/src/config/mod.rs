//! Settings: each is a flag, an environment variable and a line of a TOML file.
//!
//! A flag wins over the environment, the environment over the file, the file over the default.

mod books;
mod export;
mod resolve;
mod settings;
mod target;
mod values;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Parser, Subcommand};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    net::{ListenerLimits, tls::TlsOptions},
    options::{LimitOptions, WithoutIdentity},
    store::{StoreOptions, StoreUrl, WaitOptions},
};

pub use books::{
    AdjustArgs, BooksArgs, ClientArgs, ClientCommand, FreezeArgs, GrantArgs, HoldsArgs, ImportArgs,
    ImportCommand, MakeKeyArgs, ReconcileArgs, RefundArgs, RevenueArgs, RevenueBy, RevokeKeyArgs,
    StatementArgs, StoreArgs, StripeArgs, TransfersArgs,
};
pub use export::{ExportArgs, Table};
pub use settings::Settings;
pub use target::Target;
pub use values::{LogFormat, Secret, Span};

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
    /// Run the ledger until SIGTERM or Ctrl-C.
    Serve(Box<ServeArgs>),
    /// Show, freeze, correct or refund a client's accounts.
    #[command(subcommand)]
    Client(ClientCommand),
    /// List movements of money, oldest first.
    Transfers(TransfersArgs),
    /// List what is held for requests whose price is not known yet, the earliest end first.
    Holds(HoldsArgs),
    /// Sum what deductions brought, less voids.
    Revenue(RevenueArgs),
    /// Show what a month brought, what was used, and what credit clients still have.
    Statement(StatementArgs),
    /// Write a whole table to the standard output, newest rows first: CSV, or with --json an object on
    /// each line.
    ///
    /// If it exits with another code than 0, what it wrote is not the whole table.
    Export(ExportArgs),
    /// Import clients and balances from another system.
    #[command(subcommand)]
    Import(ImportCommand),
    /// Compare the books with Stripe, and exit with 1 if they differ.
    ///
    /// Needs books: where they are lost, start the ledger once, which makes an empty store.
    Reconcile(ReconcileArgs),
    /// Recompute every balance from its movements, and exit with 1 if one differs.
    ///
    /// Exits with 3 if the books have no account: the address of the store is wrong, or it is a new
    /// ledger without clients, which is told so, too.
    Verify(BooksArgs),
    /// Check whether a ledger with these settings is fit to charge real cards, and exit with 1 if not.
    ///
    /// It looks at the Stripe key, the webhook, the clock, the store, the secrets, the addresses and the
    /// certificate, and says how to mend what is wrong. It changes nothing and prints no secret.
    Doctor(Box<DoctorArgs>),
}

/// What to check: the settings that `serve` takes.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// The settings, as the ledger gets them.
    #[command(flatten)]
    pub serve: ServeArgs,
    /// Print JSON for programs instead of a table for people
    #[arg(long)]
    pub json: bool,
}

/// Where settings come from.
#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// TOML file with any of the settings below; flags and environment variables take precedence.
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
    /// What becomes of a Shared Payment Token that shows no card.
    pub mpp_without_identity: WithoutIdentity,
    /// Whether a refund that was not ordered here may put an account into debt.
    pub refund_debt: bool,
    /// Keys that one client may have, beside those that are revoked.
    pub most_keys: usize,
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
    /// How many of a Redis' replicas must have a record before Stripe is asked.
    pub redis_wait: WaitOptions,
    /// Connections to a store that is a server.
    pub store_connections: u32,
    /// What each listener gives at the most.
    pub listeners: ListenerLimits,
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
            wait: self.redis_wait,
            connections: self.store_connections,
        }
    }
}

/// A setting that is missing or wrong, and how to mend it. Retrying does not help.
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

#[cfg(test)]
mod tests;

//! The ledger as a process.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::ports::local;
use crate::process::{Inherit, Probe, Process, Spec};
use crate::secrets::Secrets;
use crate::{Result, binary};

const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// How a ledger is started.
#[derive(Debug, Clone)]
pub struct LedgerOptions {
    /// How it is called in messages.
    pub name: String,
    /// Where gateways ask it.
    pub port: u16,
    /// Where operators ask it.
    pub admin_port: u16,
    /// Where webhooks arrive.
    pub webhook_port: u16,
    /// The store, as `LEDGER_STORE` names it.
    pub store: String,
    /// What it shares with the other parts.
    pub secrets: Secrets,
    /// Stripe's key.
    pub stripe_secret_key: String,
    /// Where Stripe is, if not where it always is.
    pub stripe_api_base: Option<String>,
    /// More settings; they win over those above.
    pub more: BTreeMap<String, String>,
    /// Whether settings in our own environment reach it.
    pub inherit: Inherit,
    /// Where it logs.
    pub log: PathBuf,
}

/// A running ledger.
#[derive(Debug)]
pub struct Ledger {
    process: Process,
    port: u16,
    admin_port: u16,
    webhook_port: u16,
    admin_token: String,
}

impl Ledger {
    /// Starts it; ready once [`Ledger::ready`] returns.
    ///
    /// # Errors
    /// If it is not built or cannot be started.
    pub fn spawn(options: &LedgerOptions) -> Result<Self> {
        Self::spawn_program(binary::ledger()?, options)
    }

    /// As [`Ledger::spawn`], of another program than the one that is built here.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn spawn_program(program: PathBuf, options: &LedgerOptions) -> Result<Self> {
        let mut spec = Spec::new(&options.name, program, &options.log)
            .arg("serve")
            .env("LEDGER_LISTEN", local(options.port).to_string())
            .env("LEDGER_ADMIN_LISTEN", local(options.admin_port).to_string())
            .env("LEDGER_WEBHOOK_LISTEN", local(options.webhook_port).to_string())
            .env("LEDGER_STORE", &options.store)
            .env("LEDGER_TOKEN", &options.secrets.ledger_token)
            .env("LEDGER_ADMIN_TOKEN", &options.secrets.admin_token)
            .env("SERVER_SECRET", &options.secrets.server_secret)
            .env("STRIPE_WEBHOOK_SECRET", &options.secrets.webhook_secret)
            .env("STRIPE_SECRET_KEY", &options.stripe_secret_key)
            // Nobody waits for another replica to take over, unless that is what is shown.
            .env("LEDGER_DRAIN", "0s");
        if let Some(base) = &options.stripe_api_base {
            spec = spec.env("STRIPE_API_BASE", base);
        }
        spec.env.extend(options.more.clone());
        spec.inherit = options.inherit;
        Ok(Self {
            process: Process::spawn(spec)?,
            port: options.port,
            admin_port: options.admin_port,
            webhook_port: options.webhook_port,
            admin_token: options.secrets.admin_token.clone(),
        })
    }

    /// As [`Ledger::spawn`], and waits until it serves.
    ///
    /// # Errors
    /// If it cannot be started or does not become ready.
    pub async fn start(options: &LedgerOptions) -> Result<Self> {
        let mut ledger = Self::spawn(options)?;
        ledger.ready().await?;
        Ok(ledger)
    }

    /// Waits until it serves; over TLS, which not everybody may speak with it, until it listens.
    ///
    /// # Errors
    /// If it ends before, or the time is over.
    pub async fn ready(&mut self) -> Result<()> {
        let probe = if self.process.spec().env.contains_key("LEDGER_TLS_CERTIFICATE") {
            Probe::Tcp(local(self.port))
        } else {
            Probe::ok(self.url("/readyz"))
        };
        self.process.wait_ready(&probe, STARTS_WITHIN).await
    }

    /// Where gateways ask it.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        local(self.port)
    }

    /// Where operators ask it.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        local(self.admin_port)
    }

    /// Where webhooks arrive.
    #[must_use]
    pub fn webhook_address(&self) -> SocketAddr {
        local(self.webhook_port)
    }

    /// Starts it again on the same ports and store, and waits until it serves.
    ///
    /// # Errors
    /// As [`Ledger::start`].
    pub async fn restart(&mut self) -> Result<()> {
        self.process.restart()?;
        self.ready().await
    }

    /// A URL where gateways ask.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", local(self.port))
    }

    /// A URL where operators ask.
    #[must_use]
    pub fn admin_url(&self, path: &str) -> String {
        format!("http://{}{path}", local(self.admin_port))
    }

    /// A URL where webhooks arrive.
    #[must_use]
    pub fn webhook_url(&self, path: &str) -> String {
        format!("http://{}{path}", local(self.webhook_port))
    }

    /// What operators show.
    #[must_use]
    pub fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// The process: to stop, kill, pause or restart it, or to change its settings before a restart.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Only the process, for who just keeps it running.
    #[must_use]
    pub fn into_process(self) -> Process {
        self.process
    }
}

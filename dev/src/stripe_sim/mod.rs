//! Stripe's stand-in as a process, and what a payer does there.

mod controls;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::ports::local;
use crate::process::{Probe, Process, Spec};
use crate::{Error, Result, binary, card, http};

pub use controls::{Call, Totals};

/// The publishable key that the stand-in and the shipped configuration share.
pub const PUBLISHABLE_KEY: &str = "pk_test_standin";
/// The secret key that the stand-in takes.
pub const SECRET_KEY: &str = "sk_test_standin";

const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// How the stand-in is started.
#[derive(Debug, Clone)]
pub struct StripeSimOptions {
    /// Where it listens.
    pub port: u16,
    /// Where it keeps its state.
    pub state_dir: PathBuf,
    /// Where it sends webhooks.
    pub webhook_url: String,
    /// What it signs them with.
    pub webhook_secret: String,
    /// Where it logs.
    pub log: PathBuf,
}

/// A running stand-in.
#[derive(Debug)]
pub struct StripeSim {
    process: Process,
    port: u16,
}

impl StripeSim {
    /// Starts it and waits until it serves.
    ///
    /// # Errors
    /// If it is not built, cannot be started or does not become ready.
    pub async fn start(options: &StripeSimOptions) -> Result<Self> {
        let mut sim = Self::spawn(options)?;
        sim.ready().await?;
        Ok(sim)
    }

    /// Starts it; ready once [`StripeSim::ready`] returns.
    ///
    /// # Errors
    /// If it is not built or cannot be started.
    pub fn spawn(options: &StripeSimOptions) -> Result<Self> {
        let spec = Spec::new("the Stripe stand-in", binary::stripe_sim()?, &options.log)
            .arg("--listen")
            .arg(local(options.port).to_string())
            .arg("--state-dir")
            .arg(&options.state_dir)
            .arg("--webhook-url")
            .arg(&options.webhook_url)
            .arg("--webhook-secret")
            .arg(&options.webhook_secret);
        Ok(Self { process: Process::spawn(spec)?, port: options.port })
    }

    /// Waits until it serves.
    ///
    /// # Errors
    /// If it ends before, or the time is over.
    pub async fn ready(&mut self) -> Result<()> {
        self.process.wait_ready(&Probe::Tcp(local(self.port)), STARTS_WITHIN).await
    }

    /// Starts it again on the same port and state, and waits until it serves.
    ///
    /// # Errors
    /// As [`StripeSim::start`].
    pub async fn restart(&mut self) -> Result<()> {
        self.process.restart()?;
        self.ready().await
    }

    /// Makes a PaymentMethod as the payer's browser or agent does: with the publishable key only.
    ///
    /// # Errors
    /// If the stand-in refuses it.
    pub async fn payment_method(&self, number: &str, cvc: &str) -> Result<String> {
        payment_method(&self.url(""), PUBLISHABLE_KEY, number, cvc).await
    }

    /// A PaymentMethod of a card that nobody used before.
    ///
    /// # Errors
    /// As [`StripeSim::payment_method`].
    pub async fn fresh_card(&self) -> Result<String> {
        self.payment_method(&card::fresh()?, "123").await
    }

    /// A URL at the stand-in.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", local(self.port))
    }

    /// The process: to stop, kill, pause or restart it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Only the process, for who just keeps it running.
    #[must_use]
    pub fn into_process(self) -> Process {
        self.process
    }
}

/// Makes a PaymentMethod at a stand-in known by its URL.
///
/// # Errors
/// If it does not answer, or refuses.
pub async fn payment_method(
    base: &str,
    publishable_key: &str,
    number: &str,
    cvc: &str,
) -> Result<String> {
    let url = format!("{base}/v1/payment_methods");
    let form = [
        ("type", "card"),
        ("card[number]", number),
        ("card[exp_month]", "12"),
        ("card[exp_year]", "2040"),
        ("card[cvc]", cvc),
    ];
    let request = http::client()?.post(&url).basic_auth(publishable_key, Some("")).form(&form);
    let made = json(&format!("POST {url}"), request).await?;
    let id = made.get("id").and_then(Value::as_str);
    id.map(str::to_owned)
        .ok_or_else(|| Error::Invalid(format!("POST {url} answered without an id")))
}

async fn json(what: &str, request: reqwest::RequestBuilder) -> Result<Value> {
    let answer = request.send().await.map_err(Error::http(what))?;
    let status = answer.status();
    let text = answer.text().await.map_err(Error::http(what))?;
    if !status.is_success() {
        return Err(Error::Http {
            what: what.to_owned(),
            reason: format!("status {status}: {}", text.trim()),
        });
    }
    if text.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&text).map_err(|error| Error::Http {
        what: what.to_owned(),
        reason: format!("the answer is not JSON: {error}"),
    })
}

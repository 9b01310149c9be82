//! Commands for operators, on the books of any store or of a ledger that runs: look, correct, sum up,
//! verify.

mod books;
mod client;
mod doctor;
mod export;
mod holds;
mod import;
mod keys;
mod reconcile;
mod refund;
mod remote;
mod report;
mod revenue;
mod statement;
mod transfers;
mod verify;

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use crate::{
    clock::{Clock, RandomIds, SystemClock},
    config::{BooksArgs, ConfigError, Secret, StripeArgs},
    operator::work::OperatorError,
    options::PaymentOptions,
    store::{self, Store, StoreError, StoreUrl},
    stripe::{Stripe, StripeOptions},
    wiring::{Edges, Parts},
};

use books::Books;
pub use client::client;
pub use doctor::doctor;
pub use export::export;
pub use holds::holds;
pub use import::import_express;
pub use reconcile::reconcile;
pub use report::{Finding, Report};
pub use revenue::revenue;
pub use statement::statement;
pub use transfers::transfers;
pub use verify::verify;

/// Why a command could not be carried out. Run it again where the store or Stripe gave no answer; with the
/// same `--reference` nothing is done twice.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// The store cannot be opened or read. Retry.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// As [`OperatorError`] says.
    #[error(transparent)]
    Work(#[from] OperatorError),
    /// The Express middleware's database cannot be read. Retry.
    #[error("--from: the Express middleware's database cannot be read: {0}")]
    Express(#[source] sqlx::Error),
    /// A setting is wrong. Do not retry.
    #[error("{0}")]
    Setting(String),
    /// The ledger at `--url` refuses, or could not do it.
    #[error("{text}")]
    Remote {
        /// HTTP's.
        status: u16,
        /// The operator API's.
        code: String,
        /// What the ledger says.
        text: String,
    },
    /// The ledger at `--url` did not answer. Retry.
    #[error("{0}")]
    NoAnswer(String),
    /// An answer is none of JSON's. Do not retry.
    #[error("--json: the answer cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The machine lets no command run. Retry.
    #[error("the command cannot run on this machine: {0}")]
    Machine(#[from] std::io::Error),
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::Setting(error.to_string())
    }
}

/// The books, which must be there: a command that makes them would call a wrong address sound.
fn open(url: &StoreUrl, arguments: &BooksArgs) -> Result<Arc<dyn Store>, CliError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Ok(store::open_existing(url, arguments.store_options(), clock)?)
}

/// The books together with Stripe. `secrets` derive client ids; without them no account can be found
/// by its card.
fn at_stripe(
    store: &Arc<dyn Store>,
    stripe: &StripeArgs,
    secrets: &Option<Secret>,
    lost_books: Option<Uuid>,
) -> Result<Parts, CliError> {
    let key = stripe.stripe_secret_key.as_ref().ok_or_else(|| {
        let text =
            "--stripe-secret-key (STRIPE_SECRET_KEY): must be set, to Stripe's key of the ledger";
        CliError::Setting(text.to_owned())
    })?;
    let options = StripeOptions {
        secret_key: key.0.clone(),
        api_base: stripe.stripe_api_base.clone(),
        timeout: stripe.stripe_timeout.0,
    };
    let provider = Arc::new(Stripe::new(&options).map_err(CliError::Setting)?);
    let secrets = secrets.iter().flat_map(|list| list.0.expose_secret().split(','));
    let secrets = secrets.map(|secret| SecretString::from(secret.trim())).collect();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let options = PaymentOptions { lost_books, ..PaymentOptions::default() };
    let ids = Arc::new(RandomIds);
    let edges = Edges { store: Arc::clone(store), provider, clock, ids };
    Ok(Parts::new(edges, secrets, options))
}

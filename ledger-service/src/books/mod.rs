//! Commands for operators, on the books of any store: look, correct, sum up, verify.

mod client;
mod find;
mod import;
mod report;
mod revenue;
mod transfers;
mod verify;

use std::sync::Arc;

use crate::{
    clock::{Clock, SystemClock},
    config::BooksArgs,
    store::{self, Store, StoreError},
};

pub use client::client;
pub use import::import_express;
pub use report::Report;
pub use revenue::revenue;
pub use transfers::transfers;
pub use verify::verify;

/// Why a command could not be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Problem(pub String);

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self(format!("store: {error}"))
    }
}

fn open(arguments: &BooksArgs) -> Result<Arc<dyn Store>, Problem> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Ok(store::open(&arguments.store, arguments.store_options(), clock)?)
}

//! Stores under measurement, and the clients that pay there.

use std::{sync::Arc, time::Duration};

use stripe402_ledger::{
    accounting::{AccountKey, Kind, Posting},
    clock::SystemClock,
    store::{self, Store, StoreOptions, WaitOptions},
};
use stripe402_protocol::{ClientId, Currency, Units};

use crate::Result;

/// What each of them has at first, in units.
pub(crate) const CREDIT: i64 = 1 << 45;

/// The store that `LEDGER_STORE` would name so, with settings that no load runs into.
///
/// # Errors
/// If it is none, or cannot be opened.
pub fn open(url: &str) -> Result<Arc<dyn Store>> {
    let options = StoreOptions {
        charge_memory: Duration::from_secs(7 * 24 * 3600),
        clock_skew: Duration::from_secs(60),
        queue: 4096,
        timeout: Duration::from_secs(10),
        wait: WaitOptions::within(None, Duration::from_secs(10)),
        connections: 16,
    };
    Ok(store::open(&url.parse()?, options, Arc::new(SystemClock))?)
}

/// The n-th client: its number as an id.
#[must_use]
pub(crate) fn client(number: u64) -> AccountKey {
    let mut id = [0; 32];
    if let Some(end) = id.last_chunk_mut() {
        *end = number.to_be_bytes();
    }
    AccountKey { client: ClientId::from_bytes(id), currency: Currency::USD }
}

/// Gives a client its credit, once.
pub(crate) async fn credit(store: &dyn Store, of: AccountKey) -> Result<()> {
    let (amount, reference) = (Units::new(CREDIT)?, "bench".to_owned());
    let posting = Posting { kind: Kind::AdjustmentUp, reference, amount, note: None };
    store.post(of, posting).await?;
    Ok(())
}

/// What was taken from a client since.
pub(crate) async fn taken(store: &dyn Store, of: AccountKey) -> Result<i64> {
    Ok(CREDIT.saturating_sub(store.account(of).await?.available.get()))
}

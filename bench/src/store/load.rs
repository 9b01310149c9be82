//! Batches as gateways send them, and whether the books add up afterwards.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use futures_util::future::try_join_all;
use stripe402_ledger::{accounting::AccountKey, store::Store};
use stripe402_protocol::{
    DeductionId, Units,
    message::{self, Batch, Deduction, DeductionOutcome},
};

use crate::{
    Result,
    accounts::{self, client, credit},
};

/// Charges in a batch.
pub(super) const BATCH: usize = 32;
/// Batches under way at once: what four gateways with one worker each have.
pub(super) const IN_FLIGHT: usize = 8;
/// Clients with an account.
pub(super) const CLIENTS: u64 = 1_000;
/// Whose deductions a batch holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spread {
    /// Each of another client, of [`CLIENTS`].
    Many,
    /// All of one client.
    One,
}

/// Gives every client its credit.
///
/// # Errors
/// The store's.
pub(super) async fn fund(store: &dyn Store) -> Result<()> {
    for number in 0..CLIENTS {
        credit(store, client(number)).await?;
    }
    Ok(())
}

/// What was taken from all clients together.
///
/// # Errors
/// The store's.
pub(super) async fn taken(store: &dyn Store) -> Result<u64> {
    let mut sum: i64 = 0;
    for number in 0..CLIENTS {
        sum = sum.saturating_add(accounts::taken(store, client(number)).await?);
    }
    Ok(u64::try_from(sum)?)
}

/// Keeps [`IN_FLIGHT`] batches under way for a time; answers how many deductions of 1 unit were made.
///
/// # Errors
/// The store's, or that a deduction was refused.
pub(super) async fn drive(store: &Arc<dyn Store>, spread: Spread, time: Duration) -> Result<u64> {
    let next = AtomicU64::new(0);
    let until = Instant::now() + time;
    let made = (0..IN_FLIGHT).map(|_| async {
        let mut made = 0_u64;
        while Instant::now() < until {
            let batch = batch(spread, next.fetch_add(BATCH as u64, Ordering::Relaxed))?;
            let answer = store.batch(batch).await?;
            let deducted = |(_, outcome): &&(DeductionId, DeductionOutcome)| {
                matches!(outcome, DeductionOutcome::Deducted(_))
            };
            let count = answer.deductions.iter().filter(deducted).count();
            if count != BATCH {
                return Err("a charge was refused".into());
            }
            made = made.saturating_add(count as u64);
        }
        Ok::<u64, Box<dyn std::error::Error + Send + Sync>>(made)
    });
    Ok(try_join_all(made).await?.iter().sum())
}

/// One deduction of one unit, as in every batch.
///
/// # Errors
/// If the system has no random numbers.
pub fn deduction(of: AccountKey) -> Result<Deduction> {
    let mut random = [0; 10];
    getrandom::fill(&mut random)?;
    let now = SystemTime::UNIX_EPOCH.elapsed()?.as_millis();
    Ok(Deduction {
        id: DeductionId::mint(u64::try_from(now)?, random),
        client_id: of.client,
        currency: of.currency,
        amount: Units::new(1)?,
        route: "joke".to_owned(),
        hold: None,
    })
}

fn batch(spread: Spread, first: u64) -> Result<Batch> {
    let number = |at: u64| match spread {
        Spread::Many => first.wrapping_add(at) % CLIENTS,
        Spread::One => 0,
    };
    let deductions = (0..BATCH as u64).map(|at| deduction(client(number(at))));
    Ok(Batch {
        version: message::VERSION,
        deductions: deductions.collect::<Result<_>>()?,
        voids: Vec::new(),
        captures: vec![],
    })
}

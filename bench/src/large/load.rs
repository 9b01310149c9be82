//! The clients of large books: their accounts, their deductions, and a load that is timed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use stripe402_ledger::store::Store;
use stripe402_protocol::message::{self, Batch};

use super::Size;
use crate::{
    Result,
    accounts::{client, credit},
    deduction,
};

/// Deductions in a batch while the books are filled.
const FILLING: u64 = 256;
/// Deductions in a batch of the load, as of a busy gateway.
const BATCH: u64 = 32;
/// Calls under way at once while the books are filled.
const AT_ONCE: usize = 64;
/// The load sends a batch so often.
const EVERY: Duration = Duration::from_millis(5);

/// Makes the accounts, and takes the deductions from them.
pub(super) async fn fill(store: &dyn Store, size: Size) -> Result<()> {
    let accounts = (0..size.clients).map(|number| credit(store, client(number)));
    stream::iter(accounts).buffer_unordered(AT_ONCE).try_for_each(async |()| Ok(())).await?;
    let batches = (0..size.deductions / FILLING).map(|_| take(store, size.clients, FILLING));
    stream::iter(batches).buffer_unordered(AT_ONCE).try_for_each(async |()| Ok(())).await
}

/// One batch, of clients by chance.
async fn take(store: &dyn Store, clients: u64, many: u64) -> Result<()> {
    let chosen = (0..many).map(|_| {
        let mut random = [0; 8];
        getrandom::fill(&mut random)?;
        deduction(client(u64::from_le_bytes(random) % clients))
    });
    let deductions = chosen.collect::<Result<_>>()?;
    store
        .batch(Batch { version: message::VERSION, deductions, voids: Vec::new(), captures: vec![] })
        .await?;
    Ok(())
}

/// A light and steady load: what it waits for is not its own queue.
pub(super) struct Load {
    store: Arc<dyn Store>,
    clients: u64,
}

impl Load {
    pub(super) fn new(store: Arc<dyn Store>, clients: u64) -> Self {
        Self { store, clients }
    }

    /// What the work brings, and how long the slowest batch in a hundred took meanwhile, in ms.
    pub(super) async fn while_running<T>(&self, work: impl Future<Output = T>) -> Result<(T, f64)> {
        let over = AtomicBool::new(false);
        let asked = async {
            let mut took = Vec::new();
            let mut next = Instant::now();
            while !over.load(Ordering::Relaxed) {
                tokio::time::sleep_until(next.into()).await;
                let began = Instant::now();
                take(&*self.store, self.clients, BATCH).await?;
                took.push(began.elapsed().as_secs_f64() * 1_000.0);
                next = (next + EVERY).max(began);
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(took)
        };
        let worked = async {
            let done = work.await;
            over.store(true, Ordering::Relaxed);
            done
        };
        let (done, took) = tokio::join!(worked, asked);
        let mut took = took?;
        took.sort_by(f64::total_cmp);
        let slowest = took.get(took.len().saturating_mul(99) / 100).copied();
        Ok((done, slowest.unwrap_or_default()))
    }
}

//! What all calls share.

use std::collections::HashSet;
use std::sync::atomic::AtomicI64;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::UnboundedSender;

use crate::calls::Calls;
use crate::clock;
use crate::context::{Caller, Context};
use crate::faults::Faults;
use crate::journal::Journal;
use crate::world::{Record, World};

/// The state and its journal: locked together, so that the journal is in the order of the writes.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) world: World,
    pub(crate) journal: Option<Journal>,
}

#[derive(Debug)]
pub(crate) struct App {
    pub(crate) state: Mutex<State>,
    pub(crate) faults: Mutex<Faults>,
    pub(crate) calls: Mutex<Calls>,
    /// The idempotency keys of calls that are running.
    pub(crate) in_flight: Mutex<HashSet<String>>,
    /// By how many seconds the `Date` of answers is ahead of the machine's clock.
    pub(crate) date_ahead: AtomicI64,
    /// Ids of events to deliver.
    pub(crate) deliveries: UnboundedSender<String>,
}

/// Locks; what a panicking thread left behind is still what there is.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl App {
    /// Works on the state; then writes what has changed to the journal, and sends new events off.
    pub(crate) fn run<T>(&self, caller: &Caller, work: impl FnOnce(&mut Context<'_>) -> T) -> T {
        let mut state = lock(&self.state);
        let now_ms = clock::now_ms();
        let result = work(&mut Context { world: &mut state.world, caller, now_ms });
        let records = state.world.drain();
        self.commit(&mut state, records);
        result
    }

    /// Writes records to the journal, and sends the events among them off.
    pub(crate) fn commit(&self, state: &mut State, records: Vec<Record>) {
        let events: Vec<String> = records
            .iter()
            .filter_map(|record| match record {
                Record::Event(event) if event.pending => Some(event.id.clone()),
                _ => None,
            })
            .collect();
        if let Some(journal) = &mut state.journal
            && let Err(error) = journal.append(records)
        {
            tracing::error!(%error, "the journal cannot be written: this change will not survive a restart");
        }
        for event in events {
            // Nobody listens any more while the server stops; the event is delivered after the next start.
            let _ = self.deliveries.send(event);
        }
    }
}

//! One payment at a time per origin.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::OwnedMutexGuard;

use crate::storage::{Storage, StorageError, Turn};

/// How often it is looked whether another process has finished paying.
const POLL: Duration = Duration::from_millis(20);

/// Who waits in this program: in order of arrival, and without looking again and again.
#[derive(Clone, Default)]
pub(super) struct Turns(Arc<Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>>);

/// The turn, in this program and among all that share the storage. Given back when dropped, by a
/// call that is cancelled too. The fields are dropped in order: others first.
pub(super) struct Held {
    _among_all: Turn,
    _here: OwnedMutexGuard<()>,
}

impl Turns {
    pub(super) async fn take(
        &self,
        origin: &str,
        storage: &dyn Storage,
    ) -> Result<Held, StorageError> {
        let mutex = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(turns.entry(origin.to_owned()).or_default())
        };
        let here = mutex.lock_owned().await;
        loop {
            if let Some(turn) = storage.try_turn(origin)? {
                return Ok(Held { _among_all: turn, _here: here });
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

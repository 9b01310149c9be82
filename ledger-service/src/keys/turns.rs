//! One after the other, for each key: of many at once in one ledger, none has to be tried again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use crate::accounting::KeyHash;

/// Whose turn it is.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<HashMap<KeyHash, Arc<Turn<()>>>>);

impl Turns {
    /// Waits for a key's turn.
    pub(super) async fn of(&self, hash: KeyHash) -> OwnedMutexGuard<()> {
        self.turn(hash).lock_owned().await
    }

    /// A key's turn, if it is now.
    pub(super) fn now(&self, hash: KeyHash) -> Option<OwnedMutexGuard<()>> {
        self.turn(hash).try_lock_owned().ok()
    }

    fn turn(&self, hash: KeyHash) -> Arc<Turn<()>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that nobody waits for are forgotten.
        all.retain(|of, turn| *of == hash || Arc::strong_count(turn) > 1);
        Arc::clone(all.entry(hash).or_default())
    }
}

//! Kept as long as the program runs.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Storage, StorageError, Turn};
use crate::Purse;

/// A purse in memory.
#[derive(Debug, Default)]
pub struct Memory {
    purse: Mutex<Purse>,
    turns: Arc<Mutex<BTreeSet<String>>>,
}

impl Memory {
    /// A place that holds this purse.
    #[must_use]
    pub fn new(purse: Purse) -> Self {
        Self { purse: Mutex::new(purse), turns: Arc::default() }
    }
}

struct Taken {
    turns: Arc<Mutex<BTreeSet<String>>>,
    origin: String,
}

impl Drop for Taken {
    fn drop(&mut self) {
        lock(&self.turns).remove(&self.origin);
    }
}

/// A purse is never left half changed: see [`Storage::change`].
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Storage for Memory {
    fn change(&self, change: &mut dyn FnMut(&mut Purse)) -> Result<(), StorageError> {
        let mut purse = lock(&self.purse);
        let mut changed = purse.clone();
        change(&mut changed);
        *purse = changed;
        Ok(())
    }

    fn try_turn(&self, origin: &str) -> Result<Option<Turn>, StorageError> {
        let origin = origin.to_owned();
        let free = lock(&self.turns).insert(origin.clone());
        Ok(free.then(|| -> Turn { Box::new(Taken { turns: Arc::clone(&self.turns), origin }) }))
    }
}

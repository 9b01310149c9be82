//! The open file. After an error of the disk redb refuses every further write, so the file is
//! opened again: a disk that was full and has room now needs nobody to restart the ledger.

use std::sync::{RwLock, TryLockError};

use redb::{Database, ReadTransaction, ReadableDatabase};

use super::{super::StoreError, schema::unavailable};

type Open = Box<dyn Fn(Occasion) -> Result<Database, StoreError> + Send + Sync>;

/// Why a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occasion {
    /// The ledger starts: a file that is not there is made.
    Start,
    /// After an error: a file that is not there is somewhere else, and must not be made anew.
    Again,
}

/// A database, or how to get it back.
pub(super) struct File {
    open: Open,
    /// Empty after an error, until the file could be opened again.
    current: RwLock<Option<Database>>,
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("File")
    }
}

impl File {
    /// # Errors
    /// What opening says.
    pub(super) fn open(open: Open) -> Result<Self, StoreError> {
        let database = open(Occasion::Start)?;
        Ok(Self { open, current: RwLock::new(Some(database)) })
    }

    /// The books as they were last committed.
    ///
    /// # Errors
    /// The disk's. Never waits for the file to be opened.
    pub(super) fn begin_read(&self) -> Result<ReadTransaction, StoreError> {
        let current = match self.current.try_read() {
            Ok(current) => current,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(closed()),
        };
        current.as_ref().ok_or_else(closed)?.begin_read().map_err(unavailable)
    }

    /// Runs what writes. If the disk failed it, nothing of it has happened, and the file is
    /// opened anew before the next.
    ///
    /// # Errors
    /// What the work says, or that the file cannot be opened.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.ensure_open()?;
        let outcome = {
            let current = self.current.read().unwrap_or_else(|poisoned| poisoned.into_inner());
            work(current.as_ref().ok_or_else(closed)?)
        };
        if let Err(StoreError::Unavailable(why)) = &outcome {
            tracing::warn!(why, "the file is closed, and opened again for the next transaction");
            *self.current.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = None;
        }
        outcome
    }

    fn ensure_open(&self) -> Result<(), StoreError> {
        if self.current.read().unwrap_or_else(|poisoned| poisoned.into_inner()).is_some() {
            return Ok(());
        }
        let mut current = self.current.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        if current.is_none() {
            *current = Some((self.open)(Occasion::Again)?);
            tracing::info!("the file is open again");
        }
        Ok(())
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the file is being opened again after an error".to_owned())
}

//! The open file, and what becomes of it when the disk fails.
//!
//! After an error of the disk redb refuses every further write, so the file is opened again: a disk
//! that was full and has room now needs nobody to restart the ledger. A sync that failed is another
//! matter. The system has forgotten which pages it could not write, and goes on showing them; what
//! was built on them would be gone with the next power cut. Nothing more is written by this process.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{RwLock, TryLockError},
    time::{Duration, Instant},
};

use redb::{Database, ReadTransaction, ReadableDatabase};

use super::{
    super::StoreError,
    open::{Occasion, Opener},
    schema::failed,
};

/// How long a file stays closed at least after it failed or could not be opened. To open one reads all
/// of it, and callers wait meanwhile: it is closed as long as the last attempt took.
pub(super) const CLOSED: Duration = Duration::from_secs(1);
/// But no longer than this many times [`CLOSED`].
const LONGEST: u32 = 60;

/// A database, or why there is none.
pub(super) struct File {
    opener: Opener,
    /// See [`CLOSED`].
    closed: Duration,
    current: RwLock<Current>,
}

enum Current {
    Open(Database),
    /// After an error; to be opened again, but not before this.
    Closed {
        why: String,
        until: Instant,
    },
    /// A sync failed. For good.
    Distrusted(String),
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("File")
    }
}

impl File {
    /// # Errors
    /// What opening says.
    pub(super) fn open(opener: Opener, closed: Duration) -> Result<Self, StoreError> {
        let database = opener.open(Occasion::Start)?;
        Ok(Self { opener, closed, current: RwLock::new(Current::Open(database)) })
    }

    /// The books as they were last committed.
    ///
    /// # Errors
    /// The disk's. Never waits for the file to be opened.
    pub(super) fn begin_read(&self) -> Result<ReadTransaction, StoreError> {
        let current = match self.current.try_read() {
            Ok(current) => current,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(self.closed("it is being opened again")),
        };
        self.database(&current)?.begin_read().map_err(failed)
    }

    /// Runs what writes. If that fails, the file is closed, and opened anew before the next.
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
            let database = self.database(&current)?;
            catch_unwind(AssertUnwindSafe(|| work(database))).unwrap_or_else(|_| {
                Err(StoreError::Unavailable("redb panicked; the log says why".to_owned()))
            })
        };
        if let Err(error) = &outcome {
            self.close(error);
        }
        outcome
    }

    fn ensure_open(&self) -> Result<(), StoreError> {
        {
            let current = self.current.read().unwrap_or_else(|poisoned| poisoned.into_inner());
            match &*current {
                Current::Closed { until, .. } if *until <= Instant::now() => {}
                current => return self.database(current).map(drop),
            }
        }
        let mut current = self.current.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        let began = Instant::now();
        match self.opener.open(Occasion::Again) {
            Ok(database) => {
                tracing::info!("the store's file is open again");
                *current = Current::Open(database);
                Ok(())
            }
            Err(error) => {
                let longest = self.closed.saturating_mul(LONGEST);
                *current = self.after(&error, began.elapsed().clamp(self.closed, longest));
                self.database(&current).map(drop)
            }
        }
    }

    fn close(&self, error: &StoreError) {
        let mut current = self.current.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        let before = std::mem::replace(&mut *current, self.after(error, self.closed));
        // To close it is to write as well, which fails as the last write did.
        if catch_unwind(AssertUnwindSafe(|| drop(before))).is_err() {
            tracing::warn!("redb panicked when the file was closed");
        }
        tracing::error!(%error, file = self.opener.name(), "the store's file is closed after an error");
    }

    fn after(&self, error: &StoreError, pause: Duration) -> Current {
        let why = match error {
            StoreError::Unavailable(why) | StoreError::Absent(why) | StoreError::Damaged(why) => {
                why.clone()
            }
            StoreError::Overloaded => error.to_string(),
        };
        if self.opener.is_trusted() {
            let now = Instant::now();
            let until = now.checked_add(pause).unwrap_or(now);
            return Current::Closed { why, until };
        }
        metrics::gauge!("stripe402_file_sync_failed").set(1);
        Current::Distrusted(why)
    }

    fn database<'c>(&self, current: &'c Current) -> Result<&'c Database, StoreError> {
        match current {
            Current::Open(database) => Ok(database),
            Current::Closed { why, .. } => Err(self.closed(why)),
            Current::Distrusted(why) => Err(StoreError::Unavailable(format!(
                "a sync of {} failed ({why}), so its state on the disk is unknown: check the disk, then \
                 restart the ledger; until then it writes nothing",
                self.opener.name()
            ))),
        }
    }

    fn closed(&self, why: &str) -> StoreError {
        StoreError::Unavailable(format!(
            "{} is closed after an error ({why}): mend the disk, or make room; the ledger opens it \
             again by itself",
            self.opener.name()
        ))
    }
}

//! Opening the file: made if it is not there, believed only if all of it is as it was written.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use redb::{Builder, Database, DatabaseError, StorageError};
use stripe402_mutant::mutant;

use super::{
    super::StoreError,
    disk::{Disk, Watched},
    schema,
};

/// Why a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occasion {
    /// The ledger starts: a file that is not there is made.
    Start,
    /// After an error: a file that is not there is somewhere else, and must not be made anew.
    Again,
}

type Reach = Box<dyn Fn(Occasion) -> Result<Disk, StoreError> + Send + Sync>;

/// How to open the file, as often as needed.
pub(super) struct Opener {
    name: String,
    reach: Reach,
    cache: Option<usize>,
    sync_failed: Arc<AtomicBool>,
}

impl Opener {
    /// Of a file of this path.
    pub(super) fn of(path: PathBuf) -> Self {
        let name = path.display().to_string();
        Self::new(name, None, Box::new(move |occasion| super::disk::reach(&path, occasion)))
    }

    /// Of a file of this path, which is never made.
    pub(super) fn existing(path: PathBuf) -> Self {
        let name = path.display().to_string();
        let reach = move |_| super::disk::reach(&path, Occasion::Again);
        Self::new(name, None, Box::new(reach))
    }

    /// Of whatever has this name for people.
    pub(super) fn new(name: String, cache: Option<usize>, reach: Reach) -> Self {
        Self { name, reach, cache, sync_failed: Arc::default() }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether every sync so far has succeeded.
    pub(super) fn is_trusted(&self) -> bool {
        !self.sync_failed.load(Ordering::SeqCst) || mutant!("sync_trusted")
    }

    /// # Errors
    /// [`StoreError::Unavailable`] if it is in use, or the disk fails; [`StoreError::Damaged`] if it is
    /// not the file that was written.
    pub(super) fn open(&self, occasion: Occasion) -> Result<Database, StoreError> {
        let disk = (self.reach)(occasion)?;
        let backend = Watched::new(disk.backend, Arc::clone(&self.sync_failed));
        let unusable = |error: io::Error| self.refused(DatabaseError::Storage(error.into()));
        if redb::StorageBackend::len(&backend).map_err(unusable)? == 0
            && !mutant!("empty_made_anew")
        {
            return Err(self.damaged("it is empty"));
        }
        // What a process before this one wrote and did not sync is in the system's memory only, and
        // stays there although a sync failed. From here on what is read is what is on the disk.
        redb::StorageBackend::sync_data(&backend).map_err(unusable)?;
        if !mutant!("memory_believed") {
            (disk.forget)().map_err(unusable)?;
        }
        let mut builder = Builder::new();
        builder.set_check_integrity_on_open(!mutant!("unchecked"));
        if let Some(bytes) = self.cache {
            builder.set_cache_size(bytes);
        }
        let database = builder.create_with_backend(backend).map_err(|error| self.refused(error))?;
        schema::prepare(&database)?;
        Ok(database)
    }

    fn refused(&self, error: DatabaseError) -> StoreError {
        match error {
            DatabaseError::DatabaseAlreadyOpen => StoreError::Unavailable(format!(
                "{} is in use by another process; a file serves one ledger at a time. While the ledger \
                 runs, run a command again with --url http://127.0.0.1:8403 and with LEDGER_ADMIN_TOKEN in \
                 the environment",
                self.name
            )),
            DatabaseError::Storage(StorageError::Corrupted(why)) => self.damaged(&why),
            DatabaseError::Storage(StorageError::Io(error))
                if matches!(
                    error.kind(),
                    io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
                ) =>
            {
                self.damaged(&error.to_string())
            }
            // No ledger ever wrote another format.
            DatabaseError::UpgradeRequired(_) => self.damaged(&error.to_string()),
            other => StoreError::Unavailable(format!("{}: {other}", self.name)),
        }
    }

    fn damaged(&self, why: &str) -> StoreError {
        StoreError::Damaged(format!(
            "{} is not as the ledger wrote it: {why}. Keep a copy of it. Then restore the last backup \
             and run `stripe402-ledger reconcile --repair` (docs/operations.md, Restore). If there \
             never were books in it, remove it: the ledger makes a new one",
            self.name
        ))
    }
}

/// Makes the file whole or not at all, and never in place of another one: its name appears last.
pub(super) fn make(path: &Path) -> Result<(), StoreError> {
    let folder = folder_of(path);
    std::fs::create_dir_all(folder).map_err(|error| cannot("make", folder, &error))?;
    let mut partial = path.as_os_str().to_owned();
    partial.push(".new");
    let partial = Path::new(&partial);
    let database = super::disk::fresh(partial)?;
    schema::prepare(&database)?;
    drop(database);
    match std::fs::hard_link(partial, path) {
        Ok(()) => {}
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(cannot("make", path, &error)),
    }
    std::fs::remove_file(partial).map_err(|error| cannot("remove", partial, &error))?;
    sync_folder(path)
}

/// Until its folder is synced, a power cut may undo a file's name.
pub(super) fn sync_folder(path: &Path) -> Result<(), StoreError> {
    let folder = folder_of(path);
    let synced = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| cannot("sync", folder, &error))
}

fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

pub(super) fn cannot(what: &str, path: &Path, error: &io::Error) -> StoreError {
    StoreError::Unavailable(format!("cannot {what} {}: {error}", path.display()))
}

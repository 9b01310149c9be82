//! The file below redb: one that notices when a sync fails, and can be made to forget what the system
//! remembers of it.

use std::{
    fs::{File, OpenOptions},
    io,
    ops::Bound,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use redb::{BackendError, Builder, Database, StorageBackend, backends::FileBackend};

use super::{
    super::StoreError,
    open::{self, Occasion, cannot},
    schema::failed,
};

/// A file, before redb has it.
pub(super) struct Disk {
    pub(super) backend: Box<dyn StorageBackend>,
    /// From here on it is read from the disk, not from the system's memory.
    pub(super) forget: Box<dyn FnOnce() -> io::Result<()>>,
}

/// Opens the file of this path; makes it if the ledger starts and it is not there.
pub(super) fn reach(path: &Path, occasion: Occasion) -> Result<Disk, StoreError> {
    if occasion == Occasion::Start && !path.exists() {
        open::make(path)?;
    }
    let file = OpenOptions::new().read(true).write(true).open(path);
    let file = file.map_err(|error| cannot("open", path, &error))?;
    let handle = file.try_clone().map_err(|error| cannot("open", path, &error))?;
    let backend = FileBackend::new(file).map_err(failed)?;
    Ok(Disk { backend: Box::new(backend), forget: Box::new(move || forget(&handle)) })
}

/// A new file. Client ids are in it, which are credentials: it is its owner's alone.
pub(super) fn fresh(path: &Path) -> Result<Database, StoreError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(cannot("remove", path, &error));
        }
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600);
    let file = options.open(path).map_err(|error| cannot("make", path, &error))?;
    let backend = FileBackend::new(file).map_err(failed)?;
    Builder::new().create_with_backend(backend).map_err(failed)
}

#[cfg(target_os = "linux")]
fn forget(file: &File) -> io::Result<()> {
    Ok(rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed)?)
}

/// Other systems have no such request, or drop what they could not write by themselves.
#[cfg(not(target_os = "linux"))]
fn forget(_file: &File) -> io::Result<()> {
    Ok(())
}

/// A file that remembers that a sync failed.
#[derive(Debug)]
pub(super) struct Watched {
    inner: Box<dyn StorageBackend>,
    sync_failed: Arc<AtomicBool>,
}

impl Watched {
    pub(super) fn new(inner: Box<dyn StorageBackend>, sync_failed: Arc<AtomicBool>) -> Self {
        Self { inner, sync_failed }
    }
}

type Edge = Bound<u64>;

impl StorageBackend for Watched {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data().inspect_err(|_| self.sync_failed.store(true, Ordering::SeqCst))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.inner.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }

    fn try_lock_range(&self, start: Edge, end: Edge) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Edge, end: Edge) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Edge, end: Edge) -> Result<(), BackendError> {
        self.inner.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Edge, end: Edge) -> Result<(), BackendError> {
        self.inner.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Edge, end: Edge) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Edge, end: Edge) -> Result<bool, BackendError> {
        self.inner.query_lock_range(start, end)
    }
}

//! A copy of the books while they are used. The file itself must not be copied then: what is read
//! of it at different times does not fit together.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use redb::{Database, ReadTransaction, backends::FileBackend};

use super::{super::StoreError, schema};

/// Writes the books as this transaction sees them to a file, in place of the one before: whoever
/// opens it finds a whole copy, at any moment.
///
/// # Errors
/// The disk's.
pub(super) fn write(books: &ReadTransaction, to: &Path) -> Result<(), StoreError> {
    let mut partial = to.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    let backend = FileBackend::new(create(partial)?).map_err(schema::unavailable)?;
    let database = Database::builder().create_with_backend(backend).map_err(schema::unavailable)?;
    schema::prepare(&database)?;
    schema::copy_all(books, &database)?;
    drop(database);
    std::fs::rename(partial, to).map_err(|error| disk(to, &error))?;
    // Until its folder is synced, a power cut may undo a renaming.
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| disk(folder, &error))
}

/// A new file. Client ids are in it, which are credentials: it is its owner's alone.
fn create(path: &Path) -> Result<File, StoreError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(disk(path, &error));
        }
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600);
    options.open(path).map_err(|error| disk(path, &error))
}

fn disk(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unavailable(format!("cannot write {}: {error}", path.display()))
}

//! A copy of the books while they are used. The file itself must not be copied then: what is read
//! of it at different times does not fit together. By a clock and not by a request: a backup holds
//! client ids, which nobody may get over HTTP.

use std::path::Path;

use redb::ReadTransaction;

use super::{super::StoreError, disk, open, schema};

/// Writes the books as this transaction sees them to a file, in place of the one before: whoever
/// opens it finds a whole copy, at any moment.
///
/// # Errors
/// The disk's.
pub(super) fn write(books: &ReadTransaction, to: &Path) -> Result<(), StoreError> {
    let mut partial = to.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    let database = disk::fresh(partial)?;
    schema::prepare(&database)?;
    schema::copy_all(books, &database)?;
    drop(database);
    std::fs::rename(partial, to).map_err(|error| open::cannot("write", to, &error))?;
    open::sync_folder(to)
}

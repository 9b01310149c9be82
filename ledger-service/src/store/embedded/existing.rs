//! Whether there is a ledger's file at a path, found out without making or changing one.

use std::{fs::File, io::Read as _, path::Path, sync::Arc};

use redb::{DatabaseError, ReadOnlyDatabase, StorageError};

use super::{
    super::StoreError,
    Embedded, EmbeddedOptions,
    file::CLOSED,
    open::{Opener, cannot},
    schema,
};
use crate::clock::Clock;

/// What every redb file begins with. Source: redb's docs/design.md.
const MAGIC: [u8; 9] = *b"redb\x1a\x0a\xa9\x0d\x0a";

impl Embedded {
    /// As [`Self::open`], but makes no file.
    ///
    /// # Errors
    /// [`StoreError::Absent`] if there is no file, or it is not a ledger's; it stays as it is. Else as
    /// [`Self::open`].
    pub fn open_existing(
        options: EmbeddedOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        check(&options.path)?;
        let opener = Opener::existing(options.path.clone());
        let (store, turns) = Self::open_by(opener, CLOSED, options, clock)?;
        turns.in_a_thread()?;
        Ok(store)
    }
}

/// Looks at the file of this path.
///
/// # Errors
/// [`StoreError::Absent`] if it is not there or not a ledger's; [`StoreError::Unavailable`] if it
/// cannot be read. What is damaged is for whoever opens it to say.
pub(super) fn check(path: &Path) -> Result<(), StoreError> {
    let shown = path.display();
    let about = match std::fs::metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(absent(format!("there is no ledger file at {shown}")));
        }
        Err(error) => return Err(cannot("read", path, &error)),
    };
    if !about.is_file() {
        return Err(absent(format!("there is no ledger file at {shown}: it is not a file")));
    }
    if about.len() == 0 {
        return Err(absent(format!("there is no ledger file at {shown}: the file is empty")));
    }
    let mut begins = Vec::new();
    let file = File::open(path).map_err(|error| cannot("open", path, &error))?;
    let length = u64::try_from(MAGIC.len()).unwrap_or(u64::MAX);
    let read = file.take(length).read_to_end(&mut begins);
    read.map_err(|error| cannot("read", path, &error))?;
    if begins != MAGIC || !may_be_ours(path)? {
        return Err(absent(format!(
            "there is no ledger file at {shown}: the file is of another kind"
        )));
    }
    Ok(())
}

/// Whether a database of redb's is a ledger's, or cannot be read as it is: in use, after a crash, or
/// damaged.
fn may_be_ours(path: &Path) -> Result<bool, StoreError> {
    match ReadOnlyDatabase::open(path) {
        Ok(database) => schema::is_ours(&database).or(Ok(true)),
        Err(DatabaseError::Storage(StorageError::Io(error)))
            if error.kind() == std::io::ErrorKind::PermissionDenied =>
        {
            Err(cannot("open", path, &error))
        }
        Err(_) => Ok(true),
    }
}

fn absent(what: String) -> StoreError {
    StoreError::Absent(format!(
        "{what}. Check --store (LEDGER_STORE); only `serve` and `import` make a file"
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use redb::{Database, TableDefinition};

    use super::{super::open, *};

    #[test]
    fn only_a_ledgers_own_file_is_taken_for_one() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("own.redb");
        open::make(&own).unwrap();
        check(&own).unwrap();
        // Another program's database, which would get our tables.
        let other = dir.path().join("other.redb");
        let database = Database::create(&other).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(TableDefinition::<&str, u64>::new("theirs")).unwrap();
        transaction.commit().unwrap();
        drop(database);
        let before = std::fs::read(&other).unwrap();
        let said = check(&other).unwrap_err();
        assert!(
            matches!(&said, StoreError::Absent(_)) && said.to_string().contains("another kind")
        );
        assert_eq!(std::fs::read(&other).unwrap(), before, "it was written to");
        // One that is in use may be ours: opening it says so.
        let _in_use = Database::open(&other).unwrap();
        check(&other).unwrap();
        // A mode of 0 stops everybody but root.
        std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o000)).unwrap();
        assert!(!matches!(check(&own), Err(StoreError::Absent(_))));
    }
}

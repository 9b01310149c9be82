//! Kept in a file that only its owner can read, and that programs can share.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use stripe402_protocol::hex;

use super::{
    Storage, StorageError, Turn,
    lock::{Lock, Watch},
};
use crate::Purse;

/// How often it is looked whether another program has read and written the file.
const POLL: Duration = Duration::from_millis(2);

/// A purse as JSON in a file of mode 0600, replaced whole by each change and safe on disk before
/// the change counts. Beside it lie small files while a program changes it, or pays. Programs in Rust, Node and
/// Python can share it.
#[derive(Clone, Debug)]
pub struct File {
    path: PathBuf,
    watch: Arc<Watch>,
}

impl File {
    /// The file is made with the first change, its folder too. A symbolic link stays one: what it leads to is
    /// changed.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        // One that leads nowhere yet is as good as none.
        Self { path: fs::canonicalize(&path).unwrap_or(path), watch: Arc::default() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn folder(&self) -> &Path {
        self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    fn beside(&self, end: &str) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(end);
        self.folder().join(name)
    }

    /// A lock beside the file; `None` while another program has it.
    fn try_lock(&self, end: &str) -> Result<Option<Lock>, StorageError> {
        let folder = self.folder();
        fs::create_dir_all(folder).map_err(|error| failed("make", folder, error))?;
        let path = self.beside(end);
        let taken =
            Lock::try_take(&path, &self.watch).and_then(|lock| lock.map(Lock::keep).transpose());
        taken.map_err(|error| failed("lock", &path, error))
    }

    fn read(&self) -> Result<Purse, StorageError> {
        match fs::read(&self.path) {
            Ok(bytes) => parse(&bytes).map_err(|cause| StorageError {
                what: format!(
                    "{} is not a credentials file of stripe402: name another file",
                    self.path.display()
                ),
                cause,
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Purse::default()),
            Err(error) => Err(failed("read", &self.path, error)),
        }
    }

    fn write(&self, purse: &Purse, lock: &Lock) -> Result<(), StorageError> {
        let json = serde_json::to_vec_pretty(purse).map_err(|error| StorageError {
            what: "cannot write a purse as JSON".to_owned(),
            cause: error.into(),
        })?;
        let cannot = |error: io::Error| failed("write", &self.path, error);
        // Made with mode 0600, and in the same folder, so that it can take the old one's place.
        let mut new = tempfile::NamedTempFile::new_in(self.folder()).map_err(cannot)?;
        new.write_all(&json).and_then(|()| new.as_file().sync_all()).map_err(cannot)?;
        if !lock.is_held() {
            // It was suspended here, or its disk was: another program has changed the file meanwhile.
            let lost = io::Error::other("this program was suspended for too long: try again");
            return Err(cannot(lost));
        }
        new.persist(&self.path).map_err(|error| cannot(error.error))?;
        // The name, too, must survive a power cut: it may hold a charge that is under way.
        fs::File::open(self.folder()).and_then(|folder| folder.sync_all()).map_err(cannot)
    }
}

fn parse(bytes: &[u8]) -> Result<Purse, Box<dyn std::error::Error + Send + Sync>> {
    // serde would read an array as a struct, field by field.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err("it holds no JSON object".into());
    }
    Ok(serde_json::from_slice(bytes)?)
}

/// Only its owner may read it.
#[cfg(unix)]
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600)
}

#[cfg(not(unix))]
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

fn failed(verb: &str, path: &Path, error: io::Error) -> StorageError {
    StorageError { what: format!("cannot {verb} {}", path.display()), cause: error.into() }
}

impl Storage for File {
    fn change(&self, change: &mut dyn FnMut(&mut Purse)) -> Result<(), StorageError> {
        let lock = loop {
            match self.try_lock(".lock")? {
                Some(lock) => break lock,
                None => std::thread::sleep(POLL),
            }
        };
        let before = self.read()?;
        let mut after = before.clone();
        change(&mut after);
        if after == before { Ok(()) } else { self.write(&after, &lock) }
    }

    fn try_turn(&self, origin: &str) -> Result<Option<Turn>, StorageError> {
        let lock = self.try_lock(&format!(".{}.turn", file_name(origin)))?;
        let Some(lock) = lock else { return Ok(None) };
        Ok(Some(Box::new(lock)))
    }
}

/// An origin as part of a file's name. No two share one: a server could hold up another's payments. Beyond 180
/// characters they would only wait for each other.
fn file_name(origin: &str) -> String {
    let mut name = String::new();
    for byte in origin.bytes() {
        if byte.is_ascii_alphanumeric() {
            name.push(char::from(byte));
        } else {
            name.push('-');
            name.push_str(&hex::to_string(&[byte]));
        }
    }
    name.chars().take(180).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn bind(file: &File, name: &str) {
        file.change(&mut |purse| {
            purse.bound.insert(crate::Secret::new(name), String::new());
        })
        .unwrap();
    }

    #[test]
    fn only_the_owner_can_read_it_and_it_is_never_half_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::new(dir.path().join("new/folder/credentials.json"));
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let file = &file;
                scope.spawn(move || {
                    for number in 0..10 {
                        bind(file, &format!("{writer}-{number}"));
                    }
                });
            }
            for _ in 0..50 {
                file.read().unwrap();
            }
        });
        assert_eq!(file.read().unwrap().bound.len(), 40, "no change is lost");
        for entry in fs::read_dir(file.folder()).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", entry.path().display());
        }
    }

    #[test]
    fn one_that_was_open_to_others_is_closed_with_the_next_change() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::new(dir.path().join("credentials.json"));
        bind(&file, "one");
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).unwrap();
        bind(&file, "two");
        assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_link_stays_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let [target, link] = ["kept.json", "credentials.json"].map(|name| dir.path().join(name));
        bind(&File::new(&target), "one");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        bind(&File::new(&link), "two");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(File::new(&target).read().unwrap().bound.len(), 2);
    }

    #[test]
    fn what_is_no_purse_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::new(dir.path().join("credentials.json"));
        for other in ["my novel", "[]", "", r#"{"origins": 7}"#] {
            fs::write(file.path(), other).unwrap();
            let error = file.change(&mut |_| panic!("nothing to change")).unwrap_err();
            assert!(error.to_string().contains("is not a credentials file"), "{other}: {error}");
            assert!(std::error::Error::source(&error).is_some(), "{other}");
            assert_eq!(fs::read(file.path()).unwrap(), other.as_bytes());
        }
    }

    /// A program that was suspended while it changed the file, until another took the lock away.
    #[test]
    fn who_lost_the_lock_undoes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::new(dir.path().join("credentials.json"));
        let suspended = file.change(&mut |purse| {
            fs::remove_file(file.beside(".lock")).unwrap();
            bind(&file, "of another");
            purse.bound.insert(crate::Secret::new("of the first"), String::new());
        });
        assert!(suspended.unwrap_err().cause.to_string().contains("suspended for too long"));
        assert_eq!(file.read().unwrap().bound.len(), 1);
        bind(&file, "once more");
        assert_eq!(file.read().unwrap().bound.len(), 2);
    }

    #[test]
    fn no_two_origins_share_a_turn() {
        let names = ["http://a-b.example", "http://a.b.example", "http://a-2db.example"];
        assert_eq!(file_name(names[1]), "http-3a-2f-2fa-2eb-2eexample");
        let unique: std::collections::BTreeSet<_> = names.into_iter().map(file_name).collect();
        assert_eq!(unique.len(), names.len());
    }

    #[test]
    fn a_turn_is_one_at_a_time_and_per_origin() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::new(dir.path().join("credentials.json"));
        let memory = super::super::Memory::default();
        let places: [&dyn Storage; 2] = [&file, &memory];
        for place in places {
            let one = place.try_turn("https://a.example").unwrap().unwrap();
            assert!(place.try_turn("https://a.example").unwrap().is_none());
            assert!(place.try_turn("https://b.example").unwrap().is_some());
            drop(one);
            assert!(place.try_turn("https://a.example").unwrap().is_some());
        }
    }
}

//! A lock among programs, in Rust, Node and Python alike: a file that exists while somebody holds it.
//!
//! Node has no locks of the operating system. So the holder makes a file that nobody else can make
//! meanwhile, and dates it anew once a second; where somebody waits for five seconds and sees no new date, the
//! holder has died, and the lock is taken away. Clocks are not compared: disks have their own. A holder that was
//! suspended for so long asks [`Lock::is_held`] before it writes. `client/js/src/lock.ts` does the same.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use stripe402_protocol::hex;

/// How often a holder dates it anew.
const BEAT: Duration = Duration::from_secs(1);
/// Whose date stays the same for so long holds it no more.
const ABANDONED: Duration = Duration::from_secs(5);

/// A lock that is held until this is dropped.
pub(super) struct Lock {
    path: PathBuf,
    file: File,
    token: String,
    /// Ends the beats when it is dropped.
    beats: Option<Sender<()>>,
}

/// The dates of others' locks, and since when each was seen so.
#[derive(Debug, Default)]
pub(super) struct Watch(Mutex<BTreeMap<PathBuf, (SystemTime, Instant)>>);

impl Watch {
    /// Whether nobody has dated this lock anew for so long as it was looked at.
    fn is_abandoned(&self, path: &Path) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Of a link itself: one that leads nowhere cannot be made anew either.
        let Ok(date) = fs::symlink_metadata(path).and_then(|found| found.modified()) else {
            seen.remove(path);
            return false;
        };
        match seen.get(path) {
            Some((same, since)) if *same == date => since.elapsed() > ABANDONED,
            _ => {
                seen.insert(path.to_owned(), (date, Instant::now()));
                false
            }
        }
    }
}

impl Lock {
    /// Takes it; `None` while another holds it, or until it was watched for long enough.
    pub(super) fn try_take(path: &Path, watch: &Watch) -> io::Result<Option<Self>> {
        if let Some(lock) = Self::make(path)? {
            return Ok(Some(lock));
        }
        if !watch.is_abandoned(path) {
            return Ok(None);
        }
        // One at a time looks again and takes it away: else a slow one would remove its successor's.
        let by = beside(path, ".break");
        let Some(breaks) = Self::make(&by)? else {
            if watch.is_abandoned(&by) {
                gone(fs::remove_file(&by))?;
            }
            return Ok(None);
        };
        if watch.is_abandoned(path) {
            gone(fs::remove_file(path))?;
        }
        drop(breaks);
        Self::make(path)
    }

    /// Dates it anew once a second, until it is dropped.
    pub(super) fn keep(mut self) -> io::Result<Self> {
        let file = self.file.try_clone()?;
        let (beats, ended) = mpsc::channel::<()>();
        thread::Builder::new().name("stripe402-turn".to_owned()).spawn(move || {
            while ended.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                // Where it fails, others take the lock for abandoned, as they would without us.
                let _kept = file.set_modified(now());
            }
        })?;
        self.beats = Some(beats);
        Ok(self)
    }

    /// Whether it is still this holder's: it was not suspended until others took it away.
    pub(super) fn is_held(&self) -> bool {
        fs::read(&self.path).is_ok_and(|found| found == self.token.as_bytes())
    }

    fn make(path: &Path) -> io::Result<Option<Self>> {
        let mut options = OpenOptions::new();
        options.create_new(true).write(true);
        let mut file = match super::file::private(&mut options).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let token = hex::to_string(&random);
        file.write_all(token.as_bytes())?;
        Ok(Some(Self { path: path.to_owned(), file, token, beats: None }))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        drop(self.beats.take());
        // Whoever was suspended for long has lost it, and leaves its successor's alone.
        if self.is_held() {
            let _removed = fs::remove_file(&self.path);
        }
    }
}

/// What files are dated by.
#[expect(
    clippy::disallowed_methods,
    reason = "the age of a file is told by the system's clock alone"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// Another has removed it: that is as good.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later() {
        thread::sleep(ABANDONED.saturating_add(Duration::from_millis(100)));
    }

    #[test]
    fn one_holds_it_and_who_died_holds_it_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let (path, watch) = (dir.path().join("lock"), Watch::default());
        let dead = Lock::try_take(&path, &watch).unwrap().unwrap();
        // A disk's clock that is wrong.
        dead.file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert!(Lock::try_take(&path, &watch).unwrap().is_none());
        assert!(Lock::try_take(&path, &watch).unwrap().is_none(), "it may be slow");
        later();
        let next = Lock::try_take(&path, &watch).unwrap().unwrap();
        assert!(next.is_held() && !dead.is_held());
        drop(dead);
        assert!(next.is_held(), "who lost it leaves it to the next");
        drop(next);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn one_that_is_kept_is_not_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        let (path, watch) = (dir.path().join("lock"), Watch::default());
        let kept = Lock::try_take(&path, &watch).unwrap().unwrap().keep().unwrap();
        assert!(Lock::try_take(&path, &watch).unwrap().is_none());
        later();
        assert!(Lock::try_take(&path, &watch).unwrap().is_none());
        drop(kept);
        assert!(Lock::try_take(&path, &watch).unwrap().is_some());
    }

    /// A program that died while it took an abandoned lock away holds nobody up either; nor does a link that
    /// leads nowhere.
    #[test]
    fn the_right_to_take_it_away_is_abandoned_too() {
        let dir = tempfile::tempdir().unwrap();
        let (path, watch) = (dir.path().join("lock"), Watch::default());
        std::os::unix::fs::symlink(dir.path().join("nowhere"), &path).unwrap();
        fs::write(beside(&path, ".break"), "of another").unwrap();
        for _ in 0..2 {
            assert!(Lock::try_take(&path, &watch).unwrap().is_none());
            later();
        }
        assert!(Lock::try_take(&path, &watch).unwrap().is_none(), "the first removes it");
        assert!(Lock::try_take(&path, &watch).unwrap().is_some());
    }

    #[test]
    fn of_many_that_take_it_one_at_a_time_does() {
        let dir = tempfile::tempdir().unwrap();
        let (path, watch) = (dir.path().join("lock"), Watch::default());
        let inside = std::sync::atomic::AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut taken = 0;
                    while taken < 50 {
                        let Some(_lock) = Lock::try_take(&path, &watch).unwrap() else {
                            thread::yield_now();
                            continue;
                        };
                        taken += 1;
                        let others = inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        assert_eq!(others, 0);
                        inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                    }
                });
            }
        });
    }
}

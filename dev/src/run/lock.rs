//! One `make run` per folder of state.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt as _;

use super::port_check::next_free;
use super::settings::Settings;
use crate::{Error, Result};

/// Holds the folder of state until it is dropped; else says what to type instead, before anything
/// of the other run's is touched.
pub(super) fn state(settings: &Settings) -> Result<File> {
    let dir = &settings.state_dir;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(Error::io(format!("cannot make {}", dir.display())))?;
    let path = dir.join("lock");
    let failed = || Error::io(format!("cannot lock {}", path.display()));
    let file = File::create(&path).map_err(failed())?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::Error(error)) => Err(failed()(error)),
        Err(TryLockError::WouldBlock) => Err(in_use(settings)?),
    }
}

fn in_use(settings: &Settings) -> Result<Error> {
    let mut taken: BTreeSet<u16> = settings.ports().iter().map(|port| port.number).collect();
    let mut instead = vec!["STATE_DIR=.run2".to_owned()];
    for port in settings.ports() {
        instead.push(format!("{}={}", port.variable, next_free(port.number, &mut taken)?));
    }
    Ok(Error::Invalid(format!(
        "{} is in use by another make run. A second one needs state and ports of its own:\n\n  {} make run",
        settings.state_dir.display(),
        instead.join(" ")
    )))
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_second_run_is_told_what_to_type() {
        let dir = tempfile::tempdir().unwrap();
        let find = |name: &str| (name == "STATE_DIR").then(|| dir.path().display().to_string());
        let settings = Settings::from_environment(find).unwrap();
        let first = state(&settings).unwrap();
        let refused = state(&settings).unwrap_err().to_string();
        assert!(refused.contains("is in use by another make run"), "{refused}");
        assert!(refused.contains("STATE_DIR=.run2 GATEWAY_PORT=100"), "{refused}");
        drop(first);
        // A process that another test starts has the file, too, until it runs its program.
        let until = Instant::now() + Duration::from_secs(10);
        while let Err(error) = state(&settings) {
            assert!(Instant::now() < until, "{error}");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

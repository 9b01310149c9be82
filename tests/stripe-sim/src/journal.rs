//! The journal: one JSON line for each completed write, replayed at start.
//!
//! A line is appended by one `write`, so a killed process leaves at most its last line unfinished;
//! such a line is cut off, as its call was never answered.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::world::{Record, World};

/// The journal's name in the state directory.
const FILE_NAME: &str = "stripe-sim.jsonl";

/// What one call has changed.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    records: Vec<Record>,
}

#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
}

impl Journal {
    /// Opens the journal in `dir`, and replays it into `world`.
    pub(crate) fn open(dir: &Path, world: &mut World) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let path = dir.join(FILE_NAME);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let whole = text.rfind('\n').map_or(0, |at| at.saturating_add(1));
        for line in text.get(..whole).unwrap_or_default().lines() {
            let entry: Entry = serde_json::from_str(line)?;
            entry.records.into_iter().for_each(|record| world.restore(record));
        }
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        file.set_len(u64::try_from(whole).unwrap_or_default())?;
        Ok(Self { file })
    }

    /// Appends what one call has changed.
    pub(crate) fn append(&mut self, records: Vec<Record>) -> io::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let mut line = serde_json::to_vec(&Entry { records })?;
        line.push(b'\n');
        self.file.write_all(&line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::KnownCvc;

    fn cvc(number: &str) -> Record {
        Record::KnownCvc(KnownCvc { number: number.to_owned(), cvc: "123".to_owned() })
    }

    #[test]
    fn an_unfinished_last_line_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(dir.path(), &mut World::default()).unwrap();
        journal.append(vec![cvc("1")]).unwrap();
        journal.append(vec![cvc("2")]).unwrap();
        let path = dir.path().join(FILE_NAME);
        let len = std::fs::metadata(&path).unwrap().len();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(len - 5).unwrap();

        let mut world = World::default();
        let mut journal = Journal::open(dir.path(), &mut world).unwrap();
        assert!(world.known_cvcs.get("1").is_some() && world.known_cvcs.get("2").is_none());
        journal.append(vec![cvc("3")]).unwrap();

        let mut world = World::default();
        Journal::open(dir.path(), &mut world).unwrap();
        assert!(world.known_cvcs.get("3").is_some());
    }
}

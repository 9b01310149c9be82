//! A disk with a memory of what was not synced, that fails as it is told.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use redb::{Builder, StorageBackend};

use crate::store::{
    conformance::random::Dice,
    embedded::{disk::Disk, open::Opener, schema},
};

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// How it fails, from some operation on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Fault {
    /// No byte can be written.
    Full,
    /// The file cannot grow; what it has can be written.
    NoGrowth,
    /// Writes fail, some halfway.
    Writes,
    Reads,
    /// What was to be synced is on the disk in part, and the system forgets that it is not.
    Syncs,
    /// Power is cut.
    Cut,
    /// The process is killed.
    Kill,
}

enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

pub(in super::super) struct Media {
    /// What the system shows: pages in memory, most of them written.
    shown: Vec<u8>,
    /// What is there when power comes back.
    platter: Vec<u8>,
    /// Shown and not known to be on the platter, in order.
    unsynced: Vec<Change>,
    /// After so many operations this happens.
    fault: Option<(Fault, u64)>,
    /// Handles of processes that are dead do nothing.
    process: u64,
    pub(super) syncs_failed: u64,
    /// What happened, as a number: the same seed, the same number.
    pub(in super::super) trace: u64,
    dice: Dice,
}

#[derive(Clone)]
pub(in super::super) struct Shared(Arc<Mutex<Media>>);

impl Shared {
    /// With an empty ledger on it. A file's name appears once it is whole: no process ever sees a
    /// part of it.
    pub(in super::super) fn new(seed: u64) -> Self {
        let media = Self::empty(seed);
        let made = Builder::new().create_with_backend(media.handle()).unwrap();
        schema::prepare(&made).unwrap();
        media
    }

    /// How a store opens it, with so large a cache.
    pub(in super::super) fn opener(&self, cache: Option<usize>) -> Opener {
        let media = self.clone();
        let reach = move |_| {
            let forget = media.clone();
            let forget = move || {
                forget.lock().forget_shown();
                Ok(())
            };
            Ok(Disk { backend: Box::new(media.handle()), forget: Box::new(forget) })
        };
        Opener::new("ledger.redb".to_owned(), cache, Box::new(reach))
    }

    fn empty(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Media {
            shown: Vec::new(),
            platter: Vec::new(),
            unsynced: Vec::new(),
            fault: None,
            process: 0,
            syncs_failed: 0,
            trace: 0,
            dice: Dice::new(seed),
        })))
    }

    pub(in super::super) fn lock(&self) -> MutexGuard<'_, Media> {
        self.0.lock().unwrap()
    }

    /// For this process.
    pub(super) fn handle(&self) -> Handle {
        Handle { media: self.clone(), process: self.lock().process }
    }
}

impl Media {
    /// From now on, after so many operations.
    pub(in super::super) fn fail(&mut self, fault: Fault, after: u64) {
        self.fault = Some((fault, after));
    }

    pub(in super::super) fn mend(&mut self) {
        self.fault = None;
    }

    pub(super) fn is_off(&self) -> bool {
        matches!(self.fault, Some((Fault::Cut | Fault::Kill, 0)))
    }

    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault.map(|(fault, _)| fault)
    }

    /// Another process begins, on what a power cut has left, or on what the system shows.
    pub(in super::super) fn restart(&mut self) {
        self.fault = None;
        self.process += 1;
        self.syncs_failed = 0;
    }

    /// Some sectors of what was not synced are on the platter, each in one of its versions.
    pub(super) fn cut(&mut self) {
        self.settle();
        self.shown = self.platter.clone();
    }

    fn settle(&mut self) {
        let chance = [0, 10, 50, 90, 100][self.dice.throw(5) as usize];
        for change in std::mem::take(&mut self.unsynced) {
            match change {
                Change::Length(length) => {
                    if self.dice.throw(100) < chance {
                        self.platter.resize(length, 0);
                    }
                }
                Change::Write(offset, data) => {
                    for (at, sector) in data.chunks(SECTOR).enumerate() {
                        if self.dice.throw(100) < chance {
                            put(&mut self.platter, offset + at * SECTOR, sector);
                        }
                    }
                }
            }
        }
    }

    /// What is read from now on is on the disk.
    pub(super) fn forget_shown(&mut self) {
        assert!(self.unsynced.is_empty(), "forgotten before it was synced");
        self.shown = self.platter.clone();
    }

    /// The file of a process that has ended in order, and can be changed now.
    pub(super) fn at_rest(&mut self) -> &mut Vec<u8> {
        self.cut();
        self.shown.clear();
        &mut self.platter
    }

    /// After [`Media::at_rest`].
    pub(super) fn show(&mut self) {
        self.shown = self.platter.clone();
    }

    /// Bytes that are not what was written, where nobody notices yet. How many places there were.
    pub(in super::super) fn replace(&mut self, what: &[u8], by: &[u8]) -> usize {
        assert_eq!(what.len(), by.len());
        let places = 0..self.shown.len().saturating_sub(what.len());
        let places: Vec<_> = places.filter(|at| self.shown[*at..].starts_with(what)).collect();
        for at in &places {
            put(&mut self.shown, *at, by);
        }
        places.len()
    }

    /// What of a failure is due now.
    fn due(&mut self, operation: u64) -> Option<Fault> {
        self.trace = self.trace.rotate_left(5).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ operation;
        match &mut self.fault {
            Some((fault, 0)) => Some(*fault),
            Some((_, after)) => {
                *after -= 1;
                if let Some((fault @ (Fault::Cut | Fault::Kill), 0)) = self.fault {
                    if fault == Fault::Cut {
                        self.cut();
                    }
                    return Some(fault);
                }
                None
            }
            None => None,
        }
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    if bytes.len() < offset + data.len() {
        bytes.resize(offset + data.len(), 0);
    }
    bytes[offset..offset + data.len()].copy_from_slice(data);
}

/// The disk, as one process has it open.
pub(super) struct Handle {
    media: Shared,
    process: u64,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Handle({})", self.process)
    }
}

fn broken() -> io::Error {
    io::Error::other("Input/output error")
}

impl Handle {
    fn media(&self, operation: u64) -> io::Result<(MutexGuard<'_, Media>, Option<Fault>)> {
        let mut media = self.media.lock();
        if media.process != self.process {
            return Err(broken());
        }
        match media.due(operation) {
            Some(Fault::Cut | Fault::Kill) => Err(broken()),
            fault => Ok((media, fault)),
        }
    }
}

impl StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        Ok(self.media(1)?.0.shown.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let (media, fault) = self.media(2 + offset)?;
        if fault == Some(Fault::Reads) {
            return Err(broken());
        }
        let offset = offset as usize;
        let read = media.shown.get(offset..offset + out.len());
        out.copy_from_slice(read.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let (mut media, fault) = self.media(3 + len)?;
        let len = len as usize;
        let grows = len > media.shown.len();
        match fault {
            Some(Fault::Full | Fault::NoGrowth) if grows => Err(io::ErrorKind::StorageFull.into()),
            Some(Fault::Writes) => Err(broken()),
            _ => {
                media.shown.resize(len, 0);
                media.unsynced.push(Change::Length(len));
                Ok(())
            }
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        let (mut media, fault) = self.media(4)?;
        if fault == Some(Fault::Syncs) {
            media.syncs_failed += 1;
            media.settle();
            return Err(broken());
        }
        for change in std::mem::take(&mut media.unsynced) {
            match change {
                Change::Length(length) => media.platter.resize(length, 0),
                Change::Write(offset, data) => put(&mut media.platter, offset, &data),
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let (mut media, fault) = self.media(5 + offset)?;
        let offset = offset as usize;
        match fault {
            Some(Fault::Full) => return Err(io::ErrorKind::StorageFull.into()),
            Some(Fault::NoGrowth) if offset + data.len() > media.shown.len() => {
                return Err(io::ErrorKind::StorageFull.into());
            }
            _ => {}
        }
        let fails = fault == Some(Fault::Writes);
        let written =
            if fails { media.dice.throw(data.len() as u64 + 1) as usize } else { data.len() };
        let data = &data[..written];
        put(&mut media.shown, offset, data);
        media.unsynced.push(Change::Write(offset, data.to_vec()));
        if fails { Err(broken()) } else { Ok(()) }
    }
}

//! What is kept for a time only, and goes by itself: single deductions, and counts of limits; and, in
//! `uncharged.rs`, what cards leave that were never charged.
//!
//! Each commit sweeps, and each removes at least as many deductions as it adds, so that the table never
//! outgrows what is to be remembered. None removes so many that its callers wait for it.

use std::time::Duration;

use redb::ReadableTable;
use stripe402_protocol::DeductionId;

use super::{super::super::StoreError, TableBook, schema, schema::failed};
use crate::accounting::Limit;

/// A commit removes as many deductions as it adds, times this: what was left by busier hours goes, too.
const FOR_EACH_NEW: usize = 2;
/// A commit may remove so many, however few it adds.
const AT_LEAST: usize = 256;
/// No commit removes more than this, unless it adds more.
const AT_MOST: usize = 8_192;
/// How many counts go with each that is written.
const COUNTS: usize = 64;

/// How far the sweep of a commit is.
#[derive(Debug, Default)]
pub(in super::super) struct Swept {
    first_remembered: Option<DeductionId>,
    new: usize,
    /// Top-ups that ended without a charge up to then are forgotten.
    pub(super) uncharged_until: Option<u64>,
    pub(super) new_uncharged: usize,
}

impl Swept {
    /// Whether a deduction counts as gone, though its record may not have been swept out yet.
    pub(super) fn is_forgotten(&self, id: &DeductionId) -> bool {
        self.first_remembered.as_ref().is_some_and(|first| id < first)
    }

    pub(super) const fn count_new(&mut self) {
        self.new = self.new.saturating_add(1);
    }

    /// How many may go with so many new ones.
    fn allowance(&self) -> usize {
        let wanted = self.new.saturating_mul(FOR_EACH_NEW).clamp(AT_LEAST, AT_MOST);
        wanted.max(self.new)
    }
}

impl TableBook<'_> {
    /// From now on deductions before this one are forgotten; their sums stay.
    pub(in super::super) fn remember_from(&mut self, first: DeductionId) {
        self.swept.first_remembered = self.swept.first_remembered.max(Some(first));
    }

    /// Removes some of what is forgotten.
    pub(in super::super) fn sweep(&mut self) -> Result<(), StoreError> {
        self.sweep_deductions()?;
        self.sweep_uncharged()
    }

    fn sweep_deductions(&mut self) -> Result<(), StoreError> {
        let Some(first) = self.swept.first_remembered else { return Ok(()) };
        let forgotten = self
            .deductions
            .range::<&[u8; 16]>(..first.as_bytes())
            .map_err(failed)?
            .take(self.swept.allowance())
            .map(|row| row.map(|(id, _)| *id.value()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(failed)?;
        for id in forgotten {
            let removed = self.deductions.remove(&id).map(drop).map_err(failed);
            self.wrote(removed)?;
        }
        Ok(())
    }

    /// Counts an event if the limit has room for it.
    pub(in super::super) fn count_within(
        &mut self,
        limit: &Limit,
        now_ms: u64,
    ) -> Result<Option<Duration>, StoreError> {
        let counts = schema::counts(&self.counts, limit, now_ms)?;
        let wait = limit.wait(&counts, now_ms);
        if wait.is_none() {
            let current = limit.piece_at(now_ms);
            let known = counts.iter().find(|(piece, _)| *piece == current);
            let next = known.map_or(1, |(_, count)| count.saturating_add(1));
            let set = self.counts.insert((current, limit.name.as_str()), next);
            let set = set.map(drop).map_err(failed);
            self.wrote(set)?;
            self.forget_counts_before(limit.since(now_ms))?;
        }
        Ok(wait)
    }

    fn forget_counts_before(&mut self, first: u64) -> Result<(), StoreError> {
        let forgotten = self
            .counts
            .range(..(first, ""))
            .map_err(failed)?
            .take(COUNTS)
            .map(|row| row.map(|(key, _)| (key.value().0, key.value().1.to_owned())))
            .collect::<Result<Vec<_>, _>>()
            .map_err(failed)?;
        for (piece, name) in forgotten {
            let removed = self.counts.remove((piece, name.as_str())).map(drop).map_err(failed);
            self.wrote(removed)?;
        }
        Ok(())
    }
}

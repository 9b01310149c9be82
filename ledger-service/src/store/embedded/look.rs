//! What operators look at: through whole tables, in a snapshot. A record that is damaged is logged
//! and left out: the others are still to be seen.

use std::{
    collections::{BTreeMap, BinaryHeap},
    ops::Bound,
};

use redb::{ReadOnlyTable, ReadableTable};
use stripe402_protocol::Currency;
use uuid::Uuid;

use super::{
    super::{StoreError, Tally, scan::newest},
    damage::{damaged, shown_bytes},
    read::{Snapshot, usable},
    schema::{self, AUDIT, MOVEMENTS, TALLIES, TOP_UPS, account_key, failed, from_json},
};
use crate::accounting::{AccountKey, AuditEntry, AuditKey, Kind, Movement, TopUp, TopUpId};

/// Client and currency at the beginning of a key.
const ACCOUNT_BYTES: usize = 35;

impl Snapshot {
    pub(super) fn recent_top_ups(&self, most: usize) -> Result<Vec<TopUp>, StoreError> {
        let top_ups = self.0.open_table(TOP_UPS).map_err(failed)?;
        let mut found = Vec::new();
        for row in top_ups.iter().map_err(failed)? {
            let (id, record) = row.map_err(failed)?;
            let id = TopUpId(Uuid::from_bytes(*id.value()));
            found.extend(usable(schema::read_top_up(&id, record.value()))?);
            if found.len() >= most.saturating_mul(2).max(256) {
                found = newest(found.into_iter(), most);
            }
        }
        Ok(newest(found.into_iter(), most))
    }

    pub(super) fn latest_movements(
        &self,
        kinds: &[Kind],
        most: usize,
    ) -> Result<Vec<(AccountKey, Movement)>, StoreError> {
        let movements = self.0.open_table(MOVEMENTS).map_err(failed)?;
        // The newest so far, the oldest of them on top.
        let mut newest = BinaryHeap::new();
        for (place, row) in movements.iter().map_err(failed)?.enumerate() {
            let (key, record) = row.map_err(failed)?;
            let (account, sequence) = key.value();
            let Some(key) = usable(account_key(&MOVEMENTS, account))? else { continue };
            let movement = usable(schema::read_movement(&key, sequence, record.value()))?;
            if let Some(movement) = movement.filter(|of| kinds.contains(&of.posting.kind)) {
                newest.push(std::cmp::Reverse(Dated(movement.at_ms, place, key, movement)));
                if newest.len() > most {
                    newest.pop();
                }
            }
        }
        let sorted = newest.into_sorted_vec().into_iter();
        Ok(sorted.map(|std::cmp::Reverse(Dated(_, _, key, movement))| (key, movement)).collect())
    }

    pub(super) fn revenue(&self, since_hour: u64) -> Result<Vec<(Currency, Tally)>, StoreError> {
        let tallies: ReadOnlyTable<&[u8], (i64, i64)> =
            self.0.open_table(TALLIES).map_err(failed)?;
        let mut sums = BTreeMap::new();
        for row in tallies.iter().map_err(failed)? {
            let (bytes, own) = row.map_err(failed)?;
            let parts =
                bytes.value().split_at_checked(ACCOUNT_BYTES).and_then(|(account, rest)| {
                    let (hour, route) = rest.split_first_chunk::<8>()?;
                    Some((account, u64::from_be_bytes(*hour), route))
                });
            let no_hour = || damaged(&TALLIES, &shown_bytes(bytes.value()), "it has no hour");
            let Some((account, hour, route)) = usable(parts.ok_or_else(no_hour))? else { continue };
            if hour < since_hour {
                continue;
            }
            let Some(AccountKey { currency, .. }) = usable(account_key(&TALLIES, account))? else {
                continue;
            };
            let route = String::from_utf8_lossy(route).into_owned();
            super::super::scan::add(&mut sums, currency, hour, route, own.value())?;
        }
        Ok(super::super::scan::listed(sums))
    }

    pub(super) fn audit(
        &self,
        before: Option<AuditKey>,
        most: usize,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let audit = self.0.open_table(AUDIT).map_err(failed)?;
        let end = before.as_ref().map_or(Bound::Unbounded, |key| {
            Bound::Excluded((key.at_ms, key.action.as_bytes(), key.ended))
        });
        let rows = audit.range((Bound::Unbounded, end)).map_err(failed)?;
        let mut found = Vec::new();
        for row in rows.rev() {
            if found.len() == most {
                break;
            }
            let (key, record) = row.map_err(failed)?;
            let at_ms = key.value().0;
            let damaged = |why: String| damaged(&AUDIT, &format!("of {at_ms}"), &why);
            found.extend(usable(from_json(record.value()).map_err(damaged))?);
        }
        Ok(found)
    }
}

/// A movement by its time, and by its place in the table where times are the same.
struct Dated(u64, usize, AccountKey, Movement);

impl PartialEq for Dated {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}

impl Eq for Dated {}

impl PartialOrd for Dated {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Dated {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

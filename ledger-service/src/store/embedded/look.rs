//! What operators look at: through whole tables, in a snapshot. A record that is damaged is logged
//! and left out: the others are still to be seen.

use std::collections::BTreeMap;

use redb::{ReadOnlyTable, ReadableTable};
use stripe402_protocol::Currency;
use uuid::Uuid;

use super::{
    super::{AuditPage, MovementPage, Placed as _, StoreError, Tally, TopUpPage},
    damage::{damaged, shown_bytes},
    encoding::{account_key, from_json, reference_bytes},
    read::{Snapshot, usable},
    schema::{
        self, AUDIT, MOVEMENTS, MOVEMENTS_BY_TIME, TALLIES, TOP_UPS, TOP_UPS_BY_TIME, failed,
    },
};
use crate::accounting::{AccountKey, AuditEntry, Kind, Movement, TopUp, TopUpId};

/// Client and currency at the beginning of a key.
const ACCOUNT_BYTES: usize = 35;

impl Snapshot {
    /// A page by an index: what comes after it is not read.
    pub(super) fn recent_top_ups(&self, page: &TopUpPage) -> Result<Vec<TopUp>, StoreError> {
        let top_ups = self.0.open_table(TOP_UPS).map_err(failed)?;
        let by_time = self.0.open_table(TOP_UPS_BY_TIME).map_err(failed)?;
        let end = (page.until_ms, &[0; 16]);
        let before = page.before.as_ref().map(|place| (place.created_ms, place.id.0.as_bytes()));
        let end = before.map_or(end, |before| before.min(end));
        let mut found = Vec::new();
        if end.0 < page.from_ms {
            return Ok(found);
        }
        for row in by_time.range((page.from_ms, &[0; 16])..end).map_err(failed)?.rev() {
            if found.len() >= page.most {
                break;
            }
            let id = TopUpId(Uuid::from_bytes(*row.map_err(failed)?.0.value().1));
            let Some(record) = top_ups.get(id.0.as_bytes()).map_err(failed)? else { continue };
            found.extend(usable(schema::read_top_up(&id, record.value()))?);
        }
        Ok(found)
    }

    /// A page by an index, which has a range for each kind.
    pub(super) fn latest_movements(
        &self,
        kinds: &[Kind],
        page: &MovementPage,
    ) -> Result<Vec<(AccountKey, Movement)>, StoreError> {
        let mut found = Vec::new();
        for kind in kinds {
            self.latest_of_kind(*kind, page, &mut found)?;
        }
        page.cut(&mut found, |of| of.place());
        Ok(found)
    }

    fn latest_of_kind(
        &self,
        kind: Kind,
        page: &MovementPage,
        found: &mut Vec<(AccountKey, Movement)>,
    ) -> Result<(), StoreError> {
        let movements = self.0.open_table(MOVEMENTS).map_err(failed)?;
        let by_time = self.0.open_table(MOVEMENTS_BY_TIME).map_err(failed)?;
        let name = kind.as_str().as_bytes();
        // Of another kind, the place lies between two of this one.
        let before = page.before.as_ref().map(|place| {
            (place.at_ms, reference_bytes(&place.account, place.kind, &place.reference))
        });
        let mut end = (page.until_ms, Vec::new());
        if let Some(before) = before.filter(|before| *before < end) {
            end = before;
        }
        if end.0 < page.from_ms {
            return Ok(());
        }
        let (begins, ends) = ((name, page.from_ms, &[][..]), (name, end.0, end.1.as_slice()));
        let enough = found.len().saturating_add(page.most);
        for row in by_time.range(begins..ends).map_err(failed)?.rev() {
            if found.len() >= enough {
                break;
            }
            let (place, sequence) = row.map_err(failed)?;
            let (account, sequence) = (place.value().2, sequence.value());
            let account = account.get(..ACCOUNT_BYTES).unwrap_or_default();
            let Some(key) = usable(account_key(&MOVEMENTS_BY_TIME, account))? else { continue };
            let record = movements.get((account, sequence)).map_err(failed)?;
            let Some(record) = record else { continue };
            let movement = usable(schema::read_movement(&key, sequence, record.value()))?;
            found.extend(movement.map(|movement| (key, movement)));
        }
        Ok(())
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

    pub(super) fn audit(&self, page: &AuditPage) -> Result<Vec<AuditEntry>, StoreError> {
        let audit = self.0.open_table(AUDIT).map_err(failed)?;
        let end = (page.until_ms, &[0; 16], false);
        let before = page.before.as_ref().map(|key| (key.at_ms, key.action.as_bytes(), key.ended));
        let end = before.map_or(end, |before| before.min(end));
        let mut found = Vec::new();
        if end.0 < page.from_ms {
            return Ok(found);
        }
        let rows = audit.range((page.from_ms, &[0; 16], false)..end).map_err(failed)?;
        for row in rows.rev() {
            if found.len() >= page.most {
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

//! Holds that are not settled, and when each ends.

use redb::ReadableTable;
use stripe402_protocol::DeductionId;

use super::{
    super::{super::StoreError, encoding::to_postcard, schema::failed},
    TableBook,
};
use crate::accounting::{Book as _, OpenHold};

impl TableBook<'_> {
    pub(super) fn write_hold(
        &mut self,
        id: &DeductionId,
        hold: Option<&OpenHold>,
    ) -> Result<(), StoreError> {
        if let Some(before) = self.hold(id)? {
            let place = (before.terms.ends_ms, id.as_bytes());
            let removed = self.hold_ends.remove(place).map(drop).map_err(failed);
            self.wrote(removed)?;
        }
        let Some(hold) = hold else {
            let removed = self.holds.remove(id.as_bytes()).map(drop).map_err(failed);
            return self.wrote(removed);
        };
        let record = to_postcard(hold)?;
        let set = self.holds.insert(id.as_bytes(), record.as_slice()).map(drop).map_err(failed);
        self.wrote(set)?;
        let place = (hold.terms.ends_ms, id.as_bytes());
        let set = self.hold_ends.insert(place, ()).map(drop).map_err(failed);
        self.wrote(set)
    }
}

/// The holds that have ended by then, in order of their ends; at most `most`.
pub(in super::super) fn ended(
    ends: &impl ReadableTable<(u64, &'static [u8; 16]), ()>,
    now_ms: u64,
    most: usize,
) -> Result<Vec<DeductionId>, StoreError> {
    let ended = ends.range(..=(now_ms, &[0xff; 16])).map_err(failed)?.take(most);
    ended.map(|row| Ok(DeductionId::from_bytes(*row.map_err(failed)?.0.value().1))).collect()
}

//! What is left of grants, and when each account's are to be looked at.

use redb::ReadableTable;

use super::{
    super::{
        super::StoreError,
        encoding::{account_bytes, account_key, to_json},
        schema::{self, GRANT_ENDS, failed},
    },
    TableBook,
};
use crate::accounting::{AccountKey, Grants};

impl TableBook<'_> {
    pub(super) fn write_grants(
        &mut self,
        key: &AccountKey,
        grants: &Grants,
    ) -> Result<(), StoreError> {
        let account = account_bytes(key);
        if let Some(due_ms) = schema::grants(&self.grants, key)?.due_ms() {
            let place = (due_ms, account.as_slice());
            let removed = self.grant_ends.remove(place).map(drop).map_err(failed);
            self.wrote(removed)?;
        }
        if grants.is_empty() {
            let removed = self.grants.remove(account.as_slice()).map(drop).map_err(failed);
            return self.wrote(removed);
        }
        let record = to_json(grants)?;
        let set = self.grants.insert(account.as_slice(), record.as_slice());
        let set = set.map(drop).map_err(failed);
        self.wrote(set)?;
        if let Some(due_ms) = grants.due_ms() {
            let place = (due_ms, account.as_slice());
            let set = self.grant_ends.insert(place, ()).map(drop).map_err(failed);
            self.wrote(set)?;
        }
        Ok(())
    }
}

/// The accounts that are to be looked at by then, the earliest first; at most `most`.
pub(in super::super) fn due(
    ends: &impl ReadableTable<(u64, &'static [u8]), ()>,
    now_ms: u64,
    most: usize,
) -> Result<Vec<AccountKey>, StoreError> {
    let after: &[u8] = &[];
    let due = ends.range(..(now_ms.saturating_add(1), after)).map_err(failed)?.take(most);
    due.map(|row| account_key(&GRANT_ENDS, row.map_err(failed)?.0.value().1)).collect()
}

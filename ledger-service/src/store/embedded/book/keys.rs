//! Keys, and whose each is.

use stripe402_protocol::ClientId;

use super::{
    super::{
        super::StoreError,
        encoding::to_json,
        schema::{self, failed},
    },
    TableBook,
};
use crate::accounting::{Account, Book as _, Key, KeyHash, Rotation};

impl TableBook<'_> {
    pub(super) fn write_key(&mut self, hash: &KeyHash, key: &Key) -> Result<(), StoreError> {
        let record = to_json(key)?;
        let set = self.keys.insert(&hash.0, record.as_slice()).map(drop).map_err(failed);
        self.wrote(set)?;
        let place = (key.owner.as_bytes(), &hash.0);
        let set = self.keys_of.insert(place, ()).map(drop).map_err(failed);
        self.wrote(set)
    }

    /// As [`crate::store::Keys::rotate`].
    pub(in crate::store::embedded) fn rotate(
        &mut self,
        client: &ClientId,
        before: Rotation,
        after: Rotation,
    ) -> Result<bool, StoreError> {
        let own = schema::accounts_of(&self.accounts, client)?;
        if own.iter().any(|(_, account)| account.rotation != before) {
            return Ok(false);
        }
        for (key, account) in own {
            self.set_account(&key, &Account { rotation: after, ..account })?;
        }
        Ok(true)
    }
}

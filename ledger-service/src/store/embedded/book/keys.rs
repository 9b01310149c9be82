//! Keys, and whose each is.

use super::{
    super::{
        super::StoreError,
        schema::{failed, to_json},
    },
    TableBook,
};
use crate::accounting::{Key, KeyHash};

impl TableBook<'_> {
    pub(super) fn write_key(&mut self, hash: &KeyHash, key: &Key) -> Result<(), StoreError> {
        let record = to_json(key)?;
        let set = self.keys.insert(&hash.0, record.as_slice()).map(drop).map_err(failed);
        self.wrote(set)?;
        let place = (key.owner.as_bytes(), &hash.0);
        let set = self.keys_of.insert(place, ()).map(drop).map_err(failed);
        self.wrote(set)
    }
}

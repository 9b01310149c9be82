//! The part of the store that is about keys.

use async_trait::async_trait;
use stripe402_protocol::{
    ClientId,
    message::{Batch, BatchAnswer},
};

use super::{
    super::{Keys, StoreError},
    Embedded,
    book::TableBook,
    read::Snapshot,
    schema::{self, KEYS, KEYS_OF, failed},
};
use crate::accounting::{self, Key, KeyHash, Rotation};

impl Snapshot {
    fn key(&self, hash: &KeyHash) -> Result<Option<Key>, StoreError> {
        schema::key(&self.0.open_table(KEYS).map_err(failed)?, hash)
    }

    fn keys_of(&self, owner: &ClientId) -> Result<Vec<(KeyHash, Key)>, StoreError> {
        let (of, keys) = (self.0.open_table(KEYS_OF), self.0.open_table(KEYS));
        let (of, keys) = (of.map_err(failed)?, keys.map_err(failed)?);
        let (first, last) = ([0; 32], [0xff; 32]);
        let mut found = Vec::new();
        for row in
            of.range((owner.as_bytes(), &first)..=(owner.as_bytes(), &last)).map_err(failed)?
        {
            let hash = KeyHash(*row.map_err(failed)?.0.value().1);
            found.extend(schema::key(&keys, &hash)?.map(|key| (hash, key)));
        }
        Ok(found)
    }
}

#[async_trait]
impl Keys for Embedded {
    async fn key(&self, hash: KeyHash) -> Result<Option<Key>, StoreError> {
        self.snapshot()?.key(&hash)
    }

    async fn keys_of(&self, owner: ClientId) -> Result<Vec<(KeyHash, Key)>, StoreError> {
        self.snapshot()?.keys_of(&owner)
    }

    async fn change_key(&self, hash: KeyHash, after: Key) -> Result<bool, StoreError> {
        self.write(move |book| accounting::change_key(book, &hash, &after)).await
    }

    async fn rotate(
        &self,
        client: ClientId,
        before: Rotation,
        after: Rotation,
    ) -> Result<bool, StoreError> {
        self.write(move |book: &mut TableBook<'_>| book.rotate(&client, before, after)).await
    }

    async fn batch_by_key(&self, hash: KeyHash, batch: Batch) -> Result<BatchAnswer, StoreError> {
        let (window, uncharged_until) = (self.window(), self.uncharged_until());
        self.write(move |book: &mut TableBook<'_>| {
            book.remember_from(window.first_remembered());
            book.remember_uncharged_after(uncharged_until);
            accounting::apply_by_key(book, &hash, &batch, &window)
        })
        .await
    }
}

//! The part of the store that is about keys.

use async_trait::async_trait;
use stripe402_protocol::{
    ClientId,
    message::{Batch, BatchAnswer},
};

use super::{
    super::{Keys, StoreError},
    InMemory, known,
};
use crate::accounting::{self, Book as _, Key, KeyHash, Rotation};

#[async_trait]
impl Keys for InMemory {
    async fn key(&self, hash: KeyHash) -> Result<Option<Key>, StoreError> {
        Ok(known(self.books()?.memory.key(&hash)))
    }

    async fn keys_of(&self, owner: ClientId) -> Result<Vec<(KeyHash, Key)>, StoreError> {
        let books = self.books()?;
        let own = books.memory.keys().iter().filter(|(_, key)| key.owner == owner);
        Ok(own.map(|(hash, key)| (*hash, key.clone())).collect())
    }

    async fn change_key(&self, hash: KeyHash, after: Key) -> Result<bool, StoreError> {
        Ok(known(accounting::change_key(&mut self.books()?.memory, &hash, &after)))
    }

    async fn rotate(
        &self,
        client: ClientId,
        before: Rotation,
        after: Rotation,
    ) -> Result<bool, StoreError> {
        Ok(self.books()?.memory.rotate(&client, before, after))
    }

    async fn batch_by_key(&self, hash: KeyHash, batch: Batch) -> Result<BatchAnswer, StoreError> {
        let window = self.window();
        let memory = &mut self.books()?.memory;
        memory.forget_charges_before(&window.first_remembered());
        Ok(known(accounting::apply_by_key(memory, &hash, &batch, &window)))
    }
}

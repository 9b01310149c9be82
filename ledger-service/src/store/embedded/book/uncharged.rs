//! What cards leave that were never charged goes with each commit, as charges do.

use redb::ReadableTable;
use uuid::Uuid;

use super::{
    super::{super::StoreError, encoding},
    TableBook, schema,
    schema::failed,
};
use crate::accounting::{Book as _, Kind, TopUp, TopUpId, name_of_customer};

/// A commit forgets as many top-ups as it adds, times this.
const FOR_EACH_NEW: usize = 2;
/// A commit may forget so many, however few it adds. One takes a few accesses to the tables each.
const AT_LEAST: usize = 64;

/// A top-up that is due, as it is listed.
struct Due {
    ended_ms: u64,
    id: TopUpId,
    waited: String,
}

impl TableBook<'_> {
    /// From now on top-ups are forgotten that ended without a charge up to then.
    pub(in super::super) fn remember_uncharged_after(&mut self, until_ms: u64) {
        self.swept.uncharged_until = self.swept.uncharged_until.max(Some(until_ms));
    }

    pub(super) fn list_uncharged(
        &mut self,
        top_up: &TopUp,
        waited: Option<&str>,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let id = top_up.id.0.as_bytes();
        let set = self.uncharged.insert((now_ms, id), waited.unwrap_or(""));
        let set = set.map(drop).map_err(failed);
        self.wrote(set)?;
        let set = self.uncharged_of.insert((top_up.account.client.as_bytes(), id), ());
        let set = set.map(drop).map_err(failed);
        self.wrote(set)?;
        self.swept.new_uncharged = self.swept.new_uncharged.saturating_add(1);
        Ok(())
    }

    pub(super) fn sweep_uncharged(&mut self) -> Result<(), StoreError> {
        let Some(until_ms) = self.swept.uncharged_until else { return Ok(()) };
        let most = self.swept.new_uncharged.saturating_mul(FOR_EACH_NEW).max(AT_LEAST);
        for due in self.due(until_ms, most)? {
            self.forget(&due)?;
        }
        Ok(())
    }

    fn due(&self, until_ms: u64, most: usize) -> Result<Vec<Due>, StoreError> {
        let rows = self.uncharged.range(..=(until_ms, &[u8::MAX; 16])).map_err(failed)?;
        rows.take(most)
            .map(|row| {
                let (key, waited) = row.map_err(failed)?;
                let (ended_ms, id) = key.value();
                let id = TopUpId(Uuid::from_bytes(*id));
                let waited = encoding::text(&waited).unwrap_or_default();
                Ok(Due { ended_ms, id, waited })
            })
            .collect()
    }

    fn forget(&mut self, due: &Due) -> Result<(), StoreError> {
        let id = due.id.0.as_bytes();
        let removed = self.uncharged.remove((due.ended_ms, id)).map(drop).map_err(failed);
        self.wrote(removed)?;
        let top_up = match schema::top_up(&self.top_ups, &due.id) {
            Ok(Some(top_up)) => top_up,
            Ok(None) => return Ok(()),
            // Left for people: it must not keep others from being forgotten.
            Err(StoreError::Damaged(why)) => {
                tracing::error!(why, "a top-up without a charge cannot be read, and stays");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let client = top_up.account.client;
        let removed = self.uncharged_of.remove((client.as_bytes(), id)).map(drop).map_err(failed);
        self.wrote(removed)?;
        // Else it was charged after all.
        if top_up.state.is_without_charge() {
            self.remove_top_up(&top_up, &due.waited)?;
            self.forget_client(&top_up)?;
        }
        Ok(())
    }

    /// The record, its idempotency key, and whose its PaymentIntent is.
    fn remove_top_up(&mut self, top_up: &TopUp, waited: &str) -> Result<(), StoreError> {
        let id = top_up.id.0.as_bytes();
        let removed = self.top_ups.remove(id).map(drop).map_err(failed);
        self.wrote(removed)?;
        let removed = self.top_ups_by_time.remove((top_up.created_ms, id));
        let removed = removed.map(drop).map_err(failed);
        self.wrote(removed)?;
        let account = encoding::account_bytes(&top_up.account);
        if let Some(key) = &top_up.idempotency_key {
            let name = [account.as_slice(), key.as_bytes()].concat();
            let named = self.named.get(name.as_slice()).map_err(failed)?.map(|of| *of.value());
            // Or it names a later one.
            if named.as_ref() == Some(id) {
                let removed = self.named.remove(name.as_slice()).map(drop).map_err(failed);
                self.wrote(removed)?;
            }
        }
        let payer = self.payers.get(waited).map_err(failed)?;
        let is_own = payer.is_some_and(|of| of.value() == account.as_slice());
        // What was credited by another top-up stays.
        let credited = match self.movement(&top_up.account, Kind::TopUp, waited) {
            // Left for people: whose it is stays, too.
            Err(StoreError::Damaged(why)) => {
                tracing::error!(
                    why,
                    "a movement cannot be read; its PaymentIntent keeps its account"
                );
                true
            }
            found => found?.is_some(),
        };
        if is_own && !credited {
            let removed = self.payers.remove(waited).map(drop).map_err(failed);
            self.wrote(removed)?;
        }
        Ok(())
    }

    /// The customer and the names of a client of whom nothing is left.
    fn forget_client(&mut self, top_up: &TopUp) -> Result<(), StoreError> {
        let client = top_up.account.client;
        if self.has_more(&top_up.account.client)? {
            return Ok(());
        }
        let removed = self.customers.remove(client.as_bytes()).map_err(failed);
        let customer = removed.map(|known| known.and_then(|known| encoding::text(&known).ok()));
        if let Some(customer) = self.wrote(customer)? {
            let name = name_of_customer(&customer);
            let removed = self.agreed.remove(name.as_bytes()).map(drop).map_err(failed);
            self.wrote(removed)?;
        }
        let known = self.agreed.get(client.as_bytes()).map_err(failed)?.map(|of| *of.value());
        if known.as_ref() == Some(client.as_bytes()) {
            let removed = self.agreed.remove(client.as_bytes()).map(drop).map_err(failed);
            self.wrote(removed)?;
        }
        Ok(())
    }

    /// Whether a client has an account, or another top-up. One that was credited has an account.
    fn has_more(&self, client: &stripe402_protocol::ClientId) -> Result<bool, StoreError> {
        let own = client.as_bytes();
        let begins = |key: &[u8]| key.starts_with(own);
        let account = self.accounts.range(own.as_slice()..).map_err(failed)?.next();
        if account.transpose().map_err(failed)?.is_some_and(|(key, _)| begins(key.value())) {
            return Ok(true);
        }
        let open = self.unfinished.range(own.as_slice()..).map_err(failed)?.next();
        if open.transpose().map_err(failed)?.is_some_and(|(key, _)| begins(key.value())) {
            return Ok(true);
        }
        let from = (own, &[0; 16]);
        let other = self.uncharged_of.range(from..).map_err(failed)?.next();
        Ok(other.transpose().map_err(failed)?.is_some_and(|(key, _)| key.value().0 == own))
    }
}

//! What the books keep beside the accounting: names, customers, the audit record.

use redb::ReadableTable;
use stripe402_protocol::ClientId;
use uuid::Uuid;

use super::{
    super::{
        super::StoreError,
        encoding::{text, to_json},
    },
    CUSTOMERS, TableBook, damaged,
    schema::failed,
};
use crate::accounting::AuditEntry;

impl TableBook<'_> {
    /// The name of these books, which the first one gives.
    pub(in super::super) fn identity(&mut self, fresh: Uuid) -> Result<Uuid, StoreError> {
        let known = self.books.get("id").map_err(failed)?.map(|id| *id.value());
        if let Some(known) = known {
            return Ok(Uuid::from_bytes(known));
        }
        let set = self.books.insert("id", fresh.as_bytes()).map(drop).map_err(failed);
        self.wrote(set)?;
        Ok(fresh)
    }

    /// The id under which a client is known, which the first one gives.
    pub(in super::super) fn agree(
        &mut self,
        anchor: &ClientId,
        wanted: ClientId,
    ) -> Result<Option<ClientId>, StoreError> {
        let known = self.agreed.get(anchor.as_bytes()).map_err(failed)?;
        if let Some(known) = known.map(|id| *id.value()) {
            return Ok(Some(ClientId::from_bytes(known)));
        }
        let set = self.agreed.insert(anchor.as_bytes(), wanted.as_bytes());
        let set = set.map(drop).map_err(failed);
        self.wrote(set)?;
        Ok(Some(wanted))
    }

    /// Appends to the audit record; what is in it stays.
    pub(in super::super) fn record_action(&mut self, entry: &AuditEntry) -> Result<(), StoreError> {
        let key = entry.key();
        let key = (key.at_ms, key.action.as_bytes(), key.ended);
        if self.audit.get(key).map_err(failed)?.is_none() {
            let record = to_json(entry)?;
            let set = self.audit.insert(key, record.as_slice()).map(drop).map_err(failed);
            self.wrote(set)?;
        }
        Ok(())
    }

    /// The first customer stays.
    pub(in super::super) fn remember_customer(
        &mut self,
        client: &ClientId,
        customer: &str,
    ) -> Result<String, StoreError> {
        match self.customer(client)? {
            Some(known) => Ok(known),
            None => self.set_customer(client, customer),
        }
    }

    pub(in super::super) fn replace_customer(
        &mut self,
        client: &ClientId,
        gone: &str,
        customer: &str,
    ) -> Result<String, StoreError> {
        match self.customer(client)?.filter(|known| known != gone) {
            Some(known) => Ok(known),
            None => self.set_customer(client, customer),
        }
    }

    fn customer(&self, client: &ClientId) -> Result<Option<String>, StoreError> {
        let known = self.customers.get(client.as_bytes()).map_err(failed)?;
        let damaged = |why: String| damaged(&CUSTOMERS, &client.subject(), &why);
        known.map(|known| text(&known).map_err(damaged)).transpose()
    }

    fn set_customer(&mut self, client: &ClientId, customer: &str) -> Result<String, StoreError> {
        let set = self.customers.insert(client.as_bytes(), customer).map(drop).map_err(failed);
        self.wrote(set)?;
        Ok(customer.to_owned())
    }
}

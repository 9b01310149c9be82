//! The books of one write transaction, on redb's tables.

use redb::{ReadableTable, Table, WriteTransaction};
use stripe402_protocol::{ChargeId, ClientId, Units};

use super::{
    super::StoreError,
    schema::{
        self, BALANCES, CHARGES, CUSTOMERS, MOVEMENTS, NAMED, TALLIES, TOP_UPS, UNFINISHED,
        account_bytes, to_json, unavailable,
    },
};
use crate::ledger::{AccountKey, Book, ChargeRecord, Movement, TallyKey, TopUp, TopUpId};

/// How many forgotten charges a transaction sweeps out at the most, so that none takes long.
const SWEEP: usize = 64;

/// The books, open for writing.
pub(super) struct TableBook<'t> {
    balances: Table<'t, &'static [u8], i64>,
    charges: Table<'t, &'static [u8; 16], &'static [u8]>,
    tallies: Table<'t, &'static [u8], (i64, i64)>,
    movements: Table<'t, (&'static [u8], u64), &'static [u8]>,
    top_ups: Table<'t, &'static [u8; 16], &'static [u8]>,
    unfinished: Table<'t, &'static [u8], &'static [u8; 16]>,
    named: Table<'t, &'static [u8], &'static [u8; 16]>,
    customers: Table<'t, &'static [u8; 32], &'static str>,
}

impl<'t> TableBook<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            balances: transaction.open_table(BALANCES).map_err(unavailable)?,
            charges: transaction.open_table(CHARGES).map_err(unavailable)?,
            tallies: transaction.open_table(TALLIES).map_err(unavailable)?,
            movements: transaction.open_table(MOVEMENTS).map_err(unavailable)?,
            top_ups: transaction.open_table(TOP_UPS).map_err(unavailable)?,
            unfinished: transaction.open_table(UNFINISHED).map_err(unavailable)?,
            named: transaction.open_table(NAMED).map_err(unavailable)?,
            customers: transaction.open_table(CUSTOMERS).map_err(unavailable)?,
        })
    }

    /// Drops some of the charges that are older than what is remembered; their sums stay.
    pub(super) fn forget_charges_before(&mut self, first: &ChargeId) -> Result<(), StoreError> {
        let forgotten = self
            .charges
            .range::<&[u8; 16]>(..first.as_bytes())
            .map_err(unavailable)?
            .take(SWEEP)
            .map(|row| row.map(|(id, _)| *id.value()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(unavailable)?;
        for id in forgotten {
            self.charges.remove(&id).map_err(unavailable)?;
        }
        Ok(())
    }

    pub(super) fn remember_customer(
        &mut self,
        client: &ClientId,
        customer: String,
    ) -> Result<String, StoreError> {
        let known = self.customers.get(client.as_bytes()).map_err(unavailable)?;
        if let Some(known) = known.map(|known| known.value().to_owned()) {
            return Ok(known);
        }
        self.customers.insert(client.as_bytes(), customer.as_str()).map_err(unavailable)?;
        Ok(customer)
    }
}

impl Book for TableBook<'_> {
    type Error = StoreError;

    fn balance(&self, account: &AccountKey) -> Result<Units, StoreError> {
        schema::balance(&self.balances, account)
    }

    fn set_balance(&mut self, account: &AccountKey, balance: Units) -> Result<(), StoreError> {
        let account = account_bytes(account);
        self.balances.insert(account.as_slice(), balance.get()).map_err(unavailable)?;
        Ok(())
    }

    fn charge(&self, id: &ChargeId) -> Result<Option<ChargeRecord>, StoreError> {
        let record = self.charges.get(id.as_bytes()).map_err(unavailable)?;
        record
            .map(|record| postcard::from_bytes(record.value()))
            .transpose()
            .map_err(|error| StoreError::Damaged(format!("charge {id}: {error}")))
    }

    fn set_charge(&mut self, id: &ChargeId, record: &ChargeRecord) -> Result<(), StoreError> {
        let record = postcard::to_allocvec(record)
            .map_err(|error| StoreError::Damaged(error.to_string()))?;
        self.charges.insert(id.as_bytes(), record.as_slice()).map_err(unavailable)?;
        Ok(())
    }

    fn tally(&mut self, key: &TallyKey, count: i64, amount: i64) -> Result<(), StoreError> {
        let mut bytes = account_bytes(&key.account);
        bytes.extend_from_slice(&key.hour.to_be_bytes());
        bytes.extend_from_slice(key.route.as_bytes());
        let sums = self.tallies.get(bytes.as_slice()).map_err(unavailable)?;
        let (counted, summed) = sums.map(|sums| sums.value()).unwrap_or_default();
        let sums = counted.checked_add(count).zip(summed.checked_add(amount));
        let sums = sums.ok_or_else(|| StoreError::Damaged("a sum overflows".to_owned()))?;
        self.tallies.insert(bytes.as_slice(), sums).map_err(unavailable)?;
        Ok(())
    }

    fn top_up(&self, id: &TopUpId) -> Result<Option<TopUp>, StoreError> {
        schema::top_up(&self.top_ups, id)
    }

    fn set_top_up(&mut self, top_up: &TopUp) -> Result<(), StoreError> {
        let id = top_up.id.0.as_bytes();
        let mut account = account_bytes(&top_up.account);
        self.top_ups.insert(id, to_json(top_up)?.as_slice()).map_err(unavailable)?;
        if top_up.state.is_finished() {
            self.unfinished.remove(account.as_slice()).map_err(unavailable)?;
        } else {
            self.unfinished.insert(account.as_slice(), id).map_err(unavailable)?;
        }
        if let Some(key) = &top_up.idempotency_key {
            account.extend_from_slice(key.as_bytes());
            self.named.insert(account.as_slice(), id).map_err(unavailable)?;
        }
        Ok(())
    }

    fn unfinished(&self, account: &AccountKey) -> Result<Option<TopUpId>, StoreError> {
        let id = self.unfinished.get(account_bytes(account).as_slice()).map_err(unavailable)?;
        Ok(id.map(|id| TopUpId(uuid::Uuid::from_bytes(*id.value()))))
    }

    fn named(&self, account: &AccountKey, key: &str) -> Result<Option<TopUpId>, StoreError> {
        let mut bytes = account_bytes(account);
        bytes.extend_from_slice(key.as_bytes());
        let id = self.named.get(bytes.as_slice()).map_err(unavailable)?;
        Ok(id.map(|id| TopUpId(uuid::Uuid::from_bytes(*id.value()))))
    }

    fn record(&mut self, account: &AccountKey, movement: &Movement) -> Result<(), StoreError> {
        let account = account_bytes(account);
        let account = account.as_slice();
        let mut last =
            self.movements.range((account, 0)..=(account, u64::MAX)).map_err(unavailable)?;
        let last = last.next_back().transpose().map_err(unavailable)?;
        let next = last.map_or(0, |(key, _)| key.value().1.saturating_add(1));
        self.movements
            .insert((account, next), to_json(movement)?.as_slice())
            .map_err(unavailable)?;
        Ok(())
    }
}

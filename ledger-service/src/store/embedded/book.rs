//! The books of one write transaction, on redb's tables.

use std::time::Duration;

use redb::{ReadableTable, Table, WriteTransaction};
use stripe402_protocol::{ChargeId, ClientId};
use uuid::Uuid;

use super::{
    super::StoreError,
    schema::{
        self, ACCOUNTS, AGREED, AUDIT, BOOKS, CHARGES, COUNTS, CUSTOMERS, MOVEMENTS, NAMED, PAYERS,
        REFERENCES, TALLIES, TOP_UPS, UNFINISHED, account_bytes, from_postcard, reference_bytes,
        to_json, to_postcard, unavailable,
    },
};
use crate::ledger::{
    Account, AccountKey, AuditEntry, Book, ChargeRecord, Kind, Limit, Movement, TallyKey, TopUp,
    TopUpId,
};

/// How many forgotten charges a transaction sweeps out at the most, so that none takes long.
const SWEEP: usize = 64;

/// The books, open for writing.
pub(super) struct TableBook<'t> {
    accounts: Table<'t, &'static [u8], &'static [u8]>,
    charges: Table<'t, &'static [u8; 16], &'static [u8]>,
    tallies: Table<'t, &'static [u8], (i64, i64)>,
    movements: Table<'t, (&'static [u8], u64), &'static [u8]>,
    references: Table<'t, &'static [u8], u64>,
    top_ups: Table<'t, &'static [u8; 16], &'static [u8]>,
    unfinished: Table<'t, &'static [u8], &'static [u8; 16]>,
    named: Table<'t, &'static [u8], &'static [u8; 16]>,
    customers: Table<'t, &'static [u8; 32], &'static str>,
    counts: Table<'t, (u64, &'static str), u64>,
    audit: Table<'t, (u64, &'static [u8; 16], bool), &'static [u8]>,
    payers: Table<'t, &'static str, &'static [u8]>,
    books: Table<'t, &'static str, &'static [u8; 16]>,
    agreed: Table<'t, &'static [u8; 32], &'static [u8; 32]>,
    written: bool,
}

impl<'t> TableBook<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            accounts: transaction.open_table(ACCOUNTS).map_err(unavailable)?,
            charges: transaction.open_table(CHARGES).map_err(unavailable)?,
            tallies: transaction.open_table(TALLIES).map_err(unavailable)?,
            movements: transaction.open_table(MOVEMENTS).map_err(unavailable)?,
            references: transaction.open_table(REFERENCES).map_err(unavailable)?,
            top_ups: transaction.open_table(TOP_UPS).map_err(unavailable)?,
            unfinished: transaction.open_table(UNFINISHED).map_err(unavailable)?,
            named: transaction.open_table(NAMED).map_err(unavailable)?,
            customers: transaction.open_table(CUSTOMERS).map_err(unavailable)?,
            counts: transaction.open_table(COUNTS).map_err(unavailable)?,
            audit: transaction.open_table(AUDIT).map_err(unavailable)?,
            payers: transaction.open_table(PAYERS).map_err(unavailable)?,
            books: transaction.open_table(BOOKS).map_err(unavailable)?,
            agreed: transaction.open_table(AGREED).map_err(unavailable)?,
            written: false,
        })
    }

    /// Whether something was written since this was last asked.
    pub(super) const fn take_written(&mut self) -> bool {
        core::mem::replace(&mut self.written, false)
    }

    /// The name of these books, which the first one gives.
    pub(super) fn identity(&mut self, fresh: Uuid) -> Result<Uuid, StoreError> {
        let known = self.books.get("id").map_err(unavailable)?.map(|id| *id.value());
        if let Some(known) = known {
            return Ok(Uuid::from_bytes(known));
        }
        self.written = true;
        self.books.insert("id", fresh.as_bytes()).map_err(unavailable)?;
        Ok(fresh)
    }

    /// The id under which a client is known, which the first one gives.
    pub(super) fn agree(
        &mut self,
        anchor: &ClientId,
        wanted: ClientId,
    ) -> Result<Option<ClientId>, StoreError> {
        let known = self.agreed.get(anchor.as_bytes()).map_err(unavailable)?;
        if let Some(known) = known.map(|id| *id.value()) {
            return Ok(Some(ClientId::from_bytes(known)));
        }
        self.written = true;
        self.agreed.insert(anchor.as_bytes(), wanted.as_bytes()).map_err(unavailable)?;
        Ok(Some(wanted))
    }

    fn set_payer(&mut self, payment_intent: &str, account: &AccountKey) -> Result<(), StoreError> {
        if self.payers.get(payment_intent).map_err(unavailable)?.is_none() {
            self.written = true;
            let account = account_bytes(account);
            self.payers.insert(payment_intent, account.as_slice()).map_err(unavailable)?;
        }
        Ok(())
    }

    /// Appends to the audit record; what is in it stays.
    pub(super) fn record_action(&mut self, entry: &AuditEntry) -> Result<(), StoreError> {
        let key = entry.key();
        let key = (key.at_ms, key.action.as_bytes(), key.ended);
        if self.audit.get(key).map_err(unavailable)?.is_none() {
            self.written = true;
            self.audit.insert(key, to_json(entry)?.as_slice()).map_err(unavailable)?;
        }
        Ok(())
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
            self.written = true;
            self.charges.remove(&id).map_err(unavailable)?;
        }
        Ok(())
    }

    /// The number of an account's next movement. A function of its own: the iterator holds on to
    /// pages, and must be gone before anything is written.
    fn next_sequence(&self, account: &[u8]) -> Result<u64, StoreError> {
        let mut rows =
            self.movements.range((account, 0)..=(account, u64::MAX)).map_err(unavailable)?;
        let last = rows.next_back().transpose().map_err(unavailable)?;
        Ok(last.map_or(0, |(key, _)| key.value().1.saturating_add(1)))
    }

    pub(super) fn replace_customer(
        &mut self,
        client: &ClientId,
        gone: &str,
        customer: String,
    ) -> Result<String, StoreError> {
        let known = self.customers.get(client.as_bytes()).map_err(unavailable)?;
        if let Some(known) = known.map(|known| known.value().to_owned())
            && known != gone
        {
            return Ok(known);
        }
        self.written = true;
        self.customers.insert(client.as_bytes(), customer.as_str()).map_err(unavailable)?;
        Ok(customer)
    }

    /// Counts an event if the limit has room for it.
    pub(super) fn count_within(
        &mut self,
        limit: &Limit,
        now_ms: u64,
    ) -> Result<Option<Duration>, StoreError> {
        let counts = schema::counts(&self.counts, limit, now_ms)?;
        let wait = limit.wait(&counts, now_ms);
        if wait.is_none() {
            let current = limit.piece_at(now_ms);
            let known = counts.iter().find(|(piece, _)| *piece == current);
            let next = known.map_or(1, |(_, count)| count.saturating_add(1));
            self.written = true;
            self.counts.insert((current, limit.name.as_str()), next).map_err(unavailable)?;
            self.forget_counts_before(limit.since(now_ms))?;
        }
        Ok(wait)
    }

    fn forget_counts_before(&mut self, first: u64) -> Result<(), StoreError> {
        let forgotten = self
            .counts
            .range(..(first, ""))
            .map_err(unavailable)?
            .take(SWEEP)
            .map(|row| row.map(|(key, _)| (key.value().0, key.value().1.to_owned())))
            .collect::<Result<Vec<_>, _>>()
            .map_err(unavailable)?;
        for (piece, name) in forgotten {
            self.written = true;
            self.counts.remove((piece, name.as_str())).map_err(unavailable)?;
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
        self.written = true;
        self.customers.insert(client.as_bytes(), customer.as_str()).map_err(unavailable)?;
        Ok(customer)
    }
}

impl Book for TableBook<'_> {
    type Error = StoreError;

    fn is_damaged(error: &StoreError) -> bool {
        if let StoreError::Damaged(what) = error {
            tracing::error!(what, "a charge or a void meets a damaged record and is refused");
            return true;
        }
        false
    }

    fn account(&self, key: &AccountKey) -> Result<Account, StoreError> {
        schema::account(&self.accounts, key)
    }

    fn set_account(&mut self, key: &AccountKey, account: &Account) -> Result<(), StoreError> {
        let (key, account) = (account_bytes(key), to_postcard(account)?);
        self.written = true;
        self.accounts.insert(key.as_slice(), account.as_slice()).map_err(unavailable)?;
        Ok(())
    }

    fn charge(&self, id: &ChargeId) -> Result<Option<ChargeRecord>, StoreError> {
        let record = self.charges.get(id.as_bytes()).map_err(unavailable)?;
        record.map(|record| from_postcard(record.value())).transpose()
    }

    fn set_charge(&mut self, id: &ChargeId, record: &ChargeRecord) -> Result<(), StoreError> {
        let record = to_postcard(record)?;
        self.written = true;
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
        self.written = true;
        self.tallies.insert(bytes.as_slice(), sums).map_err(unavailable)?;
        Ok(())
    }

    fn top_up(&self, id: &TopUpId) -> Result<Option<TopUp>, StoreError> {
        schema::top_up(&self.top_ups, id)
    }

    fn set_top_up(&mut self, top_up: &TopUp) -> Result<(), StoreError> {
        let id = top_up.id.0.as_bytes();
        let mut account = account_bytes(&top_up.account);
        self.written = true;
        let known = self.top_ups.insert(id, to_json(top_up)?.as_slice()).map_err(unavailable)?;
        let is_new = known.is_none();
        drop(known);
        if top_up.state.is_finished() {
            // Another one may be under way by now.
            if self.unfinished(&top_up.account)? == Some(top_up.id) {
                self.written = true;
                self.unfinished.remove(account.as_slice()).map_err(unavailable)?;
            }
        } else {
            self.written = true;
            self.unfinished.insert(account.as_slice(), id).map_err(unavailable)?;
        }
        if let Some(payment_intent) = top_up.state.payment_intent() {
            self.set_payer(payment_intent, &top_up.account)?;
        }
        // A key names the one that was opened last, not the one that was changed last.
        if let Some(key) = top_up.idempotency_key.as_ref().filter(|_| is_new) {
            account.extend_from_slice(key.as_bytes());
            self.written = true;
            self.named.insert(account.as_slice(), id).map_err(unavailable)?;
        }
        Ok(())
    }

    fn unfinished(&self, account: &AccountKey) -> Result<Option<TopUpId>, StoreError> {
        let id = self.unfinished.get(account_bytes(account).as_slice()).map_err(unavailable)?;
        Ok(id.map(|id| TopUpId(Uuid::from_bytes(*id.value()))))
    }

    fn named(&self, account: &AccountKey, key: &str) -> Result<Option<TopUpId>, StoreError> {
        let mut bytes = account_bytes(account);
        bytes.extend_from_slice(key.as_bytes());
        let id = self.named.get(bytes.as_slice()).map_err(unavailable)?;
        Ok(id.map(|id| TopUpId(Uuid::from_bytes(*id.value()))))
    }

    fn record(&mut self, key: &AccountKey, movement: &Movement) -> Result<(), StoreError> {
        if movement.posting.kind == Kind::TopUp {
            self.set_payer(&movement.posting.reference, key)?;
        }
        let reference = reference_bytes(key, movement.posting.kind, &movement.posting.reference);
        let account = account_bytes(key);
        let account = account.as_slice();
        let next = self.next_sequence(account)?;
        self.written = true;
        self.movements
            .insert((account, next), to_json(movement)?.as_slice())
            .map_err(unavailable)?;
        self.written = true;
        self.references.insert(reference.as_slice(), next).map_err(unavailable)?;
        Ok(())
    }

    fn movement(
        &self,
        key: &AccountKey,
        kind: Kind,
        reference: &str,
    ) -> Result<Option<Movement>, StoreError> {
        schema::movement(&self.references, &self.movements, key, kind, reference)
    }
}

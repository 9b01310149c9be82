//! The books of one write transaction, on redb's tables.

mod grants;
mod holds;
mod keys;
mod names;
mod sweep;
mod uncharged;

use redb::{ReadableTable, Table, WriteTransaction};
use stripe402_protocol::DeductionId;
use uuid::Uuid;

use super::{
    super::StoreError,
    damage::{damaged, shown},
    encoding::{account_bytes, reference_bytes, to_json, to_postcard},
    schema::{
        self, ACCOUNTS, AGREED, AUDIT, BOOKS, CHARGES, COUNTS, CUSTOMERS, GRANT_ENDS, GRANTS,
        HOLD_ENDS, HOLDS, KEYS, KEYS_OF, MOVEMENTS, MOVEMENTS_BY_TIME, NAMED, PAYERS, REFERENCES,
        TALLIES, TOP_UPS, TOP_UPS_BY_TIME, UNCHARGED, UNCHARGED_OF, UNFINISHED, failed,
    },
};
use crate::accounting::{
    Account, AccountKey, Book, DeductionRecord, Grants, Key, KeyHash, Kind, Movement, OpenHold,
    TallyKey, TopUp, TopUpId,
};

pub(super) use self::{grants::due, holds::ended, sweep::Swept};

/// The books, open for writing.
pub(super) struct TableBook<'t> {
    accounts: Table<'t, &'static [u8], &'static [u8]>,
    deductions: Table<'t, &'static [u8; 16], &'static [u8]>,
    grants: Table<'t, &'static [u8], &'static [u8]>,
    grant_ends: Table<'t, (u64, &'static [u8]), ()>,
    keys: Table<'t, &'static [u8; 32], &'static [u8]>,
    keys_of: Table<'t, (&'static [u8; 32], &'static [u8; 32]), ()>,
    holds: Table<'t, &'static [u8; 16], &'static [u8]>,
    hold_ends: Table<'t, (u64, &'static [u8; 16]), ()>,
    tallies: Table<'t, &'static [u8], (i64, i64)>,
    movements: Table<'t, (&'static [u8], u64), &'static [u8]>,
    references: Table<'t, &'static [u8], u64>,
    top_ups: Table<'t, &'static [u8; 16], &'static [u8]>,
    movements_by_time: Table<'t, (&'static [u8], u64, &'static [u8]), u64>,
    top_ups_by_time: Table<'t, (u64, &'static [u8; 16]), ()>,
    unfinished: Table<'t, &'static [u8], &'static [u8; 16]>,
    named: Table<'t, &'static [u8], &'static [u8; 16]>,
    uncharged: Table<'t, (u64, &'static [u8; 16]), &'static str>,
    uncharged_of: Table<'t, (&'static [u8; 32], &'static [u8; 16]), ()>,
    customers: Table<'t, &'static [u8; 32], &'static str>,
    counts: Table<'t, (u64, &'static str), u64>,
    audit: Table<'t, (u64, &'static [u8; 16], bool), &'static [u8]>,
    payers: Table<'t, &'static str, &'static [u8]>,
    books: Table<'t, &'static str, &'static [u8; 16]>,
    agreed: Table<'t, &'static [u8; 32], &'static [u8; 32]>,
    touched: Touched,
    swept: Swept,
}

/// What a call has done to the transaction that it shares with others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Touched {
    /// Nothing: if it fails, it fails alone.
    #[default]
    Nothing,
    /// It has written: if it fails, the transaction is of no use to the others.
    Written,
    /// Writing failed halfway: the transaction is of no use to anybody, whatever the call says.
    Torn,
}

impl<'t> TableBook<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            accounts: transaction.open_table(ACCOUNTS).map_err(failed)?,
            deductions: transaction.open_table(CHARGES).map_err(failed)?,
            grants: transaction.open_table(GRANTS).map_err(failed)?,
            grant_ends: transaction.open_table(GRANT_ENDS).map_err(failed)?,
            keys: transaction.open_table(KEYS).map_err(failed)?,
            keys_of: transaction.open_table(KEYS_OF).map_err(failed)?,
            holds: transaction.open_table(HOLDS).map_err(failed)?,
            hold_ends: transaction.open_table(HOLD_ENDS).map_err(failed)?,
            tallies: transaction.open_table(TALLIES).map_err(failed)?,
            movements: transaction.open_table(MOVEMENTS).map_err(failed)?,
            references: transaction.open_table(REFERENCES).map_err(failed)?,
            top_ups: transaction.open_table(TOP_UPS).map_err(failed)?,
            movements_by_time: transaction.open_table(MOVEMENTS_BY_TIME).map_err(failed)?,
            top_ups_by_time: transaction.open_table(TOP_UPS_BY_TIME).map_err(failed)?,
            unfinished: transaction.open_table(UNFINISHED).map_err(failed)?,
            named: transaction.open_table(NAMED).map_err(failed)?,
            uncharged: transaction.open_table(UNCHARGED).map_err(failed)?,
            uncharged_of: transaction.open_table(UNCHARGED_OF).map_err(failed)?,
            customers: transaction.open_table(CUSTOMERS).map_err(failed)?,
            counts: transaction.open_table(COUNTS).map_err(failed)?,
            audit: transaction.open_table(AUDIT).map_err(failed)?,
            payers: transaction.open_table(PAYERS).map_err(failed)?,
            books: transaction.open_table(BOOKS).map_err(failed)?,
            agreed: transaction.open_table(AGREED).map_err(failed)?,
            touched: Touched::default(),
            swept: Swept::default(),
        })
    }

    /// What was done since this was last asked.
    pub(super) const fn take_touched(&mut self) -> Touched {
        core::mem::replace(&mut self.touched, Touched::Nothing)
    }

    /// Notes that nobody knows what was written.
    pub(super) const fn tear(&mut self) {
        self.touched = Touched::Torn;
    }

    /// Notes that something is written, and whether that failed.
    fn wrote<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        self.touched =
            self.touched.max(if result.is_ok() { Touched::Written } else { Touched::Torn });
        result
    }

    fn set_payer(&mut self, payment_intent: &str, account: &AccountKey) -> Result<(), StoreError> {
        if self.payers.get(payment_intent).map_err(failed)?.is_none() {
            let account = account_bytes(account);
            let set = self.payers.insert(payment_intent, account.as_slice());
            let set = set.map(drop).map_err(failed);
            self.wrote(set)?;
        }
        Ok(())
    }

    /// The number of an account's next movement. A function of its own: the iterator holds on to
    /// pages, and must be gone before anything is written.
    fn next_sequence(&self, key: &AccountKey, account: &[u8]) -> Result<u64, StoreError> {
        let mut rows = self.movements.range((account, 0)..=(account, u64::MAX)).map_err(failed)?;
        let Some((last, _)) = rows.next_back().transpose().map_err(failed)? else { return Ok(0) };
        let last = last.value().1;
        let full = || schema::damaged_movement(key, last, "no number comes after it");
        last.checked_add(1).ok_or_else(full)
    }

    fn unfinished_id(&self, account: &[u8]) -> Result<Option<TopUpId>, StoreError> {
        let id = self.unfinished.get(account).map_err(failed)?;
        Ok(id.map(|id| TopUpId(Uuid::from_bytes(*id.value()))))
    }

    /// An index must not name a top-up that is not there: it would count as none, and a second
    /// charge be made.
    fn known(&self, id: Option<TopUpId>, table: &str, key: &AccountKey) -> Known {
        let Some(id) = id else { return Ok(None) };
        if self.top_ups.get(id.0.as_bytes()).map_err(failed)?.is_none() {
            let why = format!("{table} of {} names it, and it is not there", shown(key));
            return Err(damaged(&TOP_UPS, &id.to_string(), &why));
        }
        Ok(Some(id))
    }
}

type Known = Result<Option<TopUpId>, StoreError>;

impl Book for TableBook<'_> {
    type Error = StoreError;

    fn is_damaged(error: &StoreError) -> bool {
        matches!(error, StoreError::Damaged(_))
    }

    fn account(&self, key: &AccountKey) -> Result<Account, StoreError> {
        schema::account(&self.accounts, key)
    }

    fn set_account(&mut self, key: &AccountKey, account: &Account) -> Result<(), StoreError> {
        let (key, account) = (account_bytes(key), to_postcard(account)?);
        let set = self.accounts.insert(key.as_slice(), account.as_slice());
        let set = set.map(drop).map_err(failed);
        self.wrote(set)
    }

    fn grants(&self, key: &AccountKey) -> Result<Grants, StoreError> {
        schema::grants(&self.grants, key)
    }

    fn set_grants(&mut self, key: &AccountKey, grants: &Grants) -> Result<(), StoreError> {
        self.write_grants(key, grants)
    }

    fn due_grants(&self, now_ms: u64, most: usize) -> Result<Vec<AccountKey>, StoreError> {
        due(&self.grant_ends, now_ms, most)
    }

    fn key(&self, hash: &KeyHash) -> Result<Option<Key>, StoreError> {
        schema::key(&self.keys, hash)
    }

    fn set_key(&mut self, hash: &KeyHash, key: &Key) -> Result<(), StoreError> {
        self.write_key(hash, key)
    }

    fn deduction(&self, id: &DeductionId) -> Result<Option<DeductionRecord>, StoreError> {
        if self.swept.is_forgotten(id) {
            return Ok(None);
        }
        let record = self.deductions.get(id.as_bytes()).map_err(failed)?;
        record.map(|record| schema::read_charge(id, record.value())).transpose()
    }

    fn set_charge(&mut self, id: &DeductionId, record: &DeductionRecord) -> Result<(), StoreError> {
        let record = to_postcard(record)?;
        let before = self.deductions.insert(id.as_bytes(), record.as_slice());
        let is_new = before.map(|before| before.is_none()).map_err(failed);
        if self.wrote(is_new)? {
            self.swept.count_new();
        }
        Ok(())
    }

    fn hold(&self, id: &DeductionId) -> Result<Option<OpenHold>, StoreError> {
        let hold = self.holds.get(id.as_bytes()).map_err(failed)?;
        hold.map(|hold| schema::read_hold(id, hold.value())).transpose()
    }

    fn set_hold(&mut self, id: &DeductionId, hold: Option<&OpenHold>) -> Result<(), StoreError> {
        self.write_hold(id, hold)
    }

    fn ended_holds(&self, now_ms: u64, most: usize) -> Result<Vec<DeductionId>, StoreError> {
        ended(&self.hold_ends, now_ms, most)
    }

    fn tally(&mut self, key: &TallyKey, count: i64, amount: i64) -> Result<(), StoreError> {
        let mut bytes = account_bytes(&key.account);
        bytes.extend_from_slice(&key.hour.to_be_bytes());
        bytes.extend_from_slice(key.route.as_bytes());
        let sums = self.tallies.get(bytes.as_slice()).map_err(failed)?;
        let (counted, summed) = sums.map(|sums| sums.value()).unwrap_or_default();
        let sums = counted.checked_add(count).zip(summed.checked_add(amount));
        let overflows = || {
            let key = format!("{} hour {} {}", shown(&key.account), key.hour, key.route);
            damaged(&TALLIES, &key, "its sum overflows")
        };
        let sums = sums.ok_or_else(overflows)?;
        let set = self.tallies.insert(bytes.as_slice(), sums).map(drop).map_err(failed);
        self.wrote(set)
    }

    fn top_up(&self, id: &TopUpId) -> Result<Option<TopUp>, StoreError> {
        schema::top_up(&self.top_ups, id)
    }

    fn set_top_up(&mut self, top_up: &TopUp) -> Result<(), StoreError> {
        let id = top_up.id.0.as_bytes();
        let mut account = account_bytes(&top_up.account);
        let record = to_json(top_up)?;
        let unfinished = self.unfinished_id(&account)?;
        let before = self.top_ups.insert(id, record.as_slice());
        let is_new = before.map(|before| before.is_none()).map_err(failed);
        let is_new = self.wrote(is_new)?;
        if is_new {
            let set = self.top_ups_by_time.insert((top_up.created_ms, id), ());
            let set = set.map(drop).map_err(failed);
            self.wrote(set)?;
        }
        if !top_up.state.is_finished() {
            let set = self.unfinished.insert(account.as_slice(), id).map(drop).map_err(failed);
            self.wrote(set)?;
        } else if unfinished == Some(top_up.id) {
            // Else another one is under way by now.
            let removed = self.unfinished.remove(account.as_slice()).map(drop).map_err(failed);
            self.wrote(removed)?;
        }
        if let Some(payment_intent) = top_up.state.payment_intent() {
            self.set_payer(payment_intent, &top_up.account)?;
        }
        // A key names the one that was opened last, not the one that was changed last.
        if let Some(key) = top_up.idempotency_key.as_ref().filter(|_| is_new) {
            account.extend_from_slice(key.as_bytes());
            let set = self.named.insert(account.as_slice(), id).map(drop).map_err(failed);
            self.wrote(set)?;
        }
        Ok(())
    }

    fn note_uncharged(
        &mut self,
        top_up: &TopUp,
        waited: Option<&str>,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        self.list_uncharged(top_up, waited, now_ms)
    }

    fn unfinished(&self, account: &AccountKey) -> Result<Option<TopUpId>, StoreError> {
        let id = self.unfinished_id(&account_bytes(account))?;
        self.known(id, "unfinished_top_ups", account)
    }

    fn named(&self, account: &AccountKey, key: &str) -> Result<Option<TopUpId>, StoreError> {
        let mut bytes = account_bytes(account);
        bytes.extend_from_slice(key.as_bytes());
        let id = self.named.get(bytes.as_slice()).map_err(failed)?;
        let id = id.map(|id| TopUpId(Uuid::from_bytes(*id.value())));
        self.known(id, "named_top_ups", account)
    }

    fn record(&mut self, key: &AccountKey, movement: &Movement) -> Result<(), StoreError> {
        let reference = reference_bytes(key, movement.posting.kind, &movement.posting.reference);
        let account = account_bytes(key);
        let next = self.next_sequence(key, &account)?;
        let record = to_json(movement)?;
        if movement.posting.kind == Kind::TopUp {
            self.set_payer(&movement.posting.reference, key)?;
        }
        let place = (account.as_slice(), next);
        let set = self.movements.insert(place, record.as_slice()).map(drop).map_err(failed);
        self.wrote(set)?;
        let set = self.references.insert(reference.as_slice(), next).map(drop).map_err(failed);
        self.wrote(set)?;
        let kind = movement.posting.kind.as_str().as_bytes();
        let place = (kind, movement.at_ms, reference.as_slice());
        let set = self.movements_by_time.insert(place, next).map(drop).map_err(failed);
        self.wrote(set)
    }

    /// The index must name a movement of this kind and reference: else a second one would be posted.
    fn movement(
        &self,
        key: &AccountKey,
        kind: Kind,
        reference: &str,
    ) -> Result<Option<Movement>, StoreError> {
        schema::movement(&self.references, &self.movements, key, kind, reference)
    }
}

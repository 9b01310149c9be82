//! Reading outside of write transactions: a snapshot of what is committed.

use std::time::Duration;

use redb::{ReadOnlyTable, ReadTransaction, ReadableTable};
use stripe402_protocol::{ClientId, DeductionId};
use uuid::Uuid;

use super::{
    super::{StoreError, StoredDeduction, Tally},
    book::{due, ended},
    damage::{damaged, shown},
    encoding::{self, account_bytes},
    schema::{
        self, ACCOUNTS, AGREED, CHARGES, COUNTS, CUSTOMERS, GRANT_ENDS, GRANTS, HOLD_ENDS, HOLDS,
        MOVEMENTS, PAYERS, REFERENCES, TALLIES, TOP_UPS, UNFINISHED, failed,
    },
};
use crate::accounting::{
    Account, AccountKey, Balance, DeductionRecord, Kind, Limit, Movement, OpenHold, TopUp, TopUpId,
};

/// A snapshot.
pub(super) struct Snapshot(pub(super) ReadTransaction);

impl Snapshot {
    pub(super) const fn new(transaction: ReadTransaction) -> Self {
        Self(transaction)
    }

    pub(super) fn account(&self, key: &AccountKey) -> Result<Account, StoreError> {
        schema::account(&self.0.open_table(ACCOUNTS).map_err(failed)?, key)
    }

    pub(super) fn balance(&self, key: &AccountKey) -> Result<Balance, StoreError> {
        let account = self.account(key)?;
        let grants = schema::grants(&self.0.open_table(GRANTS).map_err(failed)?, key)?;
        Ok(Balance { account, grants: grants.reckoned(&account) })
    }

    pub(super) fn has_due_grant(&self, now_ms: u64) -> Result<bool, StoreError> {
        let ends = self.0.open_table(GRANT_ENDS).map_err(failed)?;
        Ok(!due(&ends, now_ms, 1)?.is_empty())
    }

    /// What a client may know of an id.
    pub(super) fn deduction(
        &self,
        client: &ClientId,
        id: &DeductionId,
        first_remembered: &DeductionId,
    ) -> Result<Option<DeductionRecord>, StoreError> {
        let holds = self.0.open_table(HOLDS).map_err(failed)?;
        let open = holds.get(id.as_bytes()).map_err(failed)?;
        let open = open.map(|hold| schema::read_hold(id, hold.value())).transpose()?;
        let records = self.0.open_table(CHARGES).map_err(failed)?;
        let record = records.get(id.as_bytes()).map_err(failed)?;
        let record = record.filter(|_| id >= first_remembered);
        let record = record.map(|record| schema::read_charge(id, record.value())).transpose()?;
        Ok(DeductionRecord::shown_to(client, open, record))
    }

    pub(super) fn has_ended_hold(&self, now_ms: u64) -> Result<bool, StoreError> {
        let ends = self.0.open_table(HOLD_ENDS).map_err(failed)?;
        Ok(!ended(&ends, now_ms, 1)?.is_empty())
    }

    /// The holds of a client, or of all, the earliest end first.
    pub(super) fn open_holds(
        &self,
        client: Option<&ClientId>,
        most: usize,
    ) -> Result<Vec<(DeductionId, OpenHold)>, StoreError> {
        let ends = self.0.open_table(HOLD_ENDS).map_err(failed)?;
        let holds = self.0.open_table(HOLDS).map_err(failed)?;
        let mut found = Vec::new();
        for row in ends.iter().map_err(failed)? {
            if found.len() >= most {
                break;
            }
            let id = DeductionId::from_bytes(*row.map_err(failed)?.0.value().1);
            let Some(hold) = holds.get(id.as_bytes()).map_err(failed)? else { continue };
            let hold = usable(schema::read_hold(&id, hold.value()))?;
            let own = |hold: &OpenHold| client.is_none_or(|of| *of == hold.account.client);
            found.extend(hold.filter(own).map(|hold| (id, hold)));
        }
        Ok(found)
    }

    pub(super) fn movements(&self, key: &AccountKey) -> Result<Vec<Movement>, StoreError> {
        schema::movements(&self.0.open_table(MOVEMENTS).map_err(failed)?, key)
    }

    pub(super) fn movement(
        &self,
        key: &AccountKey,
        kind: Kind,
        reference: &str,
    ) -> Result<Option<Movement>, StoreError> {
        let references = self.0.open_table(REFERENCES).map_err(failed)?;
        let movements = self.0.open_table(MOVEMENTS).map_err(failed)?;
        schema::movement(&references, &movements, key, kind, reference)
    }

    pub(super) fn customer(&self, client: &ClientId) -> Result<Option<String>, StoreError> {
        let customers = self.0.open_table(CUSTOMERS).map_err(failed)?;
        let customer = customers.get(client.as_bytes()).map_err(failed)?;
        let damaged = |why: String| damaged(&CUSTOMERS, &client.subject(), &why);
        customer.map(|customer| encoding::text(&customer).map_err(damaged)).transpose()
    }

    pub(super) fn agreed(&self, anchor: &ClientId) -> Result<Option<ClientId>, StoreError> {
        let agreed = self.0.open_table(AGREED).map_err(failed)?;
        let known = agreed.get(anchor.as_bytes()).map_err(failed)?;
        Ok(known.map(|id| ClientId::from_bytes(*id.value())))
    }

    pub(super) fn payer(&self, payment_intent: &str) -> Result<Option<AccountKey>, StoreError> {
        let payers = self.0.open_table(PAYERS).map_err(failed)?;
        let payer = payers.get(payment_intent).map_err(failed)?;
        payer.map(|bytes| encoding::account_key(&PAYERS, bytes.value())).transpose()
    }

    pub(super) fn within(
        &self,
        limit: &Limit,
        now_ms: u64,
    ) -> Result<Option<Duration>, StoreError> {
        let counts = self.0.open_table(COUNTS).map_err(failed)?;
        Ok(limit.wait(&schema::counts(&counts, limit, now_ms)?, now_ms))
    }

    pub(super) fn top_up(&self, id: &TopUpId) -> Result<Option<TopUp>, StoreError> {
        schema::top_up(&self.0.open_table(TOP_UPS).map_err(failed)?, id)
    }

    /// Without those whose record is damaged, which is logged: the others are to be carried out.
    pub(super) fn unfinished_top_ups(&self) -> Result<Vec<TopUp>, StoreError> {
        let top_ups = self.0.open_table(TOP_UPS).map_err(failed)?;
        let unfinished = self.0.open_table(UNFINISHED).map_err(failed)?;
        let mut found = Vec::new();
        for row in unfinished.iter().map_err(failed)? {
            let (_, id) = row.map_err(failed)?;
            let id = TopUpId(Uuid::from_bytes(*id.value()));
            found.extend(usable(schema::top_up(&top_ups, &id))?.flatten());
        }
        Ok(found)
    }

    pub(super) fn accounts(
        &self,
        client: Option<&ClientId>,
        after: Option<&AccountKey>,
        most: usize,
    ) -> Result<Vec<AccountKey>, StoreError> {
        let accounts = self.0.open_table(ACCOUNTS).map_err(failed)?;
        let from = client.map(|client| client.as_bytes().to_vec()).unwrap_or_default();
        // Keys have one length: one byte more comes right after a key.
        let from = after.map_or(from, |key| [account_bytes(key), vec![0]].concat());
        let mut found = Vec::new();
        for row in accounts.range(from.as_slice()..).map_err(failed)?.take(most) {
            let (key, _) = row.map_err(failed)?;
            let key = encoding::account_key(&ACCOUNTS, key.value())?;
            if client.is_some_and(|client| *client != key.client) {
                break;
            }
            found.push(key);
        }
        Ok(found)
    }

    pub(super) fn tallies(&self, key: &AccountKey) -> Result<Vec<Tally>, StoreError> {
        let tallies: ReadOnlyTable<&[u8], (i64, i64)> =
            self.0.open_table(TALLIES).map_err(failed)?;
        let account = account_bytes(key);
        let mut found = Vec::new();
        for row in tallies.range(account.as_slice()..).map_err(failed)? {
            let (bytes, sums) = row.map_err(failed)?;
            let Some(rest) = bytes.value().strip_prefix(account.as_slice()) else { break };
            let no_hour = || damaged(&TALLIES, &shown(key), "its key has no hour");
            let (hour, route) = rest.split_first_chunk::<8>().ok_or_else(no_hour)?;
            let (count, amount) = sums.value();
            found.push(Tally {
                route: String::from_utf8_lossy(route).into_owned(),
                hour: u64::from_be_bytes(*hour),
                count,
                amount,
            });
        }
        Ok(found)
    }

    /// Looks through all that is remembered, newest first: for operators, not for requests.
    pub(super) fn deductions(
        &self,
        key: &AccountKey,
        first: &DeductionId,
        most: usize,
    ) -> Result<Vec<StoredDeduction>, StoreError> {
        let deductions = self.0.open_table(CHARGES).map_err(failed)?;
        let mut found = Vec::new();
        let rows = deductions.range::<&[u8; 16]>(first.as_bytes()..).map_err(failed)?;
        for row in rows.rev() {
            if found.len() == most {
                break;
            }
            let (id, record) = row.map_err(failed)?;
            let id = DeductionId::from_bytes(*id.value());
            let record = usable(schema::read_charge(&id, record.value()))?;
            let taken = record.as_ref().and_then(DeductionRecord::taken);
            if let Some((_, amount, route)) = taken.filter(|(account, ..)| *account == key) {
                found.push(StoredDeduction { id, route: route.to_owned(), amount });
            }
        }
        Ok(found)
    }
}

/// A record for a list of many: one that is damaged, which was logged, is left out.
pub(super) fn usable<T>(record: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match record {
        Ok(record) => Ok(Some(record)),
        Err(StoreError::Damaged(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

//! The books in memory: the oracle that stores are tested against.

use std::collections::{BTreeMap, BTreeSet};

use stripe402_protocol::{ClientId, DeductionId};

use super::{
    Account, AccountKey, Book, DeductionRecord, Grants, Key, KeyHash, Kind, Movement, OpenHold,
    Rotation, TallyKey, TopUp, TopUpId,
};

/// The books in memory: the oracle that stores are tested against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    accounts: BTreeMap<AccountKey, Account>,
    /// Of clients whose ids were rotated: accounts that are new say the same.
    rotations: BTreeMap<ClientId, Rotation>,
    grants: BTreeMap<AccountKey, Grants>,
    keys: BTreeMap<KeyHash, Key>,
    deductions: BTreeMap<DeductionId, DeductionRecord>,
    holds: BTreeMap<DeductionId, OpenHold>,
    /// When which of them ends.
    hold_ends: BTreeSet<(u64, DeductionId)>,
    tallies: BTreeMap<TallyKey, (i64, i64)>,
    top_ups: BTreeMap<TopUpId, TopUp>,
    unfinished: BTreeMap<AccountKey, TopUpId>,
    named: BTreeMap<(AccountKey, String), TopUpId>,
    movements: Vec<(AccountKey, Movement)>,
    /// Where each account's movements are.
    of_account: BTreeMap<AccountKey, Vec<usize>>,
    /// Where each movement is.
    by_reference: BTreeMap<(AccountKey, Kind, String), usize>,
    payers: BTreeMap<String, AccountKey>,
    /// When which top-up ended without a charge, and the PaymentIntent that had waited.
    uncharged: BTreeMap<(u64, TopUpId), Option<String>>,
}

impl Memory {
    /// Every account that was ever touched.
    #[must_use]
    pub const fn accounts(&self) -> &BTreeMap<AccountKey, Account> {
        &self.accounts
    }

    /// Every deduction that is remembered.
    #[must_use]
    pub const fn deductions(&self) -> &BTreeMap<DeductionId, DeductionRecord> {
        &self.deductions
    }

    /// Every key.
    #[must_use]
    pub const fn keys(&self) -> &BTreeMap<KeyHash, Key> {
        &self.keys
    }

    /// Every hold that is not settled.
    #[must_use]
    pub const fn holds(&self) -> &BTreeMap<DeductionId, OpenHold> {
        &self.holds
    }

    /// Every top-up.
    #[must_use]
    pub const fn top_ups(&self) -> &BTreeMap<TopUpId, TopUp> {
        &self.top_ups
    }

    /// Forgets deductions before this one; their sums stay.
    pub fn forget_charges_before(&mut self, first: &DeductionId) {
        self.deductions = self.deductions.split_off(first);
    }

    /// Forgets top-ups that ended without a charge up to then, and all that only they had; answers
    /// the clients of whom nothing is left.
    pub fn forget_uncharged_until(&mut self, until_ms: u64) -> BTreeSet<ClientId> {
        let mut clients = BTreeSet::new();
        while let Some(due) = self.uncharged.first_entry().filter(|due| due.key().0 <= until_ms) {
            let ((_, id), waited) = due.remove_entry();
            // Or it was charged after all, and stays.
            let uncharged = self.top_ups.get(&id).is_some_and(|of| of.state.is_without_charge());
            let Some(top_up) = uncharged.then(|| self.top_ups.remove(&id)).flatten() else {
                continue;
            };
            if let Some(key) = top_up.idempotency_key {
                let name = (top_up.account, key);
                if self.named.get(&name) == Some(&id) {
                    self.named.remove(&name);
                }
            }
            if let Some(payment_intent) = waited {
                self.forget_payer(&payment_intent, top_up.account);
            }
            clients.insert(top_up.account.client);
        }
        clients.retain(|client| {
            !self.accounts.keys().any(|key| key.client == *client)
                && !self.top_ups.values().any(|of| of.account.client == *client)
        });
        clients
    }

    /// Unless it was credited there.
    fn forget_payer(&mut self, payment_intent: &str, account: AccountKey) {
        let credit = (account, Kind::TopUp, payment_intent.to_owned());
        if self.payer(payment_intent) == Some(account) && !self.by_reference.contains_key(&credit) {
            self.payers.remove(payment_intent);
        }
    }

    /// Every movement so far, oldest first.
    #[must_use]
    pub fn movements(&self) -> &[(AccountKey, Movement)] {
        &self.movements
    }

    /// An account's movements, oldest first.
    pub fn movements_of(&self, key: &AccountKey) -> impl Iterator<Item = &Movement> {
        let places = self.of_account.get(key).into_iter().flatten();
        places.filter_map(|place| self.movements.get(*place)).map(|(_, movement)| movement)
    }

    /// The account that a PaymentIntent was ever known of.
    #[must_use]
    pub fn payer(&self, payment_intent: &str) -> Option<AccountKey> {
        self.payers.get(payment_intent).copied()
    }

    fn set_payer(&mut self, payment_intent: &str, account: AccountKey) {
        self.payers.entry(payment_intent.to_owned()).or_insert(account);
    }

    /// Rotates a client's id: `after` is in the place of `before`. False, and nothing is done, if something else
    /// is there by now.
    pub fn rotate(&mut self, client: &ClientId, before: Rotation, after: Rotation) -> bool {
        if self.rotations.get(client).copied().unwrap_or_default() != before {
            return false;
        }
        self.rotations.insert(*client, after);
        let own = self.accounts.iter_mut().filter(|(key, _)| key.client == *client);
        own.for_each(|(_, account)| account.rotation = after);
        true
    }

    /// Every sum so far: how many deductions, how many units.
    #[must_use]
    pub const fn tallies(&self) -> &BTreeMap<TallyKey, (i64, i64)> {
        &self.tallies
    }
}

impl Book for Memory {
    type Error = core::convert::Infallible;

    fn account(&self, key: &AccountKey) -> Result<Account, Self::Error> {
        let rotation = self.rotations.get(&key.client).copied().unwrap_or_default();
        let new = Account { rotation, ..Account::default() };
        Ok(self.accounts.get(key).copied().unwrap_or(new))
    }

    fn set_account(&mut self, key: &AccountKey, account: &Account) -> Result<(), Self::Error> {
        if account.rotation != Rotation::default() {
            self.rotations.insert(key.client, account.rotation);
        }
        self.accounts.insert(*key, *account);
        Ok(())
    }

    fn grants(&self, key: &AccountKey) -> Result<Grants, Self::Error> {
        Ok(self.grants.get(key).cloned().unwrap_or_default())
    }

    fn set_grants(&mut self, key: &AccountKey, grants: &Grants) -> Result<(), Self::Error> {
        if grants.is_empty() {
            self.grants.remove(key);
        } else {
            self.grants.insert(*key, grants.clone());
        }
        Ok(())
    }

    fn due_grants(&self, now_ms: u64, most: usize) -> Result<Vec<AccountKey>, Self::Error> {
        let is_due = |grants: &Grants| grants.due_ms().is_some_and(|due_ms| due_ms <= now_ms);
        let due = self.grants.iter().filter(|(_, grants)| is_due(grants));
        Ok(due.take(most).map(|(key, _)| *key).collect())
    }

    fn key(&self, hash: &KeyHash) -> Result<Option<Key>, Self::Error> {
        Ok(self.keys.get(hash).cloned())
    }

    fn set_key(&mut self, hash: &KeyHash, key: &Key) -> Result<(), Self::Error> {
        self.keys.insert(*hash, key.clone());
        Ok(())
    }

    fn deduction(&self, id: &DeductionId) -> Result<Option<DeductionRecord>, Self::Error> {
        Ok(self.deductions.get(id).cloned())
    }

    fn set_charge(
        &mut self,
        id: &DeductionId,
        record: &DeductionRecord,
    ) -> Result<(), Self::Error> {
        self.deductions.insert(*id, record.clone());
        Ok(())
    }

    fn hold(&self, id: &DeductionId) -> Result<Option<OpenHold>, Self::Error> {
        Ok(self.holds.get(id).cloned())
    }

    fn set_hold(&mut self, id: &DeductionId, hold: Option<&OpenHold>) -> Result<(), Self::Error> {
        let before = match hold {
            Some(hold) => self.holds.insert(*id, hold.clone()),
            None => self.holds.remove(id),
        };
        if let Some(before) = before {
            self.hold_ends.remove(&(before.terms.ends_ms, *id));
        }
        self.hold_ends.extend(hold.map(|hold| (hold.terms.ends_ms, *id)));
        Ok(())
    }

    fn ended_holds(&self, now_ms: u64, most: usize) -> Result<Vec<DeductionId>, Self::Error> {
        let ended = self.hold_ends.iter().take_while(|(ends_ms, _)| *ends_ms <= now_ms);
        Ok(ended.take(most).map(|(_, id)| *id).collect())
    }

    fn tally(&mut self, key: &TallyKey, count: i64, amount: i64) -> Result<(), Self::Error> {
        let sums = self.tallies.entry(key.clone()).or_default();
        *sums = (sums.0.saturating_add(count), sums.1.saturating_add(amount));
        Ok(())
    }

    fn top_up(&self, id: &TopUpId) -> Result<Option<TopUp>, Self::Error> {
        Ok(self.top_ups.get(id).cloned())
    }

    fn set_top_up(&mut self, top_up: &TopUp) -> Result<(), Self::Error> {
        if top_up.state.is_finished() {
            // Another one may be under way by now.
            if self.unfinished.get(&top_up.account) == Some(&top_up.id) {
                self.unfinished.remove(&top_up.account);
            }
        } else {
            self.unfinished.insert(top_up.account, top_up.id);
        }
        // A key names the one that was opened last, not the one that was changed last.
        if let Some(key) = &top_up.idempotency_key
            && !self.top_ups.contains_key(&top_up.id)
        {
            self.named.insert((top_up.account, key.clone()), top_up.id);
        }
        if let Some(payment_intent) = top_up.state.payment_intent() {
            self.set_payer(payment_intent, top_up.account);
        }
        self.top_ups.insert(top_up.id, top_up.clone());
        Ok(())
    }

    fn note_uncharged(
        &mut self,
        top_up: &TopUp,
        waited: Option<&str>,
        now_ms: u64,
    ) -> Result<(), Self::Error> {
        self.uncharged.insert((now_ms, top_up.id), waited.map(ToOwned::to_owned));
        Ok(())
    }

    fn unfinished(&self, account: &AccountKey) -> Result<Option<TopUpId>, Self::Error> {
        Ok(self.unfinished.get(account).copied())
    }

    fn named(&self, account: &AccountKey, key: &str) -> Result<Option<TopUpId>, Self::Error> {
        Ok(self.named.get(&(*account, key.to_owned())).copied())
    }

    fn record(&mut self, key: &AccountKey, movement: &Movement) -> Result<(), Self::Error> {
        if movement.posting.kind == Kind::TopUp {
            self.set_payer(&movement.posting.reference, *key);
        }
        let (posting, place) = (&movement.posting, self.movements.len());
        self.of_account.entry(*key).or_default().push(place);
        // The first one of a name is the one that counts.
        let name = (*key, posting.kind, posting.reference.clone());
        self.by_reference.entry(name).or_insert(place);
        self.movements.push((*key, movement.clone()));
        Ok(())
    }

    fn movement(
        &self,
        key: &AccountKey,
        kind: Kind,
        reference: &str,
    ) -> Result<Option<Movement>, Self::Error> {
        let place = self.by_reference.get(&(*key, kind, reference.to_owned()));
        Ok(place.and_then(|place| self.movements.get(*place)).map(|(_, movement)| movement.clone()))
    }
}

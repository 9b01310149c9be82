//! What the accounting reads and writes, and the same in memory.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stripe402_protocol::{ChargeId, ClientId, Currency, Units};

use super::{Movement, TallyKey, TopUp, TopUpId};

/// One client's account in one currency: units of one never pay in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountKey {
    /// Whose account.
    pub client: ClientId,
    /// In which currency.
    pub currency: Currency,
}

/// What is remembered of a charge id, so that it takes effect at most once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChargeRecord {
    /// The amount was taken.
    Deducted {
        /// From where.
        account: AccountKey,
        /// How much.
        amount: Units,
        /// For which priced route.
        route: String,
        /// The answer given then, given again if the charge is repeated.
        balance_after: Units,
    },
    /// The amount was taken and given back.
    Voided,
    /// The void came first; the charge will be refused.
    RefusedInAdvance,
}

/// One transaction's view of the books.
///
/// Reads see the writes made before them in the same transaction; nothing outside sees any until
/// all of them are durable together.
pub trait Book {
    /// The store's own failure; the transaction is then given up as a whole.
    type Error;

    /// What can be spent; an account that was never topped up has nothing.
    ///
    /// # Errors
    /// The store's.
    fn balance(&self, account: &AccountKey) -> Result<Units, Self::Error>;
    /// # Errors
    /// The store's.
    fn set_balance(&mut self, account: &AccountKey, balance: Units) -> Result<(), Self::Error>;

    /// # Errors
    /// The store's.
    fn charge(&self, id: &ChargeId) -> Result<Option<ChargeRecord>, Self::Error>;
    /// # Errors
    /// The store's.
    fn set_charge(&mut self, id: &ChargeId, record: &ChargeRecord) -> Result<(), Self::Error>;

    /// Adds to the sums that are kept for ever.
    ///
    /// # Errors
    /// The store's.
    fn tally(&mut self, key: &TallyKey, count: i64, amount: i64) -> Result<(), Self::Error>;

    /// # Errors
    /// The store's.
    fn top_up(&self, id: &TopUpId) -> Result<Option<TopUp>, Self::Error>;
    /// Writes the record, and keeps "the unfinished top-up of this account" in step with it.
    ///
    /// # Errors
    /// The store's.
    fn set_top_up(&mut self, top_up: &TopUp) -> Result<(), Self::Error>;
    /// The account's one unfinished top-up.
    ///
    /// # Errors
    /// The store's.
    fn unfinished(&self, account: &AccountKey) -> Result<Option<TopUpId>, Self::Error>;
    /// The account's latest top-up under this idempotency key.
    ///
    /// # Errors
    /// The store's.
    fn named(&self, account: &AccountKey, key: &str) -> Result<Option<TopUpId>, Self::Error>;

    /// Appends to the account's movements, which are never changed.
    ///
    /// # Errors
    /// The store's.
    fn record(&mut self, account: &AccountKey, movement: &Movement) -> Result<(), Self::Error>;
}

/// The books in memory: the oracle that stores are tested against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    balances: BTreeMap<AccountKey, Units>,
    charges: BTreeMap<ChargeId, ChargeRecord>,
    tallies: BTreeMap<TallyKey, (i64, i64)>,
    top_ups: BTreeMap<TopUpId, TopUp>,
    unfinished: BTreeMap<AccountKey, TopUpId>,
    named: BTreeMap<(AccountKey, String), TopUpId>,
    movements: Vec<(AccountKey, Movement)>,
}

impl Memory {
    /// Every movement so far, oldest first.
    #[must_use]
    pub fn movements(&self) -> &[(AccountKey, Movement)] {
        &self.movements
    }

    /// Every sum so far: how many charges, how many units.
    #[must_use]
    pub const fn tallies(&self) -> &BTreeMap<TallyKey, (i64, i64)> {
        &self.tallies
    }
}

impl Book for Memory {
    type Error = core::convert::Infallible;

    fn balance(&self, account: &AccountKey) -> Result<Units, Self::Error> {
        Ok(self.balances.get(account).copied().unwrap_or_default())
    }

    fn set_balance(&mut self, account: &AccountKey, balance: Units) -> Result<(), Self::Error> {
        self.balances.insert(*account, balance);
        Ok(())
    }

    fn charge(&self, id: &ChargeId) -> Result<Option<ChargeRecord>, Self::Error> {
        Ok(self.charges.get(id).cloned())
    }

    fn set_charge(&mut self, id: &ChargeId, record: &ChargeRecord) -> Result<(), Self::Error> {
        self.charges.insert(*id, record.clone());
        Ok(())
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
            self.unfinished.remove(&top_up.account);
        } else {
            self.unfinished.insert(top_up.account, top_up.id);
        }
        if let Some(key) = &top_up.idempotency_key {
            self.named.insert((top_up.account, key.clone()), top_up.id);
        }
        self.top_ups.insert(top_up.id, top_up.clone());
        Ok(())
    }

    fn unfinished(&self, account: &AccountKey) -> Result<Option<TopUpId>, Self::Error> {
        Ok(self.unfinished.get(account).copied())
    }

    fn named(&self, account: &AccountKey, key: &str) -> Result<Option<TopUpId>, Self::Error> {
        Ok(self.named.get(&(*account, key.to_owned())).copied())
    }

    fn record(&mut self, account: &AccountKey, movement: &Movement) -> Result<(), Self::Error> {
        self.movements.push((*account, movement.clone()));
        Ok(())
    }
}

//! What the accounting reads and writes.

use serde::{Deserialize, Serialize};
use stripe402_protocol::{ClientId, DeductionId, Units, message::HoldTerms};

use super::{Account, AccountKey, Grants, Key, KeyHash, Kind, Movement, TallyKey, TopUp, TopUpId};

/// What is remembered of a deduction id, so that it takes effect at most once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeductionRecord {
    /// The amount was taken.
    Deducted {
        /// From where.
        account: AccountKey,
        /// How much.
        amount: Units,
        /// For which priced route.
        route: String,
        /// The answer given then, given again if the deduction is repeated.
        balance_after: Units,
    },
    /// The amount was taken and given back, or held and released.
    Voided {
        /// To where.
        account: AccountKey,
    },
    /// The void came first; the deduction will be refused.
    RefusedInAdvance,
    /// The amount is held; see [`OpenHold`].
    Held {
        /// From where.
        account: AccountKey,
        /// How much.
        amount: Units,
        /// For which priced route.
        route: String,
        /// The answer given then.
        balance_after: Units,
    },
    /// The hold is settled.
    Captured {
        /// From where.
        account: AccountKey,
        /// How much was held.
        held: Units,
        /// How much of it was taken.
        captured: Units,
        /// For which priced route.
        route: String,
        /// The answer given to the hold.
        balance_after: Units,
        /// What was left after the capture.
        left: Units,
        /// How many requests it was taken for.
        count: u32,
    },
    /// The capture came first; of the hold only so much will be taken.
    CapturedInAdvance {
        /// Whose hold it must be.
        client: ClientId,
        /// How much.
        amount: Units,
        /// For how many requests.
        count: u32,
    },
}

impl DeductionRecord {
    /// What was taken and stands: from where, how much, for which route.
    #[must_use]
    pub fn taken(&self) -> Option<(&AccountKey, Units, &str)> {
        match self {
            Self::Deducted { account, amount, route, .. }
            | Self::Captured { account, captured: amount, route, .. } => {
                Some((account, *amount, route))
            }
            _ => None,
        }
    }

    /// What a client may know of an id, by the open hold and the record of this id. Of marks, which come
    /// before any money moves, and of other clients' ids it learns nothing, as of ids that were never used.
    #[must_use]
    pub fn shown_to(
        client: &ClientId,
        open: Option<OpenHold>,
        record: Option<Self>,
    ) -> Option<Self> {
        let known = open.map(OpenHold::into_record).or(record)?;
        let is_own = known.payer().is_some_and(|account| account.client == *client);
        is_own.then_some(known)
    }

    /// Whose money moved; nobody's if only a mark is there.
    #[must_use]
    pub const fn payer(&self) -> Option<&AccountKey> {
        match self {
            Self::Deducted { account, .. }
            | Self::Voided { account }
            | Self::Held { account, .. }
            | Self::Captured { account, .. } => Some(account),
            Self::RefusedInAdvance | Self::CapturedInAdvance { .. } => None,
        }
    }
}

/// A hold that is not settled. It is kept until then, however old it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenHold {
    /// Where the amount is pending.
    pub account: AccountKey,
    /// How much.
    pub amount: Units,
    /// For which priced route.
    pub route: String,
    /// When it ends, and what is captured then.
    pub terms: HoldTerms,
    /// The answer given to the hold.
    pub balance_after: Units,
}

impl OpenHold {
    /// What is remembered of its id while it is open.
    #[must_use]
    pub fn into_record(self) -> DeductionRecord {
        let Self { account, amount, route, terms: _, balance_after } = self;
        DeductionRecord::Held { account, amount, route, balance_after }
    }
}

/// One transaction's view of the books.
///
/// Reads see the writes made before them in the same transaction; nothing outside sees any until
/// all of them are durable together.
pub trait Book {
    /// The store's own failure; the transaction is then given up as a whole.
    type Error;

    /// Whether it is about one record that cannot be read, or about one sum that can take no more.
    /// A batch goes on without it: a damaged record of one client must not fail the others.
    fn is_damaged(_error: &Self::Error) -> bool {
        false
    }

    /// An account; one that was never topped up is empty.
    ///
    /// # Errors
    /// The store's.
    fn account(&self, key: &AccountKey) -> Result<Account, Self::Error>;
    /// # Errors
    /// The store's.
    fn set_account(&mut self, key: &AccountKey, account: &Account) -> Result<(), Self::Error>;

    /// What is left of an account's grants, as it was reckoned last.
    ///
    /// # Errors
    /// The store's.
    fn grants(&self, key: &AccountKey) -> Result<Grants, Self::Error>;
    /// # Errors
    /// The store's.
    fn set_grants(&mut self, key: &AccountKey, grants: &Grants) -> Result<(), Self::Error>;
    /// The accounts of which a grant may have expired by then ([`Grants::due_ms`]); at most `most`.
    ///
    /// # Errors
    /// The store's.
    fn due_grants(&self, now_ms: u64, most: usize) -> Result<Vec<AccountKey>, Self::Error>;

    /// A key.
    ///
    /// # Errors
    /// The store's.
    fn key(&self, hash: &KeyHash) -> Result<Option<Key>, Self::Error>;
    /// # Errors
    /// The store's.
    fn set_key(&mut self, hash: &KeyHash, key: &Key) -> Result<(), Self::Error>;

    /// # Errors
    /// The store's.
    fn deduction(&self, id: &DeductionId) -> Result<Option<DeductionRecord>, Self::Error>;
    /// # Errors
    /// The store's.
    fn set_charge(&mut self, id: &DeductionId, record: &DeductionRecord)
    -> Result<(), Self::Error>;

    /// A hold that is not settled.
    ///
    /// # Errors
    /// The store's.
    fn hold(&self, id: &DeductionId) -> Result<Option<OpenHold>, Self::Error>;
    /// Opens a hold, or, with `None`, closes it.
    ///
    /// # Errors
    /// The store's.
    fn set_hold(&mut self, id: &DeductionId, hold: Option<&OpenHold>) -> Result<(), Self::Error>;
    /// The holds that have ended by then, in order of their ends; at most `most`.
    ///
    /// # Errors
    /// The store's.
    fn ended_holds(&self, now_ms: u64, most: usize) -> Result<Vec<DeductionId>, Self::Error>;

    /// Adds to the sums that are kept for ever.
    ///
    /// # Errors
    /// The store's.
    fn tally(&mut self, key: &TallyKey, count: i64, amount: i64) -> Result<(), Self::Error>;

    /// # Errors
    /// The store's.
    fn top_up(&self, id: &TopUpId) -> Result<Option<TopUp>, Self::Error>;
    /// Writes the record, and keeps "the unfinished top-up of this account" and whose its PaymentIntent
    /// is in step with it. The first time it is written, its idempotency key names it from then on.
    ///
    /// # Errors
    /// The store's.
    fn set_top_up(&mut self, top_up: &TopUp) -> Result<(), Self::Error>;
    /// Notes that a top-up ended without a charge at this moment, so that it is forgotten in its time
    /// ([`super::UNCHARGED_KEPT`]). `waited` is its PaymentIntent, if that waited for its cardholder.
    ///
    /// # Errors
    /// The store's.
    fn note_uncharged(
        &mut self,
        top_up: &TopUp,
        waited: Option<&str>,
        now_ms: u64,
    ) -> Result<(), Self::Error>;
    /// The account's one unfinished top-up.
    ///
    /// # Errors
    /// The store's.
    fn unfinished(&self, account: &AccountKey) -> Result<Option<TopUpId>, Self::Error>;
    /// The account's top-up that was opened last under this idempotency key.
    ///
    /// # Errors
    /// The store's.
    fn named(&self, account: &AccountKey, key: &str) -> Result<Option<TopUpId>, Self::Error>;

    /// Appends to the account's movements, which are never changed. A top-up's says whose its
    /// PaymentIntent is.
    ///
    /// # Errors
    /// The store's.
    fn record(&mut self, key: &AccountKey, movement: &Movement) -> Result<(), Self::Error>;
    /// The account's movement of this kind and reference.
    ///
    /// # Errors
    /// The store's.
    fn movement(
        &self,
        key: &AccountKey,
        kind: Kind,
        reference: &str,
    ) -> Result<Option<Movement>, Self::Error>;
}

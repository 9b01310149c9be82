//! The parts of a store. Each method is one transaction, durable before it answers.

use std::time::Duration;

use async_trait::async_trait;
use stripe402_protocol::{
    ClientId, Currency, DeductionId,
    message::{self, Batch, BatchAnswer, Deduction, DeductionOutcome},
};

use super::{AuditPage, MovementPage, StoreError, StoredDeduction, Tally, TopUpPage, scan};
use crate::accounting::{
    Account, AccountKey, Advance, AuditEntry, Balance, DeductionRecord, Expired, Key, KeyHash,
    Kind, Limit, Movement, NewTopUp, OpenHold, Opened, Posted, Posting, Rotation, Settled, State,
    TopUp, TopUpId,
};

/// Balances: what changes them, and what they are.
#[async_trait]
pub trait Accounts: Send + Sync + 'static {
    /// Carries out a batch as [`crate::accounting::apply_batch`] says.
    async fn batch(&self, batch: Batch) -> Result<BatchAnswer, StoreError>;

    /// Carries out a charge whose gateway does not know the client yet, as a card payment's: a
    /// void of it may come without a client. Stores that keep deductions by client write down whose
    /// it is first. A card pays ([`crate::accounting::Spender::Other`]), whatever ids its client has.
    async fn deduct_for_card(&self, deduction: Deduction) -> Result<DeductionOutcome, StoreError>;

    /// Settles holds whose end has come by the store's clock, as [`crate::accounting::settle_ended`]
    /// says: at most `most`, the earliest first. Every ledger may ask.
    async fn settle_ended_holds(&self, most: usize) -> Result<Vec<Settled>, StoreError>;

    /// What became of a client's deduction or hold: the record of its id, while that is remembered, and
    /// [`DeductionRecord::Held`] for as long as a hold is open. `None` for ids that nobody used or that
    /// are forgotten, for another client's, and for marks ([`DeductionRecord::shown_to`]).
    async fn deduction(
        &self,
        client: ClientId,
        id: DeductionId,
    ) -> Result<Option<DeductionRecord>, StoreError>;

    /// What an account holds; one that was never topped up is empty.
    async fn account(&self, key: AccountKey) -> Result<Account, StoreError>;

    /// Posts a movement as [`crate::accounting::post`] says.
    async fn post(&self, key: AccountKey, posting: Posting) -> Result<Posted, StoreError>;

    /// Posts a grant, which expires then (Unix milliseconds), as [`crate::accounting::post_expiring`] says.
    async fn grant(
        &self,
        key: AccountKey,
        posting: Posting,
        expires_ms: Option<u64>,
    ) -> Result<Posted, StoreError>;

    /// What an account holds, and what is left of its grants.
    async fn balance(&self, key: AccountKey) -> Result<Balance, StoreError>;

    /// Takes back what has expired of grants by the store's clock, as
    /// [`crate::accounting::expire_grants`] says: of at most so many accounts. Every ledger may ask.
    async fn expire_grants(&self, most: usize) -> Result<Vec<Expired>, StoreError>;

    /// Posts a debit of at most what is available, as [`crate::accounting::post_up_to`] says.
    async fn post_up_to(&self, key: AccountKey, posting: Posting) -> Result<Posted, StoreError>;

    /// Posts movements together as [`crate::accounting::post_together`] says.
    async fn post_together(
        &self,
        key: AccountKey,
        postings: Vec<Posting>,
    ) -> Result<Posted, StoreError>;

    /// Calls an account's leases back, as [`crate::accounting::recall_leases`] says.
    async fn recall_leases(&self, key: AccountKey) -> Result<Account, StoreError>;

    /// Waits until a movement outlives the failover of a server, before Stripe is asked for what it
    /// plans. A store whose answers are final need not wait.
    async fn outlives_failover(
        &self,
        _key: AccountKey,
        _kind: Kind,
        _reference: &str,
    ) -> Result<(), StoreError> {
        Ok(())
    }

    /// An account's movement of this kind and reference.
    async fn movement(
        &self,
        key: AccountKey,
        kind: Kind,
        reference: &str,
    ) -> Result<Option<Movement>, StoreError>;
}

/// Keys: what each may spend of its owner's balance.
#[async_trait]
pub trait Keys: Send + Sync + 'static {
    /// A key, by its SHA-256.
    async fn key(&self, hash: KeyHash) -> Result<Option<Key>, StoreError>;

    /// A client's keys, by their hashes.
    async fn keys_of(&self, owner: ClientId) -> Result<Vec<(KeyHash, Key)>, StoreError>;

    /// Makes or changes a key as [`crate::accounting::change_key`] says.
    async fn change_key(&self, hash: KeyHash, after: Key) -> Result<bool, StoreError>;

    /// Puts `after` in the place of `before` in all accounts of a client that has any, together: its id is rotated.
    /// Accounts that it gets later say the same. False, and nothing is done, if `before` is not there any more.
    async fn rotate(
        &self,
        client: ClientId,
        before: Rotation,
        after: Rotation,
    ) -> Result<bool, StoreError>;

    /// Carries out a batch in the name of a key's owner as [`crate::accounting::apply_by_key`] says. What would
    /// take too long may be answered [`DeductionOutcome::Leased`]: it is asked for again.
    async fn batch_by_key(&self, hash: KeyHash, batch: Batch) -> Result<BatchAnswer, StoreError>;
}

/// The records of card charges.
#[async_trait]
pub trait TopUps: Send + Sync + 'static {
    /// Opens a top-up as [`crate::accounting::open`] says.
    async fn open_top_up(&self, wanted: NewTopUp) -> Result<Opened, StoreError>;

    /// Moves a top-up on as [`crate::accounting::advance`] says; if `from` is given, only from there.
    async fn advance_top_up(
        &self,
        id: TopUpId,
        from: Option<State>,
        to: State,
    ) -> Result<Advance, StoreError>;

    /// One top-up.
    async fn top_up(&self, id: TopUpId) -> Result<Option<TopUp>, StoreError>;

    /// Every top-up that is not finished.
    async fn unfinished_top_ups(&self) -> Result<Vec<TopUp>, StoreError>;
}

/// Who a client is at Stripe, and under which id the books know it.
#[async_trait]
pub trait Customers: Send + Sync + 'static {
    /// The Stripe customer of a client.
    async fn customer(&self, client: ClientId) -> Result<Option<String>, StoreError>;

    /// Remembers a client's Stripe customer; the first one stays, and is returned.
    async fn remember_customer(
        &self,
        client: ClientId,
        customer: String,
    ) -> Result<String, StoreError>;

    /// Another Stripe customer in place of one that is gone, if that is still the one or none is
    /// remembered; answers which is.
    async fn replace_customer(
        &self,
        client: ClientId,
        gone: &str,
        customer: String,
    ) -> Result<String, StoreError>;

    /// The account that the books know a PaymentIntent of: it was credited there, or waited there for
    /// its cardholder. What its metadata says anybody with a right to write at Stripe can change.
    async fn payer(&self, payment_intent: &str) -> Result<Option<AccountKey>, StoreError>;

    /// Under which id a client is known: the first that was wanted for it. `anchor` is the least of its
    /// ids by all server secrets, which is the same for ledgers that have them in another order: while a
    /// secret is being replaced they would derive two ids from one card. Without a wish it is only
    /// looked up.
    async fn agreed(
        &self,
        anchor: ClientId,
        wanted: Option<ClientId>,
    ) -> Result<Option<ClientId>, StoreError>;
}

/// Counts that all ledgers share.
#[async_trait]
pub trait Counters: Send + Sync + 'static {
    /// Whether there is room for one more event, by the store's clock; if so and `count`, it is
    /// counted. `None`, or after how long there may be room. All ledgers share the counts, which
    /// go by themselves when they do not count any more; see [`Limit`].
    async fn check_and_count(
        &self,
        limit: &Limit,
        count: bool,
    ) -> Result<Option<Duration>, StoreError>;
}

/// What operators did.
#[async_trait]
pub trait Audit: Send + Sync + 'static {
    /// Writes an entry of the audit record down, for ever. The same one again changes nothing.
    async fn record_action(&self, entry: AuditEntry) -> Result<(), StoreError>;

    /// Entries of the audit record, newest first.
    async fn audit(&self, page: AuditPage) -> Result<Vec<AuditEntry>, StoreError>;
}

/// Lists and sums, for operators and for comparing: never on the way of a request.
#[async_trait]
pub trait Reports: Send + Sync + 'static {
    /// An account's movements, oldest first.
    async fn movements(&self, key: AccountKey) -> Result<Vec<Movement>, StoreError>;

    /// The accounts of this client, or of all clients, after this one, by client id and currency;
    /// at most `most`.
    async fn accounts(
        &self,
        client: Option<ClientId>,
        after: Option<AccountKey>,
        most: usize,
    ) -> Result<Vec<AccountKey>, StoreError>;

    /// The holds of this client, or of all clients, that are not settled, the earliest end first; at
    /// most `most`.
    async fn open_holds(
        &self,
        client: Option<ClientId>,
        most: usize,
    ) -> Result<Vec<(DeductionId, OpenHold)>, StoreError>;

    /// The sums of an account's deductions: how many, how much, by route and hour.
    async fn tallies(&self, key: AccountKey) -> Result<Vec<Tally>, StoreError>;

    /// An account's deductions that are still kept one by one, newest first; at most `most`.
    async fn deductions(
        &self,
        key: AccountKey,
        most: usize,
    ) -> Result<Vec<StoredDeduction>, StoreError>;

    /// Top-ups, those first that were opened last.
    async fn recent_top_ups(&self, page: TopUpPage) -> Result<Vec<TopUp>, StoreError>;

    /// The movements of all accounts that are of these kinds, newest first. Those of one millisecond are
    /// in the order of their places, whatever was posted first. A store that keeps movements by account
    /// looks through all of them for every page: for operators, not for requests.
    async fn latest_movements(
        &self,
        kinds: &[Kind],
        page: MovementPage,
    ) -> Result<Vec<(AccountKey, Movement)>, StoreError> {
        scan::latest_movements(self, kinds, &page).await
    }

    /// The sums of all accounts' deductions from this hour on (hours since 1970), by currency,
    /// route and hour. A store that keeps them by account adds up all of them.
    async fn revenue(&self, since_hour: u64) -> Result<Vec<(Currency, Tally)>, StoreError> {
        scan::revenue(self, since_hour).await
    }
}

/// A deduction as a batch of its own.
pub(super) fn alone(deduction: Deduction) -> Batch {
    Batch { version: message::VERSION, deductions: vec![deduction], ..Batch::default() }
}

/// What became of [`alone`].
///
/// # Errors
/// If it has no answer.
pub(super) fn outcome(answer: &BatchAnswer) -> Result<DeductionOutcome, StoreError> {
    let unanswered = || StoreError::Damaged("the store did not answer for the charge".to_owned());
    answer.deductions.first().map(|(_, outcome)| *outcome).ok_or_else(unanswered)
}

/// A deduction as a batch of its own.
///
/// # Errors
/// The store's.
#[cfg(test)]
pub(crate) async fn deduct_alone<S: Accounts + ?Sized>(
    store: &S,
    deduction: Deduction,
) -> Result<DeductionOutcome, StoreError> {
    outcome(&store.batch(alone(deduction)).await?)
}

//! A store that acts at a chosen moment.

use super::*;

/// Credits the account once, just after somebody was told that it is short.
pub(super) struct Meddling {
    pub(super) books: InMemory,
    pub(super) meddled: AtomicU32,
    /// How often an account's movements were read.
    pub(super) read: AtomicU32,
    /// Just before a top-up is opened, so much time passes, and then another ledger knows this client,
    /// by this anchor, by another id.
    pub(super) passes: Mutex<Option<(Time, Duration, ClientId)>>,
}

impl Meddling {
    pub(super) fn over(books: InMemory) -> Self {
        let (meddled, read) = (AtomicU32::new(0), AtomicU32::new(0));
        Self { books, meddled, read, passes: Mutex::default() }
    }
}

#[async_trait]
impl Store for Meddling {
    async fn batch(&self, batch: Batch) -> Result<BatchAnswer, StoreError> {
        let answer = self.books.batch(batch.clone()).await?;
        let short =
            answer.deductions.iter().any(|(_, outcome)| *outcome == DeductionOutcome::Insufficient);
        if short && self.meddled.fetch_add(1, Ordering::SeqCst) == 0 {
            let charge = &batch.deductions[0];
            let key = AccountKey { client: charge.client_id, currency: charge.currency };
            let posting = Posting {
                kind: Kind::TopUp,
                reference: "pi_of_another_request".into(),
                amount: Units::from_u32(50_000),
                note: None,
            };
            self.books.post(key, posting).await?;
        }
        Ok(answer)
    }
    async fn account(&self, key: AccountKey) -> Result<Account, StoreError> {
        self.books.account(key).await
    }
    async fn post(&self, key: AccountKey, posting: Posting) -> Result<Posted, StoreError> {
        self.books.post(key, posting).await
    }
    async fn post_up_to(&self, key: AccountKey, posting: Posting) -> Result<Posted, StoreError> {
        self.books.post_up_to(key, posting).await
    }
    async fn post_together(
        &self,
        key: AccountKey,
        postings: Vec<Posting>,
    ) -> Result<Posted, StoreError> {
        self.books.post_together(key, postings).await
    }
    async fn movements(&self, key: AccountKey) -> Result<Vec<Movement>, StoreError> {
        self.read.fetch_add(1, Ordering::SeqCst);
        self.books.movements(key).await
    }
    async fn movement(
        &self,
        key: AccountKey,
        kind: Kind,
        reference: &str,
    ) -> Result<Option<Movement>, StoreError> {
        self.books.movement(key, kind, reference).await
    }
    async fn accounts(
        &self,
        client: Option<ClientId>,
        after: Option<AccountKey>,
        most: usize,
    ) -> Result<Vec<AccountKey>, StoreError> {
        self.books.accounts(client, after, most).await
    }
    async fn tallies(&self, key: AccountKey) -> Result<Vec<Tally>, StoreError> {
        self.books.tallies(key).await
    }
    async fn deductions(
        &self,
        key: AccountKey,
        most: usize,
    ) -> Result<Vec<StoredDeduction>, StoreError> {
        self.books.deductions(key, most).await
    }
    async fn customer(&self, client: ClientId) -> Result<Option<String>, StoreError> {
        self.books.customer(client).await
    }
    async fn remember_customer(&self, client: ClientId, id: String) -> Result<String, StoreError> {
        self.books.remember_customer(client, id).await
    }
    async fn replace_customer(
        &self,
        client: ClientId,
        gone: &str,
        id: String,
    ) -> Result<String, StoreError> {
        self.books.replace_customer(client, gone, id).await
    }
    async fn payer(&self, intent: &str) -> Result<Option<AccountKey>, StoreError> {
        self.books.payer(intent).await
    }
    async fn agreed(
        &self,
        anchor: ClientId,
        wanted: Option<ClientId>,
    ) -> Result<Option<ClientId>, StoreError> {
        self.books.agreed(anchor, wanted).await
    }
    async fn identity(&self, fresh: Uuid) -> Result<Uuid, StoreError> {
        self.books.identity(fresh).await
    }
    async fn within(&self, limit: &Limit, count: bool) -> Result<Option<Duration>, StoreError> {
        self.books.within(limit, count).await
    }
    async fn open_top_up(&self, wanted: NewTopUp) -> Result<Opened, StoreError> {
        let passes = self.passes.lock().unwrap().take();
        if let Some((time, by, anchor)) = passes {
            time.pass(by);
            self.books.upkeep(time.now_ms()).await?;
            let other = ClientId::derive(b"another secret", "fp");
            assert_eq!(self.books.agreed(anchor, Some(other)).await?, Some(other));
        }
        self.books.open_top_up(wanted).await
    }
    async fn advance_top_up(
        &self,
        id: TopUpId,
        from: Option<State>,
        to: State,
    ) -> Result<Advance, StoreError> {
        self.books.advance_top_up(id, from, to).await
    }
    async fn top_up(&self, id: TopUpId) -> Result<Option<TopUp>, StoreError> {
        self.books.top_up(id).await
    }
    async fn unfinished_top_ups(&self) -> Result<Vec<TopUp>, StoreError> {
        self.books.unfinished_top_ups().await
    }
    async fn recent_top_ups(&self, most: usize) -> Result<Vec<TopUp>, StoreError> {
        self.books.recent_top_ups(most).await
    }
    async fn record_action(&self, entry: AuditEntry) -> Result<(), StoreError> {
        self.books.record_action(entry).await
    }
    async fn audit(
        &self,
        before: Option<AuditKey>,
        most: usize,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        self.books.audit(before, most).await
    }
    async fn ping(&self) -> Result<(), StoreError> {
        self.books.ping().await
    }
}

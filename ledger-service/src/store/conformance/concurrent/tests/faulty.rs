//! A store whose operations take a while, and may have a fault.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use stripe402_protocol::message::{Batch, BatchAnswer, DeductionOutcome, VoidOutcome};

use crate::{
    accounting::{
        Account, AccountKey, Advance, Kind, Movement, PostRefusal, Posted, Posting, State, TopUpId,
    },
    clock::SystemClock,
    store::{Accounts, InMemory, Reports, StoreError, TopUps, deduct_alone},
};

/// What is wrong with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// Some operations fail, half of them after they were carried out: that is allowed.
    Failures,
    /// A void looks whether the deduction stands, and tells a while later that it has given it back.
    TornVoid,
    /// A void is answered before it is carried out.
    LateVoid,
    /// An account is as it was when it was last looked at by somebody else.
    StaleAccount,
    /// A capture looks whether the hold is open, and takes it a while later in any case.
    TornCapture,
    /// The state of a top-up is compared first, and written a while later.
    TornClaim,
    /// A deduction reads the balance, and answers a while later what it makes of that.
    LostCharge,
}

pub(super) struct Faulty {
    books: Arc<InMemory>,
    fault: Fault,
    looked: Mutex<BTreeMap<AccountKey, Account>>,
    asked: AtomicU64,
}

impl Faulty {
    pub(super) fn new(fault: Fault) -> Self {
        let books = Arc::new(InMemory::new(SystemClock, Duration::from_secs(7 * 24 * 3600)));
        Self { books, fault, looked: Mutex::default(), asked: AtomicU64::new(0) }
    }

    fn number(&self) -> u64 {
        self.asked.fetch_add(1, Ordering::Relaxed)
    }

    /// So long that others get between.
    async fn a_while(&self) {
        for _ in 0..self.number() % 7 {
            tokio::task::yield_now().await;
        }
    }

    /// Carries it out in the middle of a while, if at all.
    async fn through<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        self.a_while().await;
        let fails = self.fault == Fault::Failures && self.number().is_multiple_of(5);
        let away = || StoreError::Unavailable("the line is cut".to_owned());
        if fails && self.number().is_multiple_of(2) {
            return Err(away());
        }
        let done = work.await;
        self.a_while().await;
        if fails { Err(away()) } else { done }
    }

    /// What is left of the first deduction's account, and whether the first void's deduction stands.
    async fn look(&self, batch: &Batch) -> Result<(Option<Account>, bool), StoreError> {
        let mut account = None;
        if let Some(deduction) = batch.deductions.first() {
            let key = AccountKey { client: deduction.client_id, currency: deduction.currency };
            account = Some(self.books.account(key).await?);
        }
        let stands = batch.voids.first().is_some_and(|void| {
            self.books.with_memory(|memory| {
                let known = memory.deductions().get(&void.id);
                matches!(known, Some(crate::accounting::DeductionRecord::Deducted { .. }))
            })
        });
        Ok((account, stands))
    }

    async fn batch_with_fault(&self, batch: Batch) -> Result<BatchAnswer, StoreError> {
        let (account, stands) = self.look(&batch).await?;
        if self.fault == Fault::LateVoid && stands {
            let voids = batch.voids.iter().map(|void| (void.id, VoidOutcome::Voided)).collect();
            let books = Arc::clone(&self.books);
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(1)).await;
                books.batch(batch).await
            });
            return Ok(BatchAnswer { deductions: vec![], voids, captures: vec![] });
        }
        self.a_while().await;
        let mut answer = self.books.batch(batch.clone()).await?;
        if self.fault == Fault::TornVoid && stands {
            answer.voids.iter_mut().for_each(|(_, outcome)| *outcome = VoidOutcome::Voided);
        }
        if let (Fault::LostCharge, Some(account)) = (self.fault, account)
            && let Some((_, DeductionOutcome::Deducted(left))) = answer.deductions.first_mut()
            && let Some(after) = account.debited(batch.deductions[0].amount)
        {
            *left = after.available;
        }
        Ok(answer)
    }

    async fn post_with_fault(
        &self,
        key: AccountKey,
        posting: Posting,
    ) -> Result<Posted, StoreError> {
        let ended = |of: &Movement| {
            matches!(of.posting.kind, Kind::Capture | Kind::Release)
                && of.posting.reference == posting.reference
        };
        let torn = self.fault == Fault::TornCapture && posting.kind == Kind::Capture;
        let was_open = torn && !self.books.movements(key).await?.iter().any(ended);
        if torn {
            self.a_while().await;
        }
        let posted = self.books.post(key, posting).await?;
        Ok(match posted {
            Posted::Repeated(account) if was_open => Posted::Done(account),
            Posted::Refused(PostRefusal::Conflict) if was_open => {
                Posted::Refused(PostRefusal::NoSuchHold)
            }
            posted => posted,
        })
    }

    async fn account_with_fault(&self, key: AccountKey) -> Result<Account, StoreError> {
        let account = self.books.account(key).await?;
        let before = self.looked.lock().unwrap().insert(key, account);
        Ok(before.filter(|_| self.fault == Fault::StaleAccount).unwrap_or(account))
    }

    async fn advance_with_fault(
        &self,
        id: TopUpId,
        from: Option<State>,
        to: State,
    ) -> Result<Advance, StoreError> {
        let known = self.books.top_up(id).await?.map(|top_up| top_up.state);
        let compared = from.is_some() && known == from;
        if self.fault != Fault::TornClaim || !compared {
            return self.books.advance_top_up(id, from, to).await;
        }
        self.a_while().await;
        self.books.advance_top_up(id, None, to).await
    }
}

macro_rules! faulty {
    ($self:ident batch($batch:ident)) => { $self.through($self.batch_with_fault($batch)).await };
    ($self:ident deduct_for_card($deduction:ident)) => { deduct_alone($self, $deduction).await };
    ($self:ident account($key:ident)) => { $self.through($self.account_with_fault($key)).await };
    ($self:ident post($key:ident, $posting:ident)) => {
        $self.through($self.post_with_fault($key, $posting)).await
    };
    ($self:ident advance_top_up($id:ident, $from:ident, $to:ident)) => {
        $self.through($self.advance_with_fault($id, $from, $to)).await
    };
    ($self:ident $method:ident($($argument:ident),*)) => {
        $self.through($self.books.$method($($argument),*)).await
    };
}

crate::forward_store!(Faulty, faulty);

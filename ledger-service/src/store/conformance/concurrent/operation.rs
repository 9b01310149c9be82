//! One operation: how a store is asked for it, and how the pure books carry it out.

use stripe402_protocol::message::{
    Batch, Capture, CaptureOutcome, Deduction, DeductionOutcome, Void, VoidOutcome,
};

use super::super::{fixture::batch, shown};
use crate::{
    accounting::{
        self, Account, AccountKey, Advance, Book as _, Memory, NewTopUp, Opened, Posted, Posting,
        Spender, State, TopUp, TopUpId, Window,
    },
    store::{Store, StoreError, StoredDeduction, Tally},
};

/// What is asked for. The last three are asked when all else has come to an end.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    Deduction(Deduction),
    ChargeForCard(Deduction),
    Void(Void),
    Capture(Capture),
    Post(AccountKey, Posting),
    Open(NewTopUp),
    Advance { id: TopUpId, from: Option<State>, to: State },
    Account(AccountKey),
    TopUp(TopUpId),
    Movements(AccountKey),
    Tallies(AccountKey),
    Charges(AccountKey),
}

/// What came back. When a movement was posted is left out: each store has a clock of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Deduction(DeductionOutcome),
    Void(VoidOutcome),
    Captured(CaptureOutcome),
    Posted(Posted),
    Opened(Opened),
    Advanced(Advance),
    Account(Account),
    TopUp(Option<TopUp>),
    Movements(Vec<Posting>),
    Tallies(Vec<Tally>),
    Charges(Vec<StoredDeduction>),
}

impl Answer {
    /// Whether nothing can have changed in whichever books this is the answer. One that says `done`
    /// may be about what had been done before; that the books are the same does not tell.
    pub(super) const fn says_that_nothing_happened(&self) -> bool {
        !matches!(
            self,
            Self::Deduction(DeductionOutcome::Deducted(_))
                | Self::Void(VoidOutcome::Voided | VoidOutcome::Marked)
                | Self::Captured(CaptureOutcome::Captured { .. } | CaptureOutcome::Marked)
                | Self::Posted(Posted::Done(_))
                | Self::Opened(Opened::New(_))
                | Self::Advanced(Advance::Done(_))
        )
    }
}

/// The moment that the pure books live in. Charges are minted at it, and so are taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) now_ms: u64,
    pub(super) window: Window,
}

impl Operation {
    /// Asks a store. A deduction and a void are a batch of their own each: a store may carry out a
    /// larger one client by client.
    pub(super) async fn ask(&self, store: &dyn Store) -> Result<Answer, StoreError> {
        Ok(match self.clone() {
            Self::Deduction(deduction) => {
                let answer = store.batch(batch(vec![deduction], vec![])).await?;
                Answer::Deduction(answer.deductions[0].1)
            }
            Self::ChargeForCard(deduction) => {
                Answer::Deduction(store.deduct_for_card(deduction).await?)
            }
            Self::Void(void) => {
                let answer = store.batch(batch(vec![], vec![void])).await?;
                Answer::Void(answer.voids[0].1)
            }
            Self::Capture(capture) => {
                let answer = store.batch(of_capture(capture)).await?;
                Answer::Captured(answer.captures[0].1)
            }
            Self::Post(key, posting) => Answer::Posted(store.post(key, posting).await?),
            Self::Open(wanted) => Answer::Opened(store.open_top_up(wanted).await?),
            Self::Advance { id, from, to } => {
                Answer::Advanced(store.advance_top_up(id, from, to).await?)
            }
            Self::Account(key) => Answer::Account(store.account(key).await?),
            Self::TopUp(id) => Answer::TopUp(store.top_up(id).await?),
            Self::Movements(key) => {
                let movements = store.movements(key).await?.into_iter();
                Answer::Movements(movements.map(|movement| movement.posting).collect())
            }
            Self::Tallies(key) => {
                let mut tallies = store.tallies(key).await?;
                tallies.sort_unstable();
                Answer::Tallies(tallies)
            }
            Self::Charges(key) => Answer::Charges(store.deductions(key, usize::MAX).await?),
        })
    }

    /// Carries it out on the pure books, at once and alone.
    pub(super) fn carry_out(&self, books: &mut Memory, at: Moment) -> Answer {
        let Moment { now_ms, window } = at;
        match self.clone() {
            Self::Deduction(deduction) => {
                let batch = batch(vec![deduction], vec![]);
                let answer = accounting::apply_batch(books, &batch, &window).unwrap();
                Answer::Deduction(answer.deductions[0].1)
            }
            Self::ChargeForCard(deduction) => Answer::Deduction(
                accounting::apply_deduction(books, &deduction, Spender::Other, &window).unwrap(),
            ),
            Self::Void(void) => {
                let batch = batch(vec![], vec![void]);
                let answer = accounting::apply_batch(books, &batch, &window).unwrap();
                Answer::Void(answer.voids[0].1)
            }
            Self::Capture(capture) => {
                let answer = accounting::apply_batch(books, &of_capture(capture), &window).unwrap();
                Answer::Captured(answer.captures[0].1)
            }
            Self::Post(key, posting) => {
                Answer::Posted(accounting::post(books, &key, &posting, now_ms).unwrap())
            }
            Self::Open(wanted) => Answer::Opened(accounting::open(books, wanted).unwrap()),
            Self::Advance { id, from, to } => Answer::Advanced(
                accounting::advance(books, &id, from.as_ref(), to, now_ms).unwrap(),
            ),
            Self::Account(key) => Answer::Account(books.account(&key).unwrap()),
            Self::TopUp(id) => Answer::TopUp(books.top_up(&id).unwrap()),
            Self::Movements(key) => Answer::Movements(shown::postings(books, &key)),
            Self::Tallies(key) => Answer::Tallies(shown::tallies(books, &key)),
            Self::Charges(key) => Answer::Charges(shown::deductions(books, &key)),
        }
    }
}

fn of_capture(capture: Capture) -> Batch {
    Batch { captures: vec![capture], ..batch(vec![], vec![]) }
}

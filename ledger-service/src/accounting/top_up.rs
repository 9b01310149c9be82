//! The record of one top-up: one charge of one card, credited once or not at all.
//!
//! The record is durable before Stripe hears of it, and its id is the idempotency key. From
//! `Charging` on, whatever happens to this process, the record says what is to be done next.

use serde::{Deserialize, Serialize};
use stripe402_protocol::{Instrument, Reason, Refusal, Units};
use uuid::Uuid;

use super::{
    AccountKey, Book, Kind, PostRefusal, Posted, Posting, ShownCard, deduction::recall, post,
};

/// Names one top-up, here and in Stripe's metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TopUpId(pub Uuid);

impl std::fmt::Display for TopUpId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for TopUpId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

/// One charge of a card for an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopUp {
    /// Its name.
    pub id: TopUpId,
    /// Whom it is credited to.
    pub account: AccountKey,
    /// What the card is charged, already rounded up to what Stripe can charge.
    pub amount: Units,
    /// What is charged.
    pub payment_method: Instrument,
    /// The card behind it, for people, where Stripe shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<ShownCard>,
    /// The client's name for it.
    pub idempotency_key: Option<String>,
    /// Unix milliseconds.
    pub created_ms: u64,
    /// How far it is.
    pub state: State,
}

/// How far a top-up is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Stripe has been asked, or is about to be; the answer is not known yet.
    Charging(Claim),
    /// The cardholder must confirm (3D Secure).
    RequiresAction {
        /// What they confirm.
        payment_intent: String,
    },
    /// Charged, and credited in the same transaction.
    Credited {
        /// Stripe's record of the charge.
        payment_intent: String,
        /// What Stripe took.
        amount: Units,
    },
    /// Nothing was taken.
    Refused {
        /// What the client was told.
        refusal: Box<Refusal>,
    },
    /// Nothing was taken, since Stripe failed: nobody's card was refused, and the client's next
    /// request opens another one.
    Lapsed,
}

/// Who asks Stripe about a top-up, and how.
///
/// One ledger at a time does. It takes the claim before every attempt, by a comparison of the whole
/// state, and so reads the record before every attempt; another one may take it once it has expired.
/// A record that says [`Claim::looking`] has the idempotency key behind it: nobody sends that
/// key any more, which makes it safe to conclude from Stripe's list that there was no charge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Grows with each taking.
    #[serde(default)]
    pub epoch: u32,
    /// Until when nobody else may take it, in Unix milliseconds.
    #[serde(default)]
    pub until_ms: u64,
    /// Whether Stripe's list is looked through, and the charge never sent again.
    #[serde(default)]
    pub looking: bool,
}

impl Claim {
    /// The next one, held until then.
    #[must_use]
    pub const fn next(self, until_ms: u64) -> Self {
        Self { epoch: self.epoch.saturating_add(1), until_ms, looking: self.looking }
    }
}

impl State {
    /// Just opened: nobody has asked Stripe yet.
    #[must_use]
    pub fn opened() -> Self {
        Self::Charging(Claim::default())
    }

    /// Whether nothing more will happen.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        matches!(self, Self::Credited { .. } | Self::Refused { .. } | Self::Lapsed)
    }

    /// The PaymentIntent that it names.
    #[must_use]
    pub fn payment_intent(&self) -> Option<&str> {
        match self {
            Self::RequiresAction { payment_intent } | Self::Credited { payment_intent, .. } => {
                Some(payment_intent)
            }
            Self::Charging(_) | Self::Refused { .. } | Self::Lapsed => None,
        }
    }

    /// Whether it was finished without a charge, as far as we knew.
    #[must_use]
    pub const fn is_without_charge(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Lapsed)
    }
}

/// A top-up that is wanted.
#[derive(Clone, Debug)]
pub struct NewTopUp {
    /// Its name, if it is opened.
    pub id: TopUpId,
    /// Whom to credit.
    pub account: AccountKey,
    /// What to charge.
    pub amount: Units,
    /// What the client is short of: if so much is available by now, nothing is charged.
    pub needed: Units,
    /// What to charge.
    pub payment_method: Instrument,
    /// The card behind it, for people.
    pub card: Option<ShownCard>,
    /// The client's name for it.
    pub idempotency_key: Option<String>,
    /// Unix milliseconds.
    pub now_ms: u64,
}

/// What became of the wish to open a top-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// It is open, and the caller is the one who carries it out; or it was opened before under this very id.
    New(TopUp),
    /// Enough is available: between the look at the balance and this, another top-up was
    /// credited. Nothing is to be charged.
    Enough,
    /// The account has another one under way: wait for its end.
    Busy(TopUp),
    /// The idempotency key names this one already.
    Repeated(TopUp),
    /// The idempotency key names one with another card or amount.
    Mismatch,
    /// The account is frozen: it is not charged.
    Frozen,
    /// Leases of the account's are out that hold enough. They are called back: ask again then. It is not
    /// charged.
    Leased,
    /// The account owes so much that the price could not be paid after this charge: the debt would
    /// take it. It is not charged.
    InDebt(Units),
}

impl TopUp {
    /// Whether its idempotency key is free again: it was refused before Stripe heard of it, because
    /// there were too many, or Stripe failed and took nothing.
    #[must_use]
    pub fn frees_its_key(&self) -> bool {
        match &self.state {
            State::Refused { refusal } => refusal.reason == Some(Reason::RateLimited),
            state => *state == State::Lapsed,
        }
    }
}

/// How long an idempotency key names its top-up: as long as Stripe's do.
pub const KEY_LIFE_MS: u64 = 24 * 3_600_000;

/// Opens a top-up unless it is open by its id, the key names one, the account is frozen, the balance suffices by now, or with
/// what is leased, one is under way, or the account's debt would leave too little of it, in this order. The balance is looked at here because whoever looked
/// before may have done so just before another's top-up was credited and closed.
///
/// # Errors
/// The store's.
pub fn open<B: Book>(book: &mut B, wanted: NewTopUp) -> Result<Opened, B::Error> {
    // By this very wish, whose answer was lost, or by another ledger that has it, too.
    if let Some(ours) = book.top_up(&wanted.id)? {
        return Ok(Opened::New(ours));
    }
    if let Some(key) = &wanted.idempotency_key
        && let Some(id) = book.named(&wanted.account, key)?
        && let Some(named) = book.top_up(&id)?
        && wanted.now_ms < named.created_ms.saturating_add(KEY_LIFE_MS)
        && !named.frees_its_key()
    {
        let same = named.amount == wanted.amount && named.payment_method == wanted.payment_method;
        return Ok(if same { Opened::Repeated(named) } else { Opened::Mismatch });
    }
    let account = book.account(&wanted.account)?;
    if account.frozen {
        return Ok(Opened::Frozen);
    }
    if account.available >= wanted.needed
        && !stripe402_mutant::mutant!("not_looked_again")
        && !stripe402_mutant::mutant!("deduct_last")
    {
        return Ok(Opened::Enough);
    }
    if account.is_leased(wanted.needed) && !stripe402_mutant::mutant!("charged_while_leased") {
        recall(book, &wanted.account, account)?;
        return Ok(Opened::Leased);
    }
    if !stripe402_mutant::mutant!("two_at_a_time")
        && let Some(id) = book.unfinished(&wanted.account)?
        && let Some(other) = book.top_up(&id)?
    {
        return Ok(Opened::Busy(other));
    }
    if !account.debt.is_zero()
        && account.credited(wanted.amount).is_ok_and(|after| after.available < wanted.needed)
        && !stripe402_mutant::mutant!("charged_in_debt")
    {
        return Ok(Opened::InDebt(account.debt));
    }
    let top_up = TopUp {
        id: wanted.id,
        account: wanted.account,
        amount: wanted.amount,
        payment_method: wanted.payment_method,
        card: wanted.card,
        idempotency_key: wanted.idempotency_key,
        created_ms: wanted.now_ms,
        state: State::opened(),
    };
    book.set_top_up(&top_up)?;
    Ok(Opened::New(top_up))
}

/// The movement that credits a top-up: named by the PaymentIntent, which is credited once.
#[must_use]
pub fn credit_posting(payment_intent: &str, amount: Units) -> Posting {
    let reference = payment_intent.to_owned();
    Posting { kind: Kind::TopUp, reference, amount, note: None }
}

/// What became of the wish to advance a top-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advance {
    /// It is in the wanted state now; if that is `Credited`, by this very call.
    Done(TopUp),
    /// It was finished before, this way; nothing happened.
    Finished(TopUp),
    /// There is no such top-up.
    Unknown,
    /// The credit would exceed the largest balance; nothing happened.
    TooLarge,
    /// The PaymentIntent was credited before, with another amount; nothing happened.
    Conflict,
    /// It is not in the state that was expected: another ledger has taken it on. This is it.
    Moved(TopUp),
}

/// Moves a top-up on, if it is still in the state `from` where one is given; on `Credited`, credits
/// the account in the same transaction. A finished top-up stays as it is: whoever comes second
/// learns how it ended. One exception: one that was finished without a charge and whose
/// PaymentIntent succeeded after all is credited, as Stripe has taken the money.
///
/// # Errors
/// The store's.
pub fn advance<B: Book>(
    book: &mut B,
    id: &TopUpId,
    from: Option<&State>,
    to: State,
    now_ms: u64,
) -> Result<Advance, B::Error> {
    let Some(mut top_up) = book.top_up(id)? else {
        return Ok(Advance::Unknown);
    };
    // Money that was taken after all, though we had given the charge up, is credited all the same.
    let late = top_up.state.is_without_charge()
        && matches!(to, State::Credited { .. })
        && !stripe402_mutant::mutant!("late_money");
    let again = stripe402_mutant::mutant!("credited_twice");
    if top_up.state.is_finished() && !late && !again {
        return Ok(Advance::Finished(top_up));
    }
    if from.is_some_and(|from| *from != top_up.state) {
        return Ok(Advance::Moved(top_up));
    }
    if let State::Credited { payment_intent, amount } = &to {
        let posting = credit_posting(payment_intent, *amount);
        match post(book, &top_up.account, &posting, now_ms)? {
            // A PaymentIntent is credited once, whichever top-up claims it.
            Posted::Done(_) | Posted::Repeated(_) => {}
            Posted::Refused(PostRefusal::TooLarge) => return Ok(Advance::TooLarge),
            Posted::Refused(_) => return Ok(Advance::Conflict),
        }
    }
    let waited = top_up.state.payment_intent().map(ToOwned::to_owned);
    top_up.state = to;
    book.set_top_up(&top_up)?;
    if top_up.state.is_without_charge() {
        book.note_uncharged(&top_up, waited.as_deref(), now_ms)?;
    }
    Ok(Advance::Done(top_up))
}

#[cfg(test)]
mod tests;

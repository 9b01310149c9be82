//! Movements: everything that changes an account but deductions. Immutable, never forgotten.

use serde::{Deserialize, Serialize};
use stripe402_protocol::Units;

use super::{
    Book,
    account::{Account, AccountKey},
    grant::{Balance, balance},
};

/// One movement, as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    /// What it is.
    pub kind: Kind,
    /// What it is about, e.g. a PaymentIntent's or a refund's id. One movement of each kind is
    /// posted per reference and account, whatever is delivered twice.
    pub reference: String,
    /// How much; zero where nothing moves.
    pub amount: Units,
    /// For people: why.
    pub note: Option<String>,
}

/// A movement, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movement {
    /// What was asked for.
    pub posting: Posting,
    /// When, Unix milliseconds by the store's clock.
    pub at_ms: u64,
}

/// Kinds of movements. `docs/ledger.md` has the chart of accounts and the events they come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A card was charged. Credit.
    TopUp,
    /// Stripe gave money back to a card without a hold of ours. Debit; what is missing is debt.
    Refund,
    /// A refund did not arrive. Credit.
    RefundFailed,
    /// A dispute took its amount. Debit; what is missing is debt.
    DisputeOpened,
    /// A dispute was won. Credit.
    DisputeWon,
    /// A dispute was lost: its amount was taken when it was opened. Nothing moves.
    DisputeLost,
    /// An operator's correction upwards. Credit.
    AdjustmentUp,
    /// An operator's correction downwards. Debit; refused if it is not there.
    AdjustmentDown,
    /// Credit that was given and not paid for: spent first, never paid out to a card. Credit.
    Grant,
    /// What was left of a grant has expired. The reference is the grant's. Debit.
    GrantExpired,
    /// The Express middleware, on the same store, credited. Credit.
    ExternalUp,
    /// The Express middleware, on the same store, deducted. Debit; refused if it is not there.
    ExternalDown,
    /// An amount is held back. From available to pending; refused if it is not there.
    Hold,
    /// A held amount is gone. The reference is the hold's.
    Capture,
    /// A held amount is available again. The reference is the hold's.
    Release,
    /// No more deductions and top-ups.
    Freeze,
    /// Deductions and top-ups again.
    Unfreeze,
}

/// What became of a posting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// It is in the books now; this is the account after it.
    Done(Account),
    /// It was there before, the same. Nothing happened.
    Repeated(Account),
    /// Refusals in order of precedence.
    Refused(PostRefusal),
}

/// Why a posting was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PostRefusal {
    /// The reference was used for another amount.
    Conflict,
    /// Capture or release of a hold that is not open, or of another amount.
    NoSuchHold,
    /// It is not there.
    Insufficient,
    /// It would exceed the largest amount.
    TooLarge,
    /// There is not so much left of a grant of this reference.
    NoSuchGrant,
    /// As many grants as an account may have are not spent yet.
    TooManyGrants,
    /// The grant has expired before it was made.
    Expired,
}

/// Posts a movement, once per kind, reference and account.
///
/// # Errors
/// The store's.
pub fn post<B: Book>(
    book: &mut B,
    key: &AccountKey,
    posting: &Posting,
    now_ms: u64,
) -> Result<Posted, B::Error> {
    post_expiring(book, key, posting, None, now_ms)
}

/// Posts a grant that expires then, Unix milliseconds.
///
/// # Errors
/// The store's.
pub fn post_expiring<B: Book>(
    book: &mut B,
    key: &AccountKey,
    posting: &Posting,
    expires_ms: Option<u64>,
    now_ms: u64,
) -> Result<Posted, B::Error> {
    let before = balance(book, key)?;
    let again = stripe402_mutant::mutant!("credited_twice") && posting.kind == Kind::TopUp;
    if let Some(known) = book.movement(key, posting.kind, &posting.reference)?.filter(|_| !again) {
        return Ok(if known.posting.amount == posting.amount {
            Posted::Repeated(before.account)
        } else {
            Posted::Refused(PostRefusal::Conflict)
        });
    }
    if matches!(posting.kind, Kind::Capture | Kind::Release) && !is_open_hold(book, key, posting)? {
        return Ok(Posted::Refused(PostRefusal::NoSuchHold));
    }
    if expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms) {
        return Ok(Posted::Refused(PostRefusal::Expired));
    }
    let after = match step(before, posting, expires_ms, now_ms) {
        Ok(after) => after,
        Err(refusal) => return Ok(Posted::Refused(refusal)),
    };
    write(book, key, &after)?;
    book.record(key, &Movement { posting: posting.clone(), at_ms: now_ms })?;
    Ok(Posted::Done(after.account))
}

fn write<B: Book>(book: &mut B, key: &AccountKey, after: &Balance) -> Result<(), B::Error> {
    // Not the reckoned ones: what was written before deductions would count them again.
    let is_new = book.grants(key)? != after.grants;
    book.set_account(key, &after.account)?;
    if is_new {
        book.set_grants(key, &after.grants)?;
    }
    Ok(())
}

/// Posts a debit, once, that takes at most what is available and was paid for: what is missing is nobody's
/// debt.
///
/// # Errors
/// The store's.
pub fn post_up_to<B: Book>(
    book: &mut B,
    key: &AccountKey,
    posting: &Posting,
    now_ms: u64,
) -> Result<Posted, B::Error> {
    let Balance { account, grants } = balance(book, key)?;
    // What it took, and not what was asked for, is what it keeps to.
    if book.movement(key, posting.kind, &posting.reference)?.is_some() {
        return Ok(Posted::Repeated(account));
    }
    let amount = posting.amount.min(grants.paid(&account));
    post(book, key, &Posting { amount, ..posting.clone() }, now_ms)
}

/// Posts movements together, or none of them. The first one names them all: if it was posted before,
/// so were the others, and nothing happens.
///
/// # Errors
/// The store's.
pub fn post_together<B: Book>(
    book: &mut B,
    key: &AccountKey,
    postings: &[Posting],
    now_ms: u64,
) -> Result<Posted, B::Error> {
    let before = balance(book, key)?;
    let mut after = before.clone();
    for (at, posting) in postings.iter().enumerate() {
        if let Some(known) = book.movement(key, posting.kind, &posting.reference)? {
            let same = at == 0 && known.posting.amount == posting.amount;
            return Ok(if same {
                Posted::Repeated(before.account)
            } else {
                Posted::Refused(PostRefusal::Conflict)
            });
        }
        if matches!(posting.kind, Kind::Capture | Kind::Release)
            && !is_open_hold(book, key, posting)?
        {
            return Ok(Posted::Refused(PostRefusal::NoSuchHold));
        }
        after = match step(after, posting, None, now_ms) {
            Ok(after) => after,
            Err(refusal) => return Ok(Posted::Refused(refusal)),
        };
    }
    write(book, key, &after)?;
    for posting in postings {
        book.record(key, &Movement { posting: posting.clone(), at_ms: now_ms })?;
    }
    Ok(Posted::Done(after.account))
}

/// What a movement does to an account and to what is left of its grants.
fn step(
    before: Balance,
    posting: &Posting,
    expires_ms: Option<u64>,
    now_ms: u64,
) -> Result<Balance, PostRefusal> {
    before.grants.allow(&before.account, posting)?;
    let paid = before.grants.paid(&before.account);
    let account = effect(before.account, posting, paid)?;
    let grants = before.grants.moved(&account, posting, expires_ms, now_ms)?;
    Ok(Balance { account, grants })
}

/// What a movement does to an account, of which so much was paid for. Debt is about money: what was granted
/// neither settles it nor is taken for it.
fn effect(account: Account, posting: &Posting, paid: Units) -> Result<Account, PostRefusal> {
    let amount = posting.amount;
    let too_large = |_| PostRefusal::TooLarge;
    match posting.kind {
        Kind::TopUp
        | Kind::RefundFailed
        | Kind::DisputeWon
        | Kind::AdjustmentUp
        | Kind::ExternalUp => account.credited(amount).map_err(too_large),
        Kind::Grant => account.given(amount).map_err(too_large),
        Kind::Refund | Kind::DisputeOpened => account.forced(amount, paid).map_err(too_large),
        Kind::AdjustmentDown | Kind::GrantExpired | Kind::ExternalDown => {
            account.debited(amount).ok_or(PostRefusal::Insufficient)
        }
        Kind::Hold => account.held(amount).ok_or(PostRefusal::Insufficient),
        Kind::Capture => account.captured(amount).ok_or(PostRefusal::NoSuchHold),
        Kind::Release => {
            let released = account.captured(amount).ok_or(PostRefusal::NoSuchHold)?;
            released.credited(amount).map_err(too_large)
        }
        Kind::DisputeLost => Ok(account),
        Kind::Freeze => Ok(Account { frozen: true, ..account }),
        Kind::Unfreeze => Ok(Account { frozen: false, ..account }),
    }
}

fn is_open_hold<B: Book>(book: &B, key: &AccountKey, posting: &Posting) -> Result<bool, B::Error> {
    let hold = book.movement(key, Kind::Hold, &posting.reference)?;
    let open = hold.is_some_and(|hold| hold.posting.amount == posting.amount);
    let captured = book.movement(key, Kind::Capture, &posting.reference)?;
    let released = book.movement(key, Kind::Release, &posting.reference)?;
    Ok(open && captured.is_none() && released.is_none())
}

impl Kind {
    /// What a movement of this kind adds to an account's [`Account::net`].
    #[must_use]
    pub fn net(self, amount: Units) -> i64 {
        match self {
            Self::TopUp
            | Self::RefundFailed
            | Self::DisputeWon
            | Self::AdjustmentUp
            | Self::Grant
            | Self::ExternalUp => amount.get(),
            Self::Refund
            | Self::DisputeOpened
            | Self::AdjustmentDown
            | Self::GrantExpired
            | Self::ExternalDown
            | Self::Capture => amount.get().saturating_neg(),
            Self::DisputeLost | Self::Hold | Self::Release | Self::Freeze | Self::Unfreeze => 0,
        }
    }

    /// Every kind.
    pub const ALL: [Self; 17] = [
        Self::TopUp,
        Self::Refund,
        Self::RefundFailed,
        Self::DisputeOpened,
        Self::DisputeWon,
        Self::DisputeLost,
        Self::AdjustmentUp,
        Self::AdjustmentDown,
        Self::Grant,
        Self::GrantExpired,
        Self::ExternalUp,
        Self::ExternalDown,
        Self::Hold,
        Self::Capture,
        Self::Release,
        Self::Freeze,
        Self::Unfreeze,
    ];

    /// The spelling in stores and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TopUp => "top_up",
            Self::Refund => "refund",
            Self::RefundFailed => "refund_failed",
            Self::DisputeOpened => "dispute_opened",
            Self::DisputeWon => "dispute_won",
            Self::DisputeLost => "dispute_lost",
            Self::AdjustmentUp => "adjustment_up",
            Self::AdjustmentDown => "adjustment_down",
            Self::Grant => "grant",
            Self::GrantExpired => "grant_expired",
            Self::ExternalUp => "external_up",
            Self::ExternalDown => "external_down",
            Self::Hold => "hold",
            Self::Capture => "capture",
            Self::Release => "release",
            Self::Freeze => "freeze",
            Self::Unfreeze => "unfreeze",
        }
    }

    /// The kind of this spelling.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

#[cfg(test)]
mod tests;

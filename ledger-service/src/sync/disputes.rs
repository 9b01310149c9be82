//! What a dispute does to the books: what stands, however often Stripe changes its mind.
//!
//! A dispute that was won can be lost later, be opened again, or be about another amount. So what is
//! posted is the difference between what should stand and what does, under names that are counted:
//! two ledgers that look at once come to the same names, and the books take each once. Whom that
//! freezes: see [`crate::postings`].

use std::cmp::Ordering;

use stripe402_protocol::{AmountOutOfRange, Units};

use super::StripeSync;
use crate::{
    accounting::{AccountKey, Kind, Movement, Posting},
    postings::{Accounts, Counted, FreezeReference, Unavailable, is_phase, known, units, unlike},
    stripe::{Dispute, DisputePhase},
};

/// How often the books are looked at again after something was posted.
const LOOKS: u32 = 8;

impl StripeSync {
    /// Posts what is missing of a dispute.
    pub(super) async fn post_dispute(
        &self,
        key: AccountKey,
        dispute: &Dispute,
    ) -> Result<(), Unavailable> {
        let Some(amount) = units(key, &dispute.id, &dispute.currency, dispute.amount_minor) else {
            return Ok(());
        };
        for _ in 0..LOOKS {
            let accounts = self.postings.accounts_of(key.client).await;
            let accounts = accounts?;
            let steps = steps(&accounts, key, dispute, amount).map_err(|error| {
                Unavailable::Other(format!("the movements of {}: {error}", dispute.id))
            })?;
            if steps.is_empty() {
                return Ok(());
            }
            for (key, posting) in steps {
                if matches!(posting.kind, Kind::Freeze | Kind::Unfreeze) {
                    self.postings.post_freeze(key, posting).await?;
                } else {
                    self.postings.post_noted(key, posting).await?;
                }
            }
        }
        Err(Unavailable::Other(format!("the books of {} do not come to rest", dispute.id)))
    }
}

/// What has to be posted now, about a dispute of a charge that was credited to `key`; nothing if the
/// books say what Stripe says. The freeze comes last, when the rest is in the books.
///
/// # Errors
/// [`AmountOutOfRange`] if what the books have of this dispute is more than an account can hold: they are
/// damaged, and nothing is posted on top of that.
pub(super) fn steps(
    accounts: &Accounts,
    key: AccountKey,
    dispute: &Dispute,
    amount: Units,
) -> Result<Vec<(AccountKey, Posting)>, AmountOutOfRange> {
    let movements = accounts.get(&key).map(Vec::as_slice).unwrap_or_default();
    let phases = phases(movements, dispute, amount)?;
    if !phases.is_empty() {
        return Ok(phases.into_iter().map(|posting| (key, posting)).collect());
    }
    if known(movements).all(|id| id != dispute.id) {
        return Ok(Vec::new());
    }
    Ok(unlike(accounts, &FreezeReference::dispute(&dispute.id)))
}

/// The dispute's own movements that are missing.
fn phases(
    movements: &[Movement],
    dispute: &Dispute,
    amount: Units,
) -> Result<Vec<Posting>, AmountOutOfRange> {
    let own: Vec<&Posting> = movements
        .iter()
        .map(|movement| &movement.posting)
        .filter(|posting| Counted::from(posting.reference.as_str()).id == dispute.id)
        .collect();
    let sum = |kind| {
        let mut amounts =
            own.iter().filter(|posting| posting.kind == kind).map(|of| of.amount.get());
        amounts.try_fold(0_i64, i64::checked_add).ok_or(AmountOutOfRange)
    };
    let last = own.iter().rev().map(|posting| posting.kind).find(|kind| is_phase(*kind));
    let (opened, won) = (sum(Kind::DisputeOpened)?, sum(Kind::DisputeWon)?);
    let taken = opened.checked_sub(won).ok_or(AmountOutOfRange)?;
    let (should, phase) = match dispute.phase {
        DisputePhase::Inquiry if last.is_none() => return Ok(Vec::new()),
        // It was won before anybody here had heard of it.
        DisputePhase::Won if last.is_none() => (amount.get(), Kind::DisputeOpened),
        DisputePhase::Inquiry | DisputePhase::Won => (0, Kind::DisputeWon),
        DisputePhase::Open => (amount.get(), Kind::DisputeOpened),
        DisputePhase::Lost => (amount.get(), Kind::DisputeLost),
    };
    let missing = should.checked_sub(taken).ok_or(AmountOutOfRange)?;
    let size = missing.checked_abs().ok_or(AmountOutOfRange)?;
    let size = Units::new(size)?;
    let mut wanted = Vec::new();
    match missing.cmp(&0) {
        Ordering::Greater => wanted.push((Kind::DisputeOpened, size)),
        Ordering::Less => wanted.push((Kind::DisputeWon, size)),
        Ordering::Equal => {}
    }
    if wanted.last().map_or(last, |(kind, _)| Some(*kind)) != Some(phase) {
        wanted.push((phase, Units::ZERO));
    }
    let named = |kind: Kind| {
        let count = own.iter().filter(|posting| posting.kind == kind).count();
        Counted { id: &dispute.id, count }.to_string()
    };
    let posting = |kind: Kind, amount| Posting { kind, reference: named(kind), amount, note: None };
    // One of a kind at a time: the next look sees it, and gives the next one another name.
    let first_twice = matches!(wanted.as_slice(), [(a, _), (b, _)] if a == b);
    let once = wanted.into_iter().take(if first_twice { 1 } else { 2 });
    Ok(once.map(|(kind, amount)| posting(kind, amount)).collect())
}

#[cfg(test)]
mod tests {
    use stripe402_protocol::{ClientId, Currency};

    use super::*;
    use crate::accounting::{AccountKey, Book as _, Memory, post};

    struct Case {
        book: Memory,
        key: AccountKey,
        /// Another account of the same client.
        other: AccountKey,
    }

    impl Case {
        fn new() -> Self {
            let client = ClientId::derive(b"s", "f");
            let mut case = Self {
                book: Memory::default(),
                key: AccountKey { client, currency: Currency::USD },
                other: AccountKey { client, currency: "eur".parse().unwrap() },
            };
            for (key, reference) in [(case.key, "pi_1"), (case.other, "pi_2")] {
                let (kind, reference) = (Kind::TopUp, reference.to_owned());
                let amount = Units::from_u32(50_000);
                case.post(key, Posting { kind, reference, amount, note: None });
            }
            case
        }

        fn post(&mut self, key: AccountKey, posting: Posting) {
            post(&mut self.book, &key, &posting, 1).unwrap();
        }

        fn accounts(&self) -> Accounts {
            let mut accounts = Accounts::new();
            for (key, movement) in self.book.movements() {
                accounts.entry(*key).or_default().push(movement.clone());
            }
            accounts
        }

        /// What is left, and whether all is frozen, when Stripe says this of a dispute.
        fn says(&mut self, id: &str, phase: DisputePhase, minor: i64) -> (i64, bool) {
            let dispute = Dispute {
                id: id.into(),
                intent: None,
                amount_minor: minor,
                currency: "usd".into(),
                phase,
            };
            let amount = Currency::USD.units(minor).unwrap();
            for _ in 0..LOOKS {
                for (key, posting) in steps(&self.accounts(), self.key, &dispute, amount).unwrap() {
                    self.post(key, posting);
                }
            }
            assert_eq!(steps(&self.accounts(), self.key, &dispute, amount), Ok(vec![]));
            let account = self.book.account(&self.key).unwrap();
            let other = self.book.account(&self.other).unwrap();
            assert_eq!((other.available.get(), other.frozen), (50_000, account.frozen));
            (account.available.get(), account.frozen)
        }
    }

    #[test]
    fn what_stands_follows_what_stripe_says_last() {
        use DisputePhase::{Inquiry, Lost, Open, Won};
        let mut case = Case::new();
        for (phase, minor, expected) in [
            (Inquiry, 300, (50_000, false)),
            (Open, 300, (20_000, true)),
            (Open, 300, (20_000, true)),
            (Won, 300, (50_000, false)),
            (Lost, 300, (20_000, false)),
            (Open, 300, (20_000, true)),
            (Open, 200, (30_000, true)),
            (Won, 200, (50_000, false)),
            (Open, 500, (0, true)),
            (Lost, 500, (0, false)),
            (Won, 500, (50_000, false)),
            (Inquiry, 500, (50_000, false)),
        ] {
            assert_eq!(case.says("dp_1", phase, minor), expected, "{phase:?} {minor}");
        }
    }

    #[test]
    fn books_that_cannot_be_added_up_are_left_alone() {
        let case = Case::new();
        let dispute = Dispute {
            id: "dp_1".into(),
            intent: None,
            amount_minor: 1,
            currency: "usd".into(),
            phase: DisputePhase::Won,
        };
        let opened = |number: usize| {
            let reference = Counted { id: "dp_1", count: number }.to_string();
            let (kind, amount) = (Kind::DisputeOpened, Units::MAX);
            Movement { posting: Posting { kind, reference, amount, note: None }, at_ms: 1 }
        };
        // Twice the largest amount is more than can be given back at once; a thousand times, than a sum holds.
        for count in [2, 1_100] {
            let accounts = Accounts::from([(case.key, (0..count).map(opened).collect())]);
            let found = steps(&accounts, case.key, &dispute, Units::from_u32(100));
            assert_eq!(found, Err(AmountOutOfRange), "{count}");
        }
    }

    #[test]
    fn one_that_was_won_unheard_is_in_the_books_all_the_same() {
        let mut case = Case::new();
        assert_eq!(case.says("dp_1", DisputePhase::Won, 300), (50_000, false));
        let own = &case.accounts()[&case.key];
        let kinds: Vec<_> = own.iter().map(|movement| movement.posting.kind).collect();
        assert_eq!(kinds, [Kind::TopUp, Kind::DisputeOpened, Kind::DisputeWon]);
    }

    #[test]
    fn the_account_is_frozen_as_long_as_any_dispute_is_open_or_an_operator_says_so() {
        use DisputePhase::{Open, Won};
        let mut case = Case::new();
        assert_eq!(case.says("dp_1", Open, 100), (40_000, true));
        assert_eq!(case.says("dp_2", Open, 200), (20_000, true));
        assert_eq!(case.says("dp_1", Won, 100), (30_000, true));
        assert_eq!(case.says("dp_2", Won, 200), (50_000, false));
        let zero = Units::ZERO;
        let reference = FreezeReference::Operator(9).to_string();
        let freeze = Posting { kind: Kind::Freeze, reference, amount: zero, note: None };
        case.post(case.key, freeze.clone());
        case.post(case.other, freeze);
        assert_eq!(case.says("dp_1", Open, 100), (40_000, true));
        assert_eq!(case.says("dp_1", Won, 100), (50_000, true), "the operator's freeze stays");
    }
}

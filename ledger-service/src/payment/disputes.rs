//! What a dispute does to the books: what stands, however often Stripe changes its mind.
//!
//! A dispute that was won can be lost later, be opened again, or be about another amount. So what is
//! posted is the difference between what should stand and what does, under names that are counted:
//! two ledgers that look at once come to the same names, and the books take each once. The account is
//! frozen as long as one of its disputes is open, or an operator has frozen it.

use stripe402_protocol::Units;

use super::{Payments, Unavailable};
use crate::{
    ledger::{AccountKey, Kind, Movement, Posting},
    stripe::{Dispute, DisputePhase},
};

/// How often the books are looked at again after something was posted.
const LOOKS: u32 = 8;

impl Payments {
    /// Posts what is missing of a dispute.
    pub(super) async fn post_dispute(
        &self,
        key: AccountKey,
        dispute: &Dispute,
    ) -> Result<(), Unavailable> {
        let Some(amount) = key.currency.units(dispute.amount_minor) else { return Ok(()) };
        for _ in 0..LOOKS {
            let steps = steps(&self.movements(key).await?, dispute, amount);
            if steps.is_empty() {
                return Ok(());
            }
            for posting in steps {
                self.post_noted(key, posting).await?;
            }
        }
        Err(Unavailable(format!("the books of {} do not come to rest", dispute.id)))
    }
}

/// What has to be posted now; nothing if the books say what Stripe says. The freeze comes last, when
/// the rest is in the books.
pub(super) fn steps(movements: &[Movement], dispute: &Dispute, amount: Units) -> Vec<Posting> {
    let own: Vec<&Posting> = movements
        .iter()
        .map(|movement| &movement.posting)
        .filter(|posting| id_of(&posting.reference) == dispute.id)
        .collect();
    let sum = |kind| {
        let amounts = own.iter().filter(|posting| posting.kind == kind).map(|of| of.amount.get());
        amounts.fold(0_i64, i64::saturating_add)
    };
    let last = own.iter().rev().map(|posting| posting.kind).find(|kind| is_phase(*kind));
    let taken = sum(Kind::DisputeOpened).saturating_sub(sum(Kind::DisputeWon));
    let (should, phase) = match dispute.phase {
        DisputePhase::Inquiry if last.is_none() => return Vec::new(),
        // It was won before anybody here had heard of it.
        DisputePhase::Won if last.is_none() => (amount.get(), Kind::DisputeOpened),
        DisputePhase::Inquiry | DisputePhase::Won => (0, Kind::DisputeWon),
        DisputePhase::Open => (amount.get(), Kind::DisputeOpened),
        DisputePhase::Lost => (amount.get(), Kind::DisputeLost),
    };
    let missing = should.saturating_sub(taken);
    let mut wanted = Vec::new();
    if missing > 0 {
        wanted.push((Kind::DisputeOpened, missing));
    } else if missing < 0 {
        wanted.push((Kind::DisputeWon, missing.saturating_neg()));
    }
    if wanted.last().map_or(last, |(kind, _)| Some(*kind)) != Some(phase) {
        wanted.push((phase, 0));
    }
    let named = |kind: Kind| {
        let count = own.iter().filter(|posting| posting.kind == kind).count();
        if count == 0 { dispute.id.clone() } else { format!("{}:{count}", dispute.id) }
    };
    let posting = |kind: Kind, amount: i64| Posting {
        kind,
        reference: named(kind),
        amount: Units::new(amount).unwrap_or(Units::ZERO),
        note: None,
    };
    if !wanted.is_empty() {
        // One of a kind at a time: the next look sees it, and gives the next one another name.
        let first_twice = matches!(wanted.as_slice(), [(a, _), (b, _)] if a == b);
        let once = wanted.into_iter().take(if first_twice { 1 } else { 2 });
        return once.map(|(kind, amount)| posting(kind, amount)).collect();
    }
    let should = should_be_frozen(movements);
    if should == is_frozen(movements) {
        return Vec::new();
    }
    let count = own.iter().filter(|of| matches!(of.kind, Kind::Freeze | Kind::Unfreeze)).count();
    let kind = if should { Kind::Freeze } else { Kind::Unfreeze };
    let reference = if count == 0 { dispute.id.clone() } else { format!("{}:{count}", dispute.id) };
    vec![Posting { kind, reference, amount: Units::ZERO, note: None }]
}

/// The disputes that these books know of.
pub(super) fn known(movements: &[Movement]) -> impl Iterator<Item = &str> {
    let of = movements.iter().filter(|movement| is_phase(movement.posting.kind));
    of.map(|movement| id_of(&movement.posting.reference))
}

/// A reference is the dispute's id, or that and a number.
fn id_of(reference: &str) -> &str {
    reference.split(':').next().unwrap_or(reference)
}

const fn is_phase(kind: Kind) -> bool {
    matches!(kind, Kind::DisputeOpened | Kind::DisputeWon | Kind::DisputeLost)
}

/// Whether a dispute is open, or an operator's last word was to freeze.
fn should_be_frozen(movements: &[Movement]) -> bool {
    let last = |wanted: &dyn Fn(&Posting) -> bool| {
        let newest_first = movements.iter().rev().map(|movement| &movement.posting);
        newest_first.filter(|posting| wanted(posting)).map(|posting| posting.kind).next()
    };
    if stripe402_mutant::mutant!("thaw_with_the_first") {
        return last(&|posting| is_phase(posting.kind)) == Some(Kind::DisputeOpened);
    }
    is_disputed(movements) || operators_word(movements) == Some(true)
}

/// Whether a dispute is open, by the books.
#[must_use]
pub fn is_disputed(movements: &[Movement]) -> bool {
    let phase_of = |id: &str| {
        let newest_first = movements.iter().rev().map(|movement| &movement.posting);
        let mut own = newest_first.filter(|of| is_phase(of.kind) && id_of(&of.reference) == id);
        own.next().map(|posting| posting.kind)
    };
    known(movements).any(|id| phase_of(id) == Some(Kind::DisputeOpened))
}

/// Whether the operators' last word was to freeze; `None` if there was none.
#[must_use]
pub fn operators_word(movements: &[Movement]) -> Option<bool> {
    let newest_first = movements.iter().rev().map(|movement| &movement.posting);
    let mut words = newest_first.filter(|posting| {
        matches!(posting.kind, Kind::Freeze | Kind::Unfreeze)
            && posting.reference.starts_with("operator-")
    });
    words.next().map(|posting| posting.kind == Kind::Freeze)
}

fn is_frozen(movements: &[Movement]) -> bool {
    let kinds = movements.iter().rev().map(|movement| movement.posting.kind);
    let mut words = kinds.filter(|kind| matches!(kind, Kind::Freeze | Kind::Unfreeze));
    words.next() == Some(Kind::Freeze)
}

#[cfg(test)]
mod tests {
    use stripe402_protocol::{ClientId, Currency};

    use super::*;
    use crate::ledger::{AccountKey, Book as _, Memory, post};

    struct Case {
        book: Memory,
        key: AccountKey,
    }

    impl Case {
        fn new() -> Self {
            let client = ClientId::derive(b"s", "f");
            let mut case = Self {
                book: Memory::default(),
                key: AccountKey { client, currency: Currency::USD },
            };
            case.post(Posting {
                kind: Kind::TopUp,
                reference: "pi_1".into(),
                amount: Units::from_u32(50_000),
                note: None,
            });
            case
        }

        fn post(&mut self, posting: Posting) {
            post(&mut self.book, &self.key, &posting, 1).unwrap();
        }

        fn movements(&self) -> Vec<Movement> {
            self.book.movements().iter().map(|(_, movement)| movement.clone()).collect()
        }

        /// What is left, and whether it is frozen, when Stripe says this of a dispute.
        fn says(&mut self, id: &str, phase: DisputePhase, minor: i64) -> (i64, bool) {
            let dispute = Dispute { id: id.into(), intent: None, amount_minor: minor, phase };
            let amount = Currency::USD.units(minor).unwrap();
            for _ in 0..LOOKS {
                for posting in steps(&self.movements(), &dispute, amount) {
                    self.post(posting);
                }
            }
            assert_eq!(steps(&self.movements(), &dispute, amount), []);
            let account = self.book.account(&self.key).unwrap();
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
    fn one_that_was_won_unheard_is_in_the_books_all_the_same() {
        let mut case = Case::new();
        assert_eq!(case.says("dp_1", DisputePhase::Won, 300), (50_000, false));
        let kinds: Vec<_> = case.movements().iter().map(|movement| movement.posting.kind).collect();
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
        let reference = "operator-9".to_owned();
        case.post(Posting { kind: Kind::Freeze, reference, amount: zero, note: None });
        assert_eq!(case.says("dp_1", Open, 100), (40_000, true));
        assert_eq!(case.says("dp_1", Won, 100), (50_000, true), "the operator's freeze stays");
    }
}

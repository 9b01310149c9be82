//! What the books and Stripe say, side by side: pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use stripe402_protocol::{ClientId, Currency, Units};

use super::disputes;
use crate::{
    accounting::{AccountKey, Kind, Movement},
    postings::{self, Accounts},
    refunds::{hold_name::HoldName, holds::open_holds},
    stripe::{Dispute, Intent, IntentStatus, Refund},
};

/// One thing on which the books and Stripe do not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What is wrong.
    pub problem: DifferenceKind,
    /// What it is about at Stripe: a PaymentIntent, a refund or a dispute.
    pub reference: String,
    /// The PaymentIntent behind it.
    pub payment_intent: String,
    /// Whose it is, as people see it, if the books know.
    pub subject: Option<String>,
    /// The currency, and how much by Stripe's account, in units.
    pub currency: String,
    /// How much by Stripe's account, in units.
    pub at_stripe: i64,
    /// How much by the books.
    pub in_books: i64,
    /// Whose account it is, if the books know: a client id is a credential, and is not shown.
    pub account: Option<AccountKey>,
}

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// A card was charged, and nobody got credits for it.
    NotCredited,
    /// Credits were given for another amount than the card was charged.
    WrongAmount,
    /// Credits were given, and Stripe knows of no such charge.
    NotCharged,
    /// Stripe gave money back, and the credits are still there.
    RefundNotPosted,
    /// A refund failed, and its credits are still gone.
    FailedRefundNotPosted,
    /// A dispute's phase is not in the books.
    DisputeNotPosted,
    /// An operator's refund was cut off: its amount is held.
    RefundUnfinished,
}

impl DifferenceKind {
    /// As people and programs read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotCredited => "not_credited",
            Self::WrongAmount => "wrong_amount",
            Self::NotCharged => "not_charged",
            Self::RefundNotPosted => "refund_not_posted",
            Self::FailedRefundNotPosted => "failed_refund_not_posted",
            Self::DisputeNotPosted => "dispute_not_posted",
            Self::RefundUnfinished => "refund_unfinished",
        }
    }
}

/// What the books say, by Stripe's names.
#[derive(Default)]
pub(super) struct Index {
    /// PaymentIntent → its credit.
    pub(super) credits: BTreeMap<String, Credit>,
    /// Every other movement that Stripe caused.
    posted: BTreeSet<(Kind, String)>,
    /// Refunds for which a hold was captured.
    captured: BTreeSet<String>,
    /// Each client's accounts.
    clients: BTreeMap<ClientId, Accounts>,
    /// Holds of refunds that are open.
    pub(super) holds: Vec<(AccountKey, HoldName, Units)>,
}

#[derive(Clone, Copy)]
pub(super) struct Credit {
    pub(super) key: AccountKey,
    pub(super) amount: Units,
    pub(super) at_ms: u64,
}

impl Index {
    pub(super) fn add(&mut self, key: AccountKey, movements: &[Movement]) {
        for Movement { posting, at_ms } in movements {
            if posting.kind == Kind::TopUp {
                let credit = Credit { key, amount: posting.amount, at_ms: *at_ms };
                self.credits.insert(posting.reference.clone(), credit);
            } else {
                self.posted.insert((posting.kind, posting.reference.clone()));
                if posting.kind == Kind::Capture {
                    self.captured.extend(posting.note.clone());
                }
            }
        }
        let holds = open_holds(movements).into_iter();
        self.holds.extend(holds.map(|(hold, amount)| (key, hold, amount)));
        self.clients.entry(key.client).or_default().insert(key, movements.to_vec());
    }

    fn has(&self, kind: Kind, reference: &str) -> bool {
        self.posted.contains(&(kind, reference.to_owned()))
    }

    pub(super) fn intent(&self, intent: &Intent) -> Option<DifferenceKind> {
        let taken = intent.status == IntentStatus::Succeeded;
        match self.credits.get(&intent.id) {
            None if taken => Some(DifferenceKind::NotCredited),
            None => None,
            Some(_) if !taken => Some(DifferenceKind::NotCharged),
            Some(credit) => (credit.key.currency.units(intent.received_minor)
                != Some(credit.amount))
            .then_some(DifferenceKind::WrongAmount),
        }
    }

    pub(super) fn refund(&self, refund: &Refund) -> Option<DifferenceKind> {
        let posted = self.captured.contains(&refund.id) || self.has(Kind::Refund, &refund.id);
        let undone = self.has(Kind::RefundFailed, &refund.id);
        match refund.failed {
            false if !posted => Some(DifferenceKind::RefundNotPosted),
            true if posted && !undone => Some(DifferenceKind::FailedRefundNotPosted),
            _ => None,
        }
    }

    /// `key`: whose charge is disputed.
    pub(super) fn dispute(&self, key: AccountKey, dispute: &Dispute) -> Option<DifferenceKind> {
        let amount = key.currency.units(dispute.amount_minor)?;
        let missing = disputes::steps(self.clients.get(&key.client)?, key, dispute, amount);
        // Books that do not add up do not say what Stripe says, either.
        let agrees = missing.is_ok_and(|missing| missing.is_empty());
        (!agrees).then_some(DifferenceKind::DisputeNotPosted)
    }

    /// Every dispute that the books know of, with its account.
    pub(super) fn disputes(&self) -> BTreeSet<(String, AccountKey)> {
        let accounts = self.clients.values().flatten();
        let all = accounts.flat_map(|(key, movements)| {
            postings::known(movements).map(|id| (id.to_owned(), *key))
        });
        all.collect()
    }

    pub(super) fn about(&self, problem: DifferenceKind, intent: &Intent) -> Difference {
        if let Some(credit) = self.credits.get(&intent.id) {
            return credit.difference(problem, &intent.id, &intent.id, intent.received_minor);
        }
        let currency = intent.currency.parse::<Currency>().ok();
        let units = currency.and_then(|currency| currency.units(intent.received_minor));
        Difference {
            problem,
            reference: intent.id.clone(),
            payment_intent: intent.id.clone(),
            subject: intent.subject.clone(),
            currency: intent.currency.clone(),
            at_stripe: units.unwrap_or(Units::ZERO).get(),
            in_books: 0,
            account: None,
        }
    }
}

impl Credit {
    pub(super) fn difference(
        &self,
        problem: DifferenceKind,
        reference: &str,
        intent: &str,
        minor: i64,
    ) -> Difference {
        let is_credit = matches!(problem, DifferenceKind::WrongAmount | DifferenceKind::NotCharged);
        let is_hold = problem == DifferenceKind::RefundUnfinished;
        Difference {
            problem,
            reference: reference.to_owned(),
            payment_intent: intent.to_owned(),
            subject: Some(self.key.client.subject()),
            currency: self.key.currency.to_string(),
            at_stripe: self.key.currency.units(minor).unwrap_or(Units::ZERO).get(),
            in_books: if is_credit || is_hold { self.amount.get() } else { 0 },
            account: Some(self.key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{accounting::Posting, stripe::DisputePhase};

    fn index(postings: &[(Kind, &str, u32)]) -> Index {
        let key = AccountKey { client: ClientId::derive(b"s", "f"), currency: Currency::USD };
        let movements: Vec<_> = postings
            .iter()
            .map(|(kind, reference, amount)| {
                let (reference, amount) = ((*reference).to_owned(), Units::from_u32(*amount));
                let note = (*kind == Kind::Capture).then(|| "re_1".to_owned());
                let posting = Posting { kind: *kind, reference, amount, note };
                Movement { posting, at_ms: 7 }
            })
            .collect();
        let mut index = Index::default();
        index.add(key, &movements);
        index
    }

    fn intent(status: IntentStatus, received_minor: i64) -> Intent {
        Intent {
            id: "pi_1".into(),
            status,
            amount_minor: received_minor,
            received_minor,
            books: None,
            currency: "usd".into(),
            card: None,
            client_secret: None,
            top_up: Some("t".into()),
            customer: None,
            subject: None,
            declined: false,
        }
    }

    #[test]
    fn charges_and_credits() {
        let credited = index(&[(Kind::TopUp, "pi_1", 50_000)]);
        let nothing = Index::default();
        let (taken, open) = (IntentStatus::Succeeded, IntentStatus::RequiresAction);
        for (books, status, minor, problem) in [
            (&credited, taken, 500, None),
            (&credited, taken, 501, Some(DifferenceKind::WrongAmount)),
            (&credited, open, 0, Some(DifferenceKind::NotCharged)),
            (&nothing, taken, 500, Some(DifferenceKind::NotCredited)),
            (&nothing, open, 0, None),
        ] {
            assert_eq!(books.intent(&intent(status, minor)), problem, "{status:?} {minor}");
        }
    }

    #[test]
    fn refunds_and_what_they_left() {
        let refund = |hold: Option<&str>, failed| Refund {
            id: "re_1".into(),
            intent: Some("pi_1".into()),
            hold: hold.map(str::to_owned),
            amount_minor: 1,
            currency: "usd".into(),
            failed,
        };
        let posted = index(&[(Kind::Refund, "re_1", 100)]);
        let undone = index(&[(Kind::Refund, "re_1", 100), (Kind::RefundFailed, "re_1", 100)]);
        let captured = index(&[(Kind::Hold, "h", 100), (Kind::Capture, "h", 100)]);
        let released = index(&[(Kind::Hold, "h", 100), (Kind::Release, "h", 100)]);
        let not_posted = Some(DifferenceKind::RefundNotPosted);
        let not_undone = Some(DifferenceKind::FailedRefundNotPosted);
        for (name, books, hold, failed, problem) in [
            ("posted", &posted, None, false, None),
            ("unknown", &released, None, false, not_posted),
            ("failed, still taken", &posted, None, true, not_undone),
            ("failed, given back", &undone, None, true, None),
            ("captured", &captured, Some("h"), false, None),
            ("captured, then failed", &captured, Some("h"), true, not_undone),
            ("released, yet it went", &released, Some("h"), false, not_posted),
            ("released, and it failed", &released, Some("h"), true, None),
        ] {
            assert_eq!(books.refund(&refund(hold, failed)), problem, "{name}");
        }
    }

    #[test]
    fn disputes_by_phase() {
        let key = AccountKey { client: ClientId::derive(b"s", "f"), currency: Currency::USD };
        let dispute = |phase| Dispute {
            id: "dp_1".into(),
            intent: None,
            amount_minor: 1,
            currency: "usd".into(),
            phase,
        };
        let half = index(&[(Kind::DisputeOpened, "dp_1", 100)]);
        let opened = index(&[(Kind::DisputeOpened, "dp_1", 100), (Kind::Freeze, "dp_1", 0)]);
        let won = [
            (Kind::DisputeOpened, "dp_1", 100),
            (Kind::Freeze, "dp_1", 0),
            (Kind::DisputeWon, "dp_1", 100),
            (Kind::Unfreeze, "dp_1", 0),
        ];
        let (frozen, won) = (index(&won[..3]), index(&won));
        let unheard = index(&[]);
        for (books, phase, complete) in [
            (&unheard, DisputePhase::Inquiry, true),
            (&unheard, DisputePhase::Open, false),
            (&half, DisputePhase::Open, false),
            (&opened, DisputePhase::Open, true),
            (&opened, DisputePhase::Won, false),
            (&opened, DisputePhase::Lost, false),
            (&frozen, DisputePhase::Won, false),
            (&won, DisputePhase::Won, true),
            (&won, DisputePhase::Lost, false),
        ] {
            assert_eq!(books.dispute(key, &dispute(phase)).is_none(), complete, "{phase:?}");
        }
        assert_eq!(won.disputes().len(), 1);
    }

    #[test]
    fn a_hold_that_was_cut_off_is_found() {
        let books = index(&[(Kind::Hold, "refund:pi_1:x", 100), (Kind::Hold, "other", 5)]);
        assert_eq!(books.holds.len(), 1);
    }
}

//! Operations and answers in words: accounts, deductions and top-ups have short names.

use stripe402_protocol::{
    DeductionId,
    message::{CaptureOutcome, DeductionOutcome, VoidOutcome},
};

use super::{
    history::History,
    operation::{Answer, Operation},
};
use crate::accounting::{Account, AccountKey, Advance, Opened, Posted, State, TopUp, TopUpId};

/// The names, in the order in which things came up.
#[derive(Default)]
pub(super) struct Words {
    keys: Vec<AccountKey>,
    deductions: Vec<DeductionId>,
    top_ups: Vec<TopUpId>,
}

fn name<T: PartialEq>(prefix: &str, known: &[T], of: &T) -> String {
    let place = known.iter().position(|known| known == of);
    place.map_or_else(|| format!("{prefix}?"), |place| format!("{prefix}{place}"))
}

impl Words {
    pub(super) fn of(history: &History) -> Self {
        let mut words = Self::default();
        for event in &history.events {
            match &event.operation {
                Operation::Deduction(deduction) | Operation::ChargeForCard(deduction) => {
                    words.deductions.push(deduction.id);
                    let key =
                        AccountKey { client: deduction.client_id, currency: deduction.currency };
                    words.keys.push(key);
                }
                Operation::Void(void) => words.deductions.push(void.id),
                Operation::Capture(capture) => words.deductions.push(capture.id),
                Operation::Open(wanted) => {
                    words.top_ups.push(wanted.id);
                    words.keys.push(wanted.account);
                }
                Operation::Advance { id, .. } | Operation::TopUp(id) => words.top_ups.push(*id),
                Operation::Post(key, _)
                | Operation::Account(key)
                | Operation::Movements(key)
                | Operation::Tallies(key)
                | Operation::Charges(key) => words.keys.push(*key),
            }
        }
        words.keys.sort_unstable();
        words.keys.dedup();
        words.deductions.sort_unstable();
        words.deductions.dedup();
        words.top_ups.sort_unstable();
        words.top_ups.dedup();
        words
    }

    fn key(&self, key: &AccountKey) -> String {
        name("a", &self.keys, key)
    }

    fn deduction(&self, id: &DeductionId) -> String {
        name("c", &self.deductions, id)
    }

    fn top_up(&self, top_up: &TopUp) -> String {
        format!("{} {}", name("t", &self.top_ups, &top_up.id), state(&top_up.state))
    }

    /// The operation without what it is about.
    pub(super) fn kind(operation: &Operation) -> &'static str {
        match operation {
            Operation::Deduction(_) => "charge",
            Operation::ChargeForCard(_) => "card charge",
            Operation::Void(void) if void.client_id.is_none() => "nameless void",
            Operation::Void(_) => "void",
            Operation::Capture(_) => "capture",
            Operation::Post(_, posting) => posting.kind.as_str(),
            Operation::Open(_) => "open",
            Operation::Advance { .. } => "advance",
            Operation::Account(_) => "account",
            Operation::TopUp(_) => "top-up",
            Operation::Movements(_) => "movements",
            Operation::Tallies(_) => "sums",
            Operation::Charges(_) => "charges",
        }
    }

    /// The answer without what it is about.
    pub(super) fn outcome(answer: &Answer) -> &'static str {
        match answer {
            Answer::Deduction(
                DeductionOutcome::Deducted(_) | DeductionOutcome::DeductedUntopped(..),
            ) => "charged",
            Answer::Deduction(DeductionOutcome::Insufficient) => "insufficient",
            Answer::Deduction(DeductionOutcome::InDebt(_)) => "in debt",
            Answer::Deduction(DeductionOutcome::Leased) | Answer::Opened(Opened::Leased) => {
                "leased"
            }
            Answer::Deduction(DeductionOutcome::LeaseRefused) => "no lease",
            Answer::Deduction(DeductionOutcome::KeyRefused(_)) => "refused",
            Answer::Captured(CaptureOutcome::Captured { .. }) => "captured",
            Answer::Deduction(DeductionOutcome::Frozen) => "frozen",
            Answer::Deduction(DeductionOutcome::Voided)
            | Answer::Captured(CaptureOutcome::Voided)
            | Answer::Void(VoidOutcome::Voided) => "voided",
            Answer::Deduction(DeductionOutcome::Conflict)
            | Answer::Captured(CaptureOutcome::Conflict)
            | Answer::Void(VoidOutcome::Conflict) => "conflict",
            Answer::Deduction(DeductionOutcome::Stale)
            | Answer::Captured(CaptureOutcome::Stale)
            | Answer::Void(VoidOutcome::Stale) => "stale",
            Answer::Captured(CaptureOutcome::Marked) | Answer::Void(VoidOutcome::Marked) => {
                "marked"
            }
            Answer::Void(VoidOutcome::Repeated) | Answer::Posted(Posted::Repeated(_)) => "repeated",
            Answer::Posted(Posted::Done(_)) | Answer::Advanced(Advance::Done(_)) => "done",
            Answer::Posted(Posted::Refused(_)) => "refused",
            Answer::Opened(Opened::New(_)) => "new",
            Answer::Opened(Opened::Enough) => "enough",
            Answer::Opened(Opened::Busy(_)) => "busy",
            Answer::Opened(Opened::Repeated(_)) => "repeated",
            Answer::Opened(Opened::Mismatch) => "mismatch",
            Answer::Opened(Opened::Frozen) => "frozen",
            Answer::Opened(Opened::InDebt(_)) => "in debt",
            Answer::Advanced(Advance::Finished(_)) => "finished",
            Answer::Advanced(Advance::Unknown) => "unknown",
            Answer::Advanced(Advance::TooLarge) => "too large",
            Answer::Advanced(Advance::Conflict) => "conflict",
            Answer::Advanced(Advance::Moved(_)) => "moved",
            Answer::Account(_)
            | Answer::TopUp(_)
            | Answer::Movements(_)
            | Answer::Tallies(_)
            | Answer::Charges(_) => "read",
        }
    }

    pub(super) fn operation(&self, operation: &Operation) -> String {
        let kind = Self::kind(operation);
        match operation {
            Operation::Deduction(of) | Operation::ChargeForCard(of) => {
                let key = AccountKey { client: of.client_id, currency: of.currency };
                let hold = if of.hold.is_some() { " (hold)" } else { "" };
                format!("{kind} {} {} {}{hold}", self.deduction(&of.id), self.key(&key), of.amount)
            }
            Operation::Void(void) => format!("{kind} {}", self.deduction(&void.id)),
            Operation::Capture(of) => format!("{kind} {} {}", self.deduction(&of.id), of.amount),
            Operation::Post(key, posting) => {
                format!("{kind} {} {} {}", self.key(key), posting.reference, posting.amount)
            }
            Operation::Open(wanted) => {
                let (id, key) = (name("t", &self.top_ups, &wanted.id), self.key(&wanted.account));
                let label = wanted.idempotency_key.as_deref().unwrap_or("-");
                format!("{kind} {id} {key} {} of {} {label}", wanted.amount, wanted.needed)
            }
            Operation::Advance { id, from, to } => {
                let from = from.as_ref().map_or_else(|| "any".to_owned(), state);
                format!("{kind} {} {from} -> {}", name("t", &self.top_ups, id), state(to))
            }
            Operation::TopUp(id) => format!("{kind} {}", name("t", &self.top_ups, id)),
            Operation::Account(key)
            | Operation::Movements(key)
            | Operation::Tallies(key)
            | Operation::Charges(key) => format!("{kind} {}", self.key(key)),
        }
    }

    pub(super) fn answer(&self, answer: &Answer) -> String {
        let outcome = Self::outcome(answer);
        match answer {
            Answer::Deduction(DeductionOutcome::Deducted(left)) => {
                format!("{outcome}, {left} left")
            }
            Answer::Captured(CaptureOutcome::Captured { captured, left }) => {
                format!("{outcome} {captured}, {left} left")
            }
            Answer::Posted(Posted::Done(of) | Posted::Repeated(of)) => {
                format!("{outcome}: {}", account(of))
            }
            Answer::Posted(Posted::Refused(why)) => format!("{outcome}: {why:?}"),
            Answer::Opened(Opened::New(of) | Opened::Busy(of) | Opened::Repeated(of))
            | Answer::Advanced(Advance::Done(of) | Advance::Finished(of) | Advance::Moved(of)) => {
                format!("{outcome}: {}", self.top_up(of))
            }
            Answer::Account(of) => account(of),
            Answer::TopUp(of) => of.as_ref().map_or_else(|| "none".into(), |of| self.top_up(of)),
            Answer::Movements(all) => {
                let all = all
                    .iter()
                    .map(|of| format!("{} {} {}", of.kind.as_str(), of.reference, of.amount));
                all.collect::<Vec<_>>().join(", ")
            }
            Answer::Tallies(all) => {
                let all = all.iter().map(|of| format!("{} {}: {}", of.count, of.route, of.amount));
                all.collect::<Vec<_>>().join(", ")
            }
            Answer::Charges(all) => {
                let all = all.iter().map(|of| format!("{} {}", self.deduction(&of.id), of.amount));
                all.collect::<Vec<_>>().join(", ")
            }
            _ => outcome.to_owned(),
        }
    }
}

fn account(of: &Account) -> String {
    let frozen = if of.frozen { ", frozen" } else { "" };
    format!("{} available, {} held, {} owed{frozen}", of.available, of.pending, of.debt)
}

fn state(of: &State) -> String {
    match of {
        State::Charging(claim) => format!("charging({})", claim.epoch),
        State::RequiresAction { .. } => "requires action".to_owned(),
        State::Credited { payment_intent, amount } => {
            let end = payment_intent.len().saturating_sub(4);
            format!("credited {amount} by ..{}", payment_intent.get(end..).unwrap_or_default())
        }
        State::Refused { .. } => "refused".to_owned(),
        State::Lapsed => "lapsed".to_owned(),
    }
}

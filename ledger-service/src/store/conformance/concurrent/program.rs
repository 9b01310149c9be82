//! What the tasks of one history do: little, and all of it on the same few things.

use std::{collections::BTreeSet, sync::Mutex, time::Duration};

use stripe402_protocol::{
    Code, DeductionId, Refusal,
    message::{Capture, Deduction, DeductionOutcome, Void},
};

use super::{
    super::{
        fixture::{self, new_account, now_ms, units, wanted},
        random::Dice,
    },
    operation::{Answer, Moment, Operation},
};
use crate::accounting::{
    AccountKey, Advance, Claim, Kind, NewTopUp, Opened, Posted, Posting, State, TopUp, Window,
};

/// What a hold holds.
const HELD: i64 = 12;
/// How many things there can be most of.
const THEMES: u64 = 3;

/// A deduction that several tasks make and void.
struct Shared {
    deduction: Deduction,
    /// Whether its gateway does not know the client until the deduction is answered.
    for_card: bool,
}

/// What a history is about.
pub(super) struct Scene {
    pub(super) keys: Vec<AccountKey>,
    /// What it has most of: deductions, holds, or top-ups.
    theme: u64,
    deductions: Vec<Shared>,
    known: Mutex<Known>,
    pub(super) at: Moment,
}

/// What the tasks have learnt, each for all.
#[derive(Default)]
struct Known {
    top_ups: Vec<TopUp>,
    deducted: BTreeSet<DeductionId>,
    /// Of the deductions, those that nobody has seen voided.
    standing: BTreeSet<DeductionId>,
    /// Holds that nobody has seen captured or released.
    holds: BTreeSet<(AccountKey, String)>,
}

impl Scene {
    pub(super) fn new(dice: &mut Dice) -> Self {
        let first = new_account();
        let second = match dice.throw(4) {
            0 | 1 => None,
            2 => Some(new_account()),
            _ => Some(AccountKey { currency: "eur".parse().unwrap(), ..first }),
        };
        let keys: Vec<_> = [Some(first), second].into_iter().flatten().collect();
        let theme = dice.throw(THEMES);
        let deductions = (0..6).map(|number| {
            let (key, amount) = (*dice.pick(&keys), i64::try_from(dice.throw(30)).unwrap());
            let make = if number % 2 == 0 { fixture::deduction } else { fixture::hold };
            Shared { deduction: make(key, amount), for_card: dice.throw(5) < 2 }
        });
        let deductions = deductions.collect();
        let now_ms = now_ms();
        let day = Duration::from_secs(24 * 3600);
        let window = Window::at(now_ms, day * 7, Duration::from_secs(60));
        Self { keys, theme, deductions, known: Mutex::default(), at: Moment { now_ms, window } }
    }

    /// What comes before all else: most accounts have something, and some were never touched.
    pub(super) fn beginning(&self, dice: &mut Dice) -> Vec<Operation> {
        let funded = self.keys.iter().filter(|_| dice.throw(4) > 0);
        let funded: Vec<_> = funded.copied().collect();
        let fund = |key| Operation::Post(key, posting(Kind::TopUp, "before", 60));
        funded.into_iter().map(fund).collect()
    }

    /// What comes after all else: a look at everything. At single deductions only in some histories:
    /// a store may have to look through a week, piece by piece.
    pub(super) fn end(&self, dice: &mut Dice) -> Vec<Operation> {
        let tables = |key: &AccountKey| {
            [Operation::Account, Operation::Movements, Operation::Tallies].map(|of| of(*key))
        };
        let known = self.known.lock().unwrap();
        let mut all: Vec<_> = self.keys.iter().flat_map(tables).collect();
        all.extend(known.top_ups.iter().map(|top_up| Operation::TopUp(top_up.id)));
        if dice.throw(6) == 0 {
            all.extend(self.keys.iter().map(|key| Operation::Charges(*key)));
        }
        all
    }

    /// Half of what tasks do is of the history's theme: much of one thing collides more often than
    /// a little of each.
    pub(super) fn draw(&self, dice: &mut Dice) -> Operation {
        let theme = if dice.throw(2) == 0 { self.theme } else { dice.throw(THEMES + 1) };
        match theme {
            0 if dice.throw(2) == 0 => self.deduction(dice),
            0 if dice.throw(2) == 0 => self.void(dice),
            0 => self.capture(dice),
            1 => self.post(dice),
            2 if dice.throw(4) == 0 => self.open(dice),
            2 => self.advance(dice),
            _ => Operation::Account(*dice.pick(&self.keys)),
        }
    }

    /// What an answer tells the other tasks.
    pub(super) fn learn(&self, operation: &Operation, answer: &Answer) {
        let mut known = self.known.lock().unwrap();
        match (operation, answer) {
            (
                Operation::Deduction(deduction) | Operation::ChargeForCard(deduction),
                Answer::Deduction(DeductionOutcome::Deducted(_)),
            ) => {
                let is_new = known.deducted.insert(deduction.id);
                if is_new {
                    known.standing.insert(deduction.id);
                }
            }
            (Operation::Void(void), _) => {
                known.standing.remove(&void.id);
            }
            (Operation::Post(key, posting), Answer::Posted(posted)) => {
                let hold = (*key, posting.reference.clone());
                match (posting.kind, posted) {
                    (Kind::Hold, Posted::Done(_)) => _ = known.holds.insert(hold),
                    (Kind::Capture | Kind::Release, _) => _ = known.holds.remove(&hold),
                    _ => {}
                }
            }
            (
                _,
                Answer::Opened(Opened::New(of) | Opened::Busy(of) | Opened::Repeated(of))
                | Answer::Advanced(Advance::Done(of) | Advance::Finished(of) | Advance::Moved(of))
                | Answer::TopUp(Some(of)),
            ) => {
                known.top_ups.retain(|known| known.id != of.id);
                known.top_ups.push(of.clone());
            }
            _ => {}
        }
    }

    fn deduction(&self, dice: &mut Dice) -> Operation {
        let Shared { deduction, for_card } = dice.pick(&self.deductions);
        let mut deduction = deduction.clone();
        if dice.throw(8) == 0 {
            deduction.amount = units(deduction.amount.get() + 1);
        }
        if *for_card {
            Operation::ChargeForCard(deduction)
        } else {
            Operation::Deduction(deduction)
        }
    }

    /// Mostly of a deduction that stands, as far as is known: else most ids would be voided before
    /// they are charged. A void of a card's charge has no name until somebody has learnt whose it
    /// is.
    fn void(&self, dice: &mut Dice) -> Operation {
        let known = self.known.lock().unwrap();
        let stands = |shared: &&Shared| known.standing.contains(&shared.deduction.id);
        let standing: Vec<_> = self.deductions.iter().filter(stands).collect();
        let Shared { deduction, for_card } = if standing.is_empty() || dice.throw(4) == 0 {
            dice.pick(&self.deductions)
        } else {
            *dice.pick(&standing)
        };
        let is_named = !for_card || (known.deducted.contains(&deduction.id) && dice.throw(4) == 0);
        let client_id = Some(deduction.client_id).filter(|_| is_named);
        Operation::Void(Void { id: deduction.id, client_id })
    }

    /// Of a hold, mostly; of a card's only once somebody has learnt whose it is.
    fn capture(&self, dice: &mut Dice) -> Operation {
        let known = self.known.lock().unwrap();
        let may =
            |shared: &&Shared| !shared.for_card || known.deducted.contains(&shared.deduction.id);
        let holds = |shared: &&Shared| shared.deduction.hold.is_some();
        let all: Vec<_> = self.deductions.iter().filter(may).collect();
        let own: Vec<_> = all.iter().copied().filter(holds).collect();
        let from = if own.is_empty() || dice.throw(8) == 0 { &all } else { &own };
        if from.is_empty() {
            return Operation::Account(*dice.pick(&self.keys));
        }
        let Deduction { id, client_id, .. } = dice.pick(from).deduction;
        let amount = units(i64::try_from(dice.throw(32)).unwrap());
        Operation::Capture(Capture { id, client_id, amount, count: 1 })
    }

    fn post(&self, dice: &mut Dice) -> Operation {
        let (kind, reference, amount) = match dice.throw(12) {
            0 => (Kind::Freeze, "f", 0),
            1 | 2 => (Kind::Unfreeze, "f", 0),
            3 => (Kind::AdjustmentUp, "m", 15),
            4 => (Kind::DisputeOpened, "d", 25),
            5..=7 => (Kind::Hold, *dice.pick(&["h", "i", "j"]), HELD),
            of => {
                return self.end_of_hold(dice, if of < 10 { Kind::Capture } else { Kind::Release });
            }
        };
        // Now and then of another amount, under the same name.
        let amount = if dice.throw(12) == 0 { amount + 1 } else { amount };
        Operation::Post(*dice.pick(&self.keys), posting(kind, reference, amount))
    }

    /// Mostly of a hold that is open, as far as is known.
    fn end_of_hold(&self, dice: &mut Dice, kind: Kind) -> Operation {
        let holds: Vec<_> = self.known.lock().unwrap().holds.iter().cloned().collect();
        if holds.is_empty() || dice.throw(6) == 0 {
            return Operation::Post(*dice.pick(&self.keys), posting(kind, "h", HELD));
        }
        let (key, reference) = dice.pick(&holds);
        Operation::Post(*key, posting(kind, reference, HELD))
    }

    fn open(&self, dice: &mut Dice) -> Operation {
        let name = Some("name").filter(|_| dice.throw(3) == 0);
        let amount = units(50);
        let needed = units(if dice.throw(4) == 0 { 30 } else { 1_000 });
        let wanted = wanted(*dice.pick(&self.keys), 1, name);
        Operation::Open(NewTopUp { amount, needed, now_ms: self.at.now_ms, ..wanted })
    }

    /// Opens one if there is none that anybody has heard of.
    fn advance(&self, dice: &mut Dice) -> Operation {
        let top_ups = self.known.lock().unwrap().top_ups.clone();
        if top_ups.is_empty() {
            return self.open(dice);
        }
        let TopUp { id, state, .. } = dice.pick(&top_ups).clone();
        let from = match dice.throw(4) {
            0 => None,
            1 => Some(State::opened()),
            _ => Some(state.clone()),
        };
        // Now and then the PaymentIntent that other top-ups claim, too.
        let payment_intent =
            if dice.throw(4) == 0 { "pi_shared".to_owned() } else { format!("pi_{id}") };
        let claim = if let State::Charging(claim) = state { claim } else { Claim::default() };
        let to = match dice.throw(9) {
            0 => State::Lapsed,
            1 => State::Refused { refusal: Box::new(Refusal::new(Code::CardDeclined, "no")) },
            2 => State::RequiresAction { payment_intent },
            3 | 4 => State::Credited { payment_intent, amount: units(50) },
            // As a ledger takes one on.
            _ => State::Charging(claim.next(7)),
        };
        Operation::Advance { id, from, to }
    }
}

fn posting(kind: Kind, reference: &str, amount: i64) -> Posting {
    Posting { kind, reference: reference.to_owned(), amount: units(amount), note: None }
}

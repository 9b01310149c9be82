//! A stream that uses up what is held for it asks for more, and ends where there is none.

use std::rc::Rc;

use stripe402_protocol::{
    DeductionId, Units,
    message::{Deduction, DeductionOutcome},
};

use super::{AnsweredBy, LedgerError, Metered, Mint, Phase, Stream};
use crate::pricing::{Extend, MeteredPrice, Offer, Price, Then};

/// How many times what came beyond the hold is asked for: about as much comes until the ledger answers.
const AHEAD: u128 = 3;
/// For how long a ledger that gave no answer is not asked again, in milliseconds.
const RETRY_MS: u64 = 1_000;
/// For how long leases are waited for that hold what is asked for, in milliseconds.
const LEASED_RETRY_MS: u64 = 200;

/// What is held for a stream beyond its first hold.
#[derive(Debug, Default)]
pub(super) struct Extension {
    /// The most that the client wants to pay, if it said so. Nobody pays more than the challenge's amount
    /// who did not.
    limit: Units,
    parts: Vec<(DeductionId, Units)>,
    asking: Option<(DeductionId, Units)>,
    /// Whether there is no more to be had.
    exhausted: bool,
    /// Whether the ledger gave no answer when it was last asked.
    silent: bool,
    /// Whether it refused more than one step: less may be there.
    one_step: bool,
    not_before_ms: u64,
    /// Units of all that has passed.
    passed: u128,
}

/// What a stream needs now.
#[derive(Debug)]
pub enum Extending {
    /// Nothing.
    Nothing,
    /// This much more to be held.
    Ask(Deduction),
    /// Its end: there is no more for what would pass now.
    End(Box<Ended>),
}

/// The end of a stream whose credits have ended.
#[derive(Debug)]
pub struct Ended {
    /// What is captured: what has passed.
    pub metered: Metered,
    /// What the client gets in place of what it cannot pay for: its last event, where these are events.
    pub last: Vec<u8>,
}

/// Units, as far as they are counted here.
fn count(units: Units) -> u128 {
    u128::try_from(units.get()).unwrap_or(0)
}

fn units(count: u128) -> Units {
    i64::try_from(count).ok().and_then(|count| Units::new(count).ok()).unwrap_or(Units::MAX)
}

impl Extension {
    pub(super) fn of(max_price: Option<i64>) -> Self {
        let limit = max_price.and_then(|most| Units::new(most).ok()).unwrap_or(Units::ZERO);
        Self { limit, ..Self::default() }
    }

    /// All that is held, the first hold included.
    fn held(&self, most: Units) -> Units {
        let sum = |held: Units, (_, part): &(_, Units)| held.checked_add(*part);
        self.parts.iter().try_fold(most, sum).unwrap_or(Units::MAX)
    }

    pub(super) fn asking(&self) -> Option<DeductionId> {
        self.asking.map(|(id, _)| id)
    }

    /// The stream is over. What the ledger has not answered for is captured too, in advance: it takes
    /// effect where the hold comes about. Answers all that is or may be held, and which is not sure.
    pub(super) fn close(&mut self, most: Units) -> (Units, Option<DeductionId>) {
        let ahead = self.asking();
        self.parts.extend(self.asking.take());
        (self.held(most), ahead)
    }

    /// What each hold is captured for, the first ones whole.
    pub(super) fn shares(
        &self,
        first: (DeductionId, Units),
        captured: Units,
    ) -> Vec<(DeductionId, Units)> {
        let mut left = captured;
        let all = core::iter::once(first).chain(self.parts.iter().copied());
        all.map(|(id, held)| {
            let share = held.min(left);
            left = left.checked_sub(share).unwrap_or(Units::ZERO);
            (id, share)
        })
        .collect()
    }

    /// Whether more has to be asked for: of the last hold so little is left.
    fn is_due(&self, extend: Extend, most: Units, used: u128, now_ms: u64) -> bool {
        let last = self.parts.last().map_or(most, |(_, part)| *part);
        let left = count(self.held(most)).saturating_sub(used);
        let low = count(last).saturating_mul(u128::from(100_u32.saturating_sub(extend.at)));
        !self.exhausted
            && self.asking.is_none()
            && now_ms >= self.not_before_ms
            && left.saturating_mul(100) <= low
    }

    /// How often more can be had, by what the client agreed to and has left.
    fn steps(&self, extend: Extend, most: Units, credits: Units) -> u128 {
        let agreed = count(self.limit).saturating_sub(count(self.held(most)));
        agreed.min(count(credits)).checked_div(count(extend.by)).unwrap_or(0)
    }
}

impl Stream {
    /// Whether what is held for this stream may have to grow.
    #[must_use]
    pub fn may_extend(&self) -> bool {
        self.extends().is_some()
    }

    fn extends(&self) -> Option<(&Rc<Offer>, &Rc<MeteredPrice>, Extend)> {
        let Phase::Metering { priced, by: AnsweredBy::Api, .. } = &self.phase else { return None };
        let Price::Metered(price) = &priced.offer.price else { return None };
        Some((&priced.offer, price, price.extend?))
    }

    /// A part of the answer is about to pass, or time has.
    pub fn on_progress(&mut self, now_ms: u64, mint: Mint<'_>) -> Extending {
        let Some((offer, price, extend)) = self.extends() else { return Extending::Nothing };
        let (most, currency) = (price.most, offer.currency);
        let (terms, offer) = (price.extension_terms(), Rc::clone(offer));
        let Phase::Metering { client, .. } = &self.phase else { return Extending::Nothing };
        let client_id = *client;
        let Some(metering) = &mut self.metering else { return Extending::Nothing };
        let Some(used) = metering.meter.so_far(now_ms) else { return Extending::Nothing };
        let credits = metering.receipt.as_ref().map(|receipt| receipt.credits_remaining);
        let extension = &mut metering.extension;
        let (held, by) = (count(extension.held(most)), count(extend.by));
        let steps = extension.steps(extend, most, credits.unwrap_or(Units::ZERO));
        let due = extension.is_due(extend, most, used, now_ms);
        extension.exhausted |= due && steps == 0;
        let beyond = used.saturating_sub(held).saturating_mul(AHEAD);
        let wanted = beyond.div_ceil(by.max(1)).saturating_add(1);
        let most_steps = if extension.one_step { steps.min(1) } else { steps };
        let asks = due && most_steps > 0;
        let asked = match extension.asking {
            Some((_, asked)) => count(asked),
            None if asks => by.saturating_mul(wanted.clamp(1, most_steps)),
            None if extension.silent && !extension.exhausted => by,
            None => 0,
        };
        // What passes while the ledger is asked is taken from what it grants, and never more than that.
        if extend.then == Then::End && used > held.saturating_add(asked) {
            return self.ended();
        }
        extension.passed = used;
        match asks.then(mint).flatten() {
            None => Extending::Nothing,
            Some(id) => {
                let amount = units(asked);
                extension.asking = Some((id, amount));
                let hold = Some(terms(&id, amount));
                let route = offer.name.clone();
                Extending::Ask(Deduction { id, client_id, currency, amount, route, hold })
            }
        }
    }

    /// The ledger's word on more.
    pub fn on_extension(&mut self, outcome: Result<DeductionOutcome, LedgerError>, now_ms: u64) {
        let by = self.extends().map_or(Units::ZERO, |(_, _, extend)| extend.by);
        let Some(metering) = &mut self.metering else { return };
        let extension = &mut metering.extension;
        let Some((id, amount)) = extension.asking.take() else { return };
        extension.silent = outcome.is_err();
        match outcome {
            Ok(DeductionOutcome::Deducted(left) | DeductionOutcome::DeductedUntopped(left, _)) => {
                extension.one_step = false;
                extension.parts.push((id, amount));
                if let Some(receipt) = &mut metering.receipt {
                    receipt.credits_remaining = left;
                    if let Some(hold) = &mut receipt.hold {
                        hold.amount = hold.amount.checked_add(amount).unwrap_or(hold.amount);
                    }
                }
            }
            // They are called back, and come.
            Ok(DeductionOutcome::Leased) => {
                extension.silent = true;
                extension.not_before_ms = now_ms.saturating_add(LEASED_RETRY_MS);
            }
            Ok(_) if amount > by && !extension.one_step => extension.one_step = true,
            Ok(_) => extension.exhausted = true,
            Err(_) => extension.not_before_ms = now_ms.saturating_add(RETRY_MS),
        }
    }

    /// What has passed is captured, and nothing more passes.
    fn ended(&mut self) -> Extending {
        let events = self.metering.as_ref().is_some_and(|metering| metering.meter.is_events());
        let passed = self.metering.as_ref().map_or(0, |metering| metering.extension.passed);
        let challenge = match &self.phase {
            Phase::Metering { priced, .. } if events => {
                Some(self.config.challenge(&priced.offer, &priced.path, true))
            }
            _ => None,
        };
        // The empty lines end whatever event was begun.
        let last = challenge.map_or_else(Vec::new, |challenge| {
            [b"\n\nevent: stripe402\ndata: ", &*challenge.body, b"\n\n"].concat()
        });
        match self.capture(|meter, held| meter.finish_at(passed, held)) {
            Some(metered) => {
                self.phase = Phase::Ended;
                Extending::End(Box::new(Ended { metered, last }))
            }
            None => Extending::Nothing,
        }
    }
}

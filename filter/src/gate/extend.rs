//! A stream that uses up what is held for it asks for more, and ends where there is none.

use std::rc::Rc;

use stripe402_protocol::{
    DeductionId, Units,
    message::{Deduction, DeductionOutcome},
};

use super::{AnsweredBy, LedgerError, Metered, Mint, Phase, Stream};
use crate::{
    pricing::{Extend, MeteredPrice, Offer, Price, Then},
    usage::End,
};

/// For how long a ledger that gave no answer is not asked again, in milliseconds.
const RETRY_MS: u64 = 1_000;

/// What is held for a stream beyond its first hold.
#[derive(Debug, Default)]
pub(super) struct Extension {
    /// The most that the client wants to pay, if it said so. Nobody pays more than the challenge's amount
    /// who did not.
    limit: Units,
    parts: Vec<(DeductionId, Units)>,
    asking: Option<DeductionId>,
    /// Whether there is no more to be had.
    exhausted: bool,
    not_before_ms: u64,
}

/// What a stream needs now.
#[derive(Debug)]
pub enum Extending {
    /// Nothing.
    Nothing,
    /// This much more to be held.
    Ask(Deduction),
    /// Its end: what is held is used up.
    End(Box<Ended>),
}

/// The end of a stream whose credits have ended.
#[derive(Debug)]
pub struct Ended {
    /// What is captured.
    pub metered: Metered,
    /// What the client gets in place of what it cannot pay for: its last event, where these are events.
    pub last: Vec<u8>,
}

impl Extension {
    pub(super) fn of(max_price: Option<i64>) -> Self {
        let limit = max_price.and_then(|most| Units::new(most).ok()).unwrap_or(Units::ZERO);
        Self { limit, ..Self::default() }
    }

    /// All that is held, the first hold included.
    pub(super) fn held(&self, most: Units) -> Units {
        let sum = |held: Units, (_, part): &(_, Units)| held.checked_add(*part);
        self.parts.iter().try_fold(most, sum).unwrap_or(Units::MAX)
    }

    pub(super) const fn asking(&self) -> Option<DeductionId> {
        self.asking
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
    fn is_due(&self, extend: &Extend, most: Units, used: u128, now_ms: u64) -> bool {
        let held = self.held(most);
        let last = self.parts.last().map_or(most, |(_, part)| *part);
        let left = units(held).saturating_sub(used);
        let low = units(last).saturating_mul(u128::from(100_u32.saturating_sub(extend.at)));
        !self.exhausted
            && self.asking.is_none()
            && now_ms >= self.not_before_ms
            && left.saturating_mul(100) <= low
    }

    /// Whether the client agreed to so much.
    fn allows(&self, extend: &Extend, most: Units) -> bool {
        self.held(most).checked_add(extend.by).is_some_and(|next| next <= self.limit)
    }
}

fn units(units: Units) -> u128 {
    u128::try_from(units.get()).unwrap_or(0)
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

    /// A part of the answer passed, or time did.
    pub fn on_progress(&mut self, now_ms: u64, mint: Mint<'_>) -> Extending {
        let Some((offer, price, extend)) = self.extends() else { return Extending::Nothing };
        let (most, name, currency) = (price.most, offer.name.clone(), offer.currency);
        let terms = price.extension_terms();
        let Phase::Metering { client, .. } = &self.phase else { return Extending::Nothing };
        let client_id = *client;
        let Some(metering) = &mut self.metering else { return Extending::Nothing };
        let Some(used) = metering.meter.so_far(now_ms) else { return Extending::Nothing };
        let extension = &mut metering.extension;
        let held = units(extension.held(most));
        if extension.is_due(&extend, most, used, now_ms) {
            match extension.allows(&extend, most).then(mint) {
                Some(Some(id)) => {
                    extension.asking = Some(id);
                    let hold = Some(terms(&id));
                    let amount = extend.by;
                    let route = name;
                    return Extending::Ask(Deduction {
                        id,
                        client_id,
                        currency,
                        amount,
                        route,
                        hold,
                    });
                }
                Some(None) | None => extension.exhausted = true,
            }
        }
        // Where the ledger's word is awaited, what passes meanwhile is taken from what it grants.
        let bound = if extension.exhausted { held } else { held.saturating_add(units(extend.by)) };
        if extend.then == Then::Continue || used < bound {
            return Extending::Nothing;
        }
        self.ended(now_ms)
    }

    /// The ledger's word on more.
    pub fn on_extension(&mut self, outcome: Result<DeductionOutcome, LedgerError>, now_ms: u64) {
        let Some((_, _, extend)) = self.extends() else { return };
        let Some(metering) = &mut self.metering else { return };
        let extension = &mut metering.extension;
        let Some(id) = extension.asking.take() else { return };
        match outcome {
            Ok(DeductionOutcome::Deducted(left)) => {
                extension.parts.push((id, extend.by));
                if let Some(receipt) = &mut metering.receipt {
                    receipt.credits_remaining = left;
                    if let Some(hold) = &mut receipt.hold {
                        hold.amount = hold.amount.checked_add(extend.by).unwrap_or(hold.amount);
                    }
                }
            }
            Ok(_) => extension.exhausted = true,
            Err(_) => extension.not_before_ms = now_ms.saturating_add(RETRY_MS),
        }
    }

    /// All that is held is captured, and nothing more passes.
    fn ended(&mut self, now_ms: u64) -> Extending {
        let events = self.metering.as_ref().is_some_and(|metering| metering.meter.is_events());
        let challenge = match &self.phase {
            Phase::Metering { priced, .. } if events => {
                Some(self.config.challenge(&priced.offer, &priced.path, true))
            }
            _ => None,
        };
        let last = challenge.map_or_else(Vec::new, |challenge| {
            [b"event: stripe402\ndata: ", &*challenge.body, b"\n\n"].concat()
        });
        match self.on_metered_end(End::Done, now_ms) {
            Some(metered) => {
                self.phase = Phase::Ended;
                Extending::End(Box::new(Ended { metered, last }))
            }
            None => Extending::Nothing,
        }
    }
}

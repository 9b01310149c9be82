//! Which faults there are, and how often.

use super::{Call, Fault, HOUR, MINUTE, Outage, Planned, SECOND, When};
use crate::dice::Dice;

pub(super) fn fault(dice: &Dice, shape: (usize, usize, usize), horizon: u64) -> Planned<Fault> {
    let (gateways, workers, ledgers) = shape;
    let (gateway, ledger) = (dice.place(gateways), dice.place(ledgers));
    let calls =
        [Call::Charge, Call::Charge, Call::Customer, Call::Setup, Call::Refund, Call::Cancel];
    let outages = [
        Outage::Gone,
        Outage::Fails,
        Outage::FailsAfter,
        Outage::Hangs,
        Outage::Busy,
        Outage::Balks,
    ];
    let short = |dice: &Dice| dice.span(50, MINUTE);
    let (what, lasts_ms) = match dice.below(20) {
        0..=3 => {
            let longest = if horizon > 90 * SECOND { 30 * HOUR } else { 20 * MINUTE };
            (Fault::Stripe(*dice.pick(&outages)), dice.span(100, longest))
        }
        4..=7 => {
            let when = if dice.chance(500) { When::Before } else { When::After };
            (Fault::Stored(*dice.pick(&calls), when), 0)
        }
        8 if dice.chance(400) => (Fault::StoreDies, short(dice)),
        8 | 9 => (Fault::Store { ledger, after: dice.chance(500) }, short(dice)),
        10 => (Fault::Cut { gateway, ledger, answers: dice.chance(500) }, short(dice)),
        11 => (Fault::Jitter, short(dice)),
        12..=14 => (Fault::LedgerDies(ledger), short(dice)),
        15 => (Fault::LedgerRestarts(ledger), 0),
        16 | 17 => (Fault::VmDies(gateway, dice.place(workers)), 0),
        18 => match dice.below(4) {
            1 => (Fault::Stripped, horizon),
            0 => (Fault::EnvoyDies(gateway), short(dice)),
            _ => (Fault::Rotation, dice.span(300, 5 * SECOND)),
        },
        _ => (Fault::EventsLost(50), horizon),
    };
    let latest = if dice.chance(600) { 4_000.min(horizon) } else { horizon };
    Planned { at_ms: dice.below(latest), lasts_ms, what }
}

/// A server secret is replaced while new cards come.
pub(super) fn rotation(dice: &Dice) -> Planned<Fault> {
    Planned { at_ms: dice.below(500), lasts_ms: dice.span(500, 10_000), what: Fault::Rotation }
}

/// What outages often look like: first nothing comes back, then only failures do. What was sent in the
/// first part arrives in the second.
pub(super) fn slow_then_broken(dice: &Dice) -> [Planned<Fault>; 2] {
    let (at_ms, lasts_ms) = (dice.below(3_000), dice.span(500, 9_000));
    let hangs = if dice.chance(300) { Outage::HangsForLong } else { Outage::Hangs };
    let then_ms = match hangs {
        Outage::HangsForLong => dice.between(10 * MINUTE, 40 * MINUTE),
        _ => dice.span(1_000, 20 * MINUTE),
    };
    [
        Planned { at_ms, lasts_ms, what: Fault::Stripe(hangs) },
        Planned { at_ms: at_ms + lasts_ms, lasts_ms: then_ms, what: Fault::Stripe(Outage::Balks) },
    ]
}

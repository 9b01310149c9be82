//! What people do in a world, drawn.

use super::{Act, Auto, Bank, Card, MINUTE, Planned, SECOND};
use crate::dice::Dice;

pub(super) fn card(dice: &Dice) -> Card {
    let bank = match dice.below(10) {
        0 => Bank::Declines(u32::MAX),
        1 => Bank::Declines(1),
        2 | 3 => Bank::Asks,
        _ => Bank::Pays,
    };
    Card { bank, agents: 1 + dice.place(2) }
}

pub(super) fn burst(dice: &Dice, cards: &[Card]) -> Planned<Act> {
    let card = dice.place(cards.len());
    let agent = dice.place(cards[card].agents);
    let (at_once, calls) = (dice.between(4, 16), dice.between(10, 40));
    let [at_once, calls] = [at_once, calls].map(|of| usize::try_from(of).unwrap_or(1));
    let what = Act::Burst { card, agent, at_once, calls };
    Planned { at_ms: dice.below(6_000), lasts_ms: 0, what }
}

pub(super) fn auto_key(dice: &Dice, cards: &[Card]) -> Planned<Act> {
    let (card, calls) = (dice.place(cards.len()), dice.between(3, 16));
    let auto = Auto {
        amount: *dice.pick(&[5_000, 50_000]),
        times: 1 + *dice.pick(&[0, 1, 2]),
        above: *dice.pick(&[0, 20_000]),
    };
    let what = Act::Key {
        card,
        budget: 100,
        calls: usize::try_from(calls).unwrap_or(1),
        revoke_ms: dice.chance(200).then(|| dice.span(20, 20_000)),
        auto: Some(auto),
    };
    // The card has paid by then, often.
    Planned { at_ms: dice.between(3_000, 30_000), lasts_ms: 0, what }
}

pub(super) fn buy(dice: &Dice, cards: &[Card]) -> Planned<Act> {
    let card = dice.place(cards.len());
    let calls = if dice.chance(300) { dice.between(2, 12) } else { 1 };
    let calls = usize::try_from(calls).unwrap_or(1);
    let patience_ms = dice.chance(100).then(|| dice.span(1, 5_000));
    let what = Act::Buy { card, calls, thief: dice.chance(250), patience_ms };
    Planned { at_ms: dice.below(20_000), lasts_ms: 0, what }
}

pub(super) fn rotate(dice: &Dice, cards: &[Card]) -> Planned<Act> {
    let card = dice.place(cards.len());
    let again_ms = dice.chance(500).then(|| dice.span(1, 5_000));
    Planned { at_ms: dice.below(20_000), lasts_ms: 0, what: Act::Rotate { card, again_ms } }
}

pub(super) fn act(dice: &Dice, cards: &[Card], horizon: u64) -> Planned<Act> {
    let card = dice.place(cards.len());
    let agent = dice.place(cards[card].agents);
    let what = match dice.below(20) {
        0 => {
            let amount = *dice.pick(&[None, Some(20_000), Some(30_000)]);
            let again_ms = dice.chance(600).then(|| dice.span(20, 20_000));
            Act::Refund { card, amount, again_ms, fails: dice.chance(300) }
        }
        1 => Act::DashboardRefund { card, fails: dice.chance(300) },
        2 => Act::Dispute { card, won: dice.chance(500), another: dice.chance(400) },
        3 => Act::Stranger { card, disputed: dice.chance(500) },
        4 if dice.chance(300) => Act::ClearMetadata { card },
        5 if dice.chance(300) => Act::Reconcile,
        6 => {
            let amount = *dice.pick(&[100, 10_000, 40_000]);
            let lasts_ms = dice.chance(700).then(|| dice.span(SECOND, MINUTE));
            let refund_ms = dice.chance(600).then(|| dice.span(20, 20_000));
            Act::Grant { card, amount, lasts_ms, refund_ms }
        }
        7 => {
            let (budget, calls) = (dice.between(1, 6), dice.between(2, 12));
            let budget = u32::try_from(budget).unwrap_or(1);
            let calls = usize::try_from(calls).unwrap_or(1);
            let revoke_ms = dice.chance(500).then(|| dice.span(20, 20_000));
            Act::Key { card, budget, calls, revoke_ms, auto: None }
        }
        _ => {
            let calls = if dice.chance(200) { dice.between(2, 12) } else { 1 };
            let calls = usize::try_from(calls).unwrap_or(1);
            let patience_ms = dice.chance(100).then(|| dice.span(1, 5_000));
            Act::Ask { card, agent, calls, named: dice.chance(200), patience_ms }
        }
    };
    // Early ones matter most: there the cards are charged.
    let latest = if dice.chance(500) { 3_000.min(horizon) } else { horizon };
    let lasts_ms = match what {
        Act::Dispute { .. } => dice.span(SECOND, horizon.max(MINUTE)),
        _ => 0,
    };
    Planned { at_ms: dice.below(latest), lasts_ms, what }
}

//! Answers as ledgers gave them, byte for byte, in the version of the message that had it last changed.

use super::*;

/// What a ledger sent, from `tests/fixtures/messages/`.
macro_rules! recorded {
    ($name:literal) => {
        include_bytes!(concat!("../../../../tests/fixtures/messages/", $name)).as_slice()
    };
}

/// Asks, and has the one call that follows answered so.
fn answered(requests: &[Means], answer: &[u8]) -> World {
    let mut world = World::new(0);
    for means in requests {
        world.ask(*means);
    }
    world.happen(Event::Turn);
    answer_the_call(&mut world, answer);
    world
}

fn answer_the_call(world: &mut World, answer: &[u8]) {
    let calls: Vec<_> = world.host.calls.drain().collect();
    assert_eq!(calls.len(), 1);
    world.worker.on_answer(&mut world.host, calls[0].0, Ok(answer));
    assert!(world.host.warnings.is_empty(), "{:?}", world.host.warnings);
}

#[test]
fn a_batch() {
    let world = answered(&[Means::Credits; 3], recorded!("3/batch.to-filter"));
    assert_eq!(world.host.resumed, HashMap::from([(1, 1)]), "charged");
    assert_eq!(world.host.replied, HashMap::from([(2, 1), (3, 1)]), "insufficient, frozen");
    assert!(world.host.calls.is_empty(), "nothing is voided: every answer was of use");
}

#[test]
fn voids() {
    let mut world = World::new(0);
    world.happen(Event::Request);
    world.happen(Event::Turn);
    world.happen(Event::LoseAnswer(0));
    world.host.warnings.clear();
    world.happen(Event::Tick);
    answer_the_call(&mut world, recorded!("3/batch.voids.to-filter"));
    world.happen(Event::Tick);
    assert_eq!(world.host.counters.get(&Counter::VOIDED.index()), Some(&1));
    assert!(world.host.calls.is_empty(), "the void is settled");
}

#[test]
fn card_payments() {
    let paid = answered(&[Means::Card], recorded!("3/payment.paid.to-filter.json"));
    assert_eq!(paid.host.resumed, HashMap::from([(1, 1)]));
    for answer in [
        recorded!("3/payment.insufficient.to-filter.json"),
        recorded!("3/payment.refused.to-filter.json"),
    ] {
        let world = answered(&[Means::Card], answer);
        assert_eq!(world.host.replied, HashMap::from([(1, 1)]));
        assert!(world.host.calls.is_empty(), "nothing was deducted, so nothing is voided");
    }
}

/// A ledger is upgraded before its gateways: it may refuse for a reason that they do not know yet.
#[test]
fn a_refusal_for_a_reason_of_a_later_version() {
    let recorded = recorded!("3/payment.refused.to-filter.json");
    let later = str::from_utf8(recorded).unwrap().replace("rate_limited", "moon_phase");
    let mut world = answered(&[Means::Card], later.as_bytes());
    assert_eq!(world.host.replied, HashMap::from([(1, 1)]));
    world.happen(Event::Tick);
    assert_eq!(world.host.counted("stripe402_refused.code.payment_failed"), 1, "402, as before");
    assert_eq!(world.host.counted("stripe402_unavailable"), 0);
    assert!(world.host.calls.is_empty(), "nothing was deducted, so nothing is voided");
}

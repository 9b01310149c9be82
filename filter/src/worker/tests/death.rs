//! VMs that die, and those that are taken for dead.

use super::*;

/// What is written at seats, by key.
fn written(host: &Recorder) -> Vec<&String> {
    let mut keys: Vec<_> =
        host.kept.iter().filter(|(_, (bytes, _))| !bytes.is_empty()).map(|(key, _)| key).collect();
    keys.sort();
    keys
}

#[test]
fn a_message_costs_one_write_and_an_answer_another() {
    let mut world = World::new(10_000);
    world.happen(Event::Flood(Means::Credits));
    world.happen(Event::Turn);
    let before = world.host.writes;
    assert_eq!(before, 2, "the seat, and eighty charges in one message");
    world.happen(Event::Answer(0));
    world.happen(Event::Turn);
    assert_eq!(world.host.writes, before, "a charge that was made is under way still");
    world.happen(Event::Response(0, 200));
    assert_eq!(world.host.writes, before + 1);
}

#[test]
fn what_a_dead_vm_left_is_taken_over_and_its_place_is_given_up() {
    let mut world = World::new(1_000);
    world.happen(Event::Request);
    world.happen(Event::Request);
    world.happen(Event::Turn);
    world.happen(Event::Answer(0));
    world.happen(Event::Response(0, 200));
    world.happen(Event::Die);
    assert_eq!(world.ledger.balance, 800, "one was served, one was not");
    for _ in 0..10 {
        world.happen(Event::Tick);
        assert!(world.host.calls.is_empty(), "it may live still");
    }
    world.happen(Event::Tick);
    world.happen(Event::Answer(0));
    assert_eq!(world.ledger.balance, 900);
    assert_eq!(written(&world.host), Vec::<&String>::new());
    // The next VM sits down where the dead one sat.
    world.happen(Event::Request);
    world.happen(Event::Turn);
    assert_eq!(written(&world.host), ["stripe402/ledger/0", "stripe402/ledger/0/0"]);
}

#[test]
fn a_vm_that_dies_while_it_voids_for_another_is_followed_by_a_third() {
    let mut world = World::new(1_000);
    world.happen(Event::Request);
    world.happen(Event::Turn);
    world.happen(Event::LoseAnswer(0));
    world.happen(Event::Die);
    for _ in 0..11 {
        world.happen(Event::Tick);
    }
    world.happen(Event::LoseCall(0));
    world.happen(Event::Die);
    for _ in 0..11 {
        world.happen(Event::Tick);
    }
    world.happen(Event::Answer(0));
    assert_eq!(world.ledger.balance, 1_000);
}

#[test]
fn a_vm_that_lives_is_not_taken_for_dead() {
    let mut host = Recorder::default();
    let (mut one, mut other) = (worker(), worker());
    request(&mut one, &mut host, 1, Means::Credits);
    one.on_wake(&mut host);
    for _ in 0..50 {
        host.now_ms += 1_000;
        one.on_tick(&mut host);
        other.on_tick(&mut host);
    }
    assert_eq!(host.calls.len(), 1, "nobody voids what is under way");
}

/// A thread that was held up for long, and whose deductions another VM has given back.
#[test]
fn a_vm_that_was_taken_for_dead_serves_nobody_for_what_was_given_back() {
    let mut host = Recorder::default();
    let mut ledger = Ledger { balance: 1_000, ..Ledger::default() };
    let (mut held_up, mut other) = (worker(), worker());
    host.now_ms = 1;
    held_up.on_pulse(&mut host);
    request(&mut held_up, &mut host, 1, Means::Credits);
    held_up.on_wake(&mut host);
    let (_, body) = host.calls.remove(&1).unwrap();
    let deducted = ledger.carry_out(&compact::from_bytes(&body).unwrap());
    for _ in 0..12 {
        host.now_ms += 1_000;
        other.on_tick(&mut host);
    }
    let (_, body) = host.calls.remove(&2).unwrap();
    let voided = compact::to_bytes(&ledger.carry_out(&compact::from_bytes(&body).unwrap()));
    other.on_answer(&mut host, 2, Ok(&voided));
    assert_eq!(ledger.balance, 1_000);

    held_up.on_answer(&mut host, 1, Ok(&compact::to_bytes(&deducted)));
    assert_eq!(host.resumed.get(&1), None, "it would be served for nothing");
    assert_eq!(host.replied.get(&1), Some(&1));
    assert!(host.warnings.iter().any(|text| text.contains("taken for dead")));
}

/// A configuration that ends gives up what it used.
#[test]
fn who_leaves_gives_up_its_seat() {
    let mut world = World::new(1_000);
    world.happen(Event::Request);
    world.happen(Event::Turn);
    world.worker.close(&mut world.host);
    assert_ne!(written(&world.host), Vec::<&String>::new(), "a charge is under way");
    world.rest();
    assert!(world.worker.is_at_rest());
    world.worker.close(&mut world.host);
    assert_eq!(written(&world.host), Vec::<&String>::new());
}

/// What was counted since the last tick is not lost with a configuration that is replaced.
#[test]
fn who_leaves_hands_over_what_it_counted() {
    let mut world = World::new(1_000);
    world.happen(Event::Request);
    world.happen(Event::Turn);
    world.happen(Event::Answer(0));
    assert_eq!(world.host.counted("stripe402_paid"), 0);
    world.worker.close(&mut world.host);
    assert_eq!(world.host.counted("stripe402_paid"), 1);
}

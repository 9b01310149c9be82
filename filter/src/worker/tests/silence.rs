//! A ledger that is slow, silent or unreachable: who waits for how long.

use super::*;

#[test]
fn the_time_out_counts_from_when_a_request_began_to_wait() {
    let mut world = World::new(1_000);
    world.happen(Event::Request);
    world.happen(Event::Turn);
    for _ in 0..10 {
        world.happen(Event::Pulse);
    }
    world.happen(Event::Request);
    world.happen(Event::Turn);
    assert_eq!(world.host.calls.len(), 2, "a batch that takes long holds nobody back");
    world.happen(Event::Request);
    for _ in 0..9 {
        world.happen(Event::Pulse);
    }
    assert!(world.host.replied.is_empty(), "{:?}", world.host.replied);
    // The third has not left: it waits two pulses longer, for the calls before it to end.
    for (pulses, answered) in [(1, &[1][..]), (9, &[1]), (1, &[1, 2]), (2, &[1, 2, 3])] {
        for _ in 0..pulses {
            world.happen(Event::Pulse);
        }
        let mut replied: Vec<_> = world.host.replied.keys().copied().collect();
        replied.sort_unstable();
        assert_eq!(replied, answered, "one second after each of them began to wait");
    }
    // What is under way is heard all the same, and given back.
    world.rest();
    assert_eq!(world.ledger.balance, 1_000);
}

#[test]
fn nobody_waits_for_a_silent_ledger_until_a_probe_gets_through() {
    let mut world = World::new(1_000);
    world.happen(Event::Request);
    world.happen(Event::Turn);
    world.happen(Event::Request);
    world.happen(Event::Offer(Means::Card));
    world.happen(Event::LoseCall(0));
    assert_eq!(world.host.replied.len(), 2, "whoever waits in the queue is told at once");
    world.happen(Event::Request);
    assert_eq!(world.host.replied.get(&4), Some(&1), "and whoever comes, in its own call");
    world.happen(Event::Offer(Means::Card));
    assert_eq!(world.host.replied.get(&5), Some(&1));
    // The probe carries the voids, and no request.
    world.happen(Event::Turn);
    assert_eq!(world.host.replied.get(&3), Some(&1), "the card that had not left, too");
    let paths: Vec<_> = world.host.calls.values().map(|(path, _)| *path).collect();
    assert_eq!(paths, ["/v1/batch"]);
    world.happen(Event::LoseCall(0));
    world.happen(Event::Turn);
    assert!(world.host.calls.is_empty(), "the next probe leaves after a pause");
    for _ in 0..5 {
        world.happen(Event::Pulse);
    }
    assert_eq!(world.host.calls.len(), 1);
    world.happen(Event::Answer(0));
    world.happen(Event::Request);
    world.happen(Event::Turn);
    assert_eq!(world.host.replied.get(&6), None, "it waits again");
    world.rest();
    assert_eq!(world.ledger.balance + 100 * world.good, 1_000 + world.ledger.taken);
}

/// The fault that it found: a probe that the host did not take was the last one.
#[test]
fn a_probe_that_cannot_leave_is_followed_by_another() {
    let mut world = World::new(1_000);
    world.happen(Event::Offer(Means::Card));
    world.happen(Event::Turn);
    world.happen(Event::Request);
    world.happen(Event::Turn);
    world.happen(Event::LoseCall(1));
    world.happen(Event::Reachable(false));
    world.happen(Event::Turn);
    world.happen(Event::Reachable(true));
    for _ in 0..6 {
        world.happen(Event::Pulse);
    }
    assert_eq!(world.host.calls.len(), 2, "the card payment and a probe");
}

#[test]
fn where_calls_are_under_way_a_call_that_cannot_leave_is_no_silence() {
    let allow = json!({
        "publishable_key": "pk_test_x",
        "ledger": {"cluster": "ledger"},
        "routes": [{"path": "/a", "price": PRICE}],
        "ledger_unavailable": "allow",
    });
    let config = || Rc::new(Config::parse(allow.to_string().as_bytes()).unwrap());
    for (own_call, passes) in [(true, false), (false, true)] {
        let (mut worker, mut host) = (Worker::new(config()), Recorder::default());
        if own_call {
            request(&mut worker, &mut host, 1, Means::Card);
            worker.on_wake(&mut host);
        }
        host.unreachable = true;
        request(&mut worker, &mut host, 2, Means::Credits);
        worker.on_wake(&mut host);
        assert_eq!(host.resumed.contains_key(&2), passes);
        assert_eq!(host.replied.contains_key(&2), !passes);
    }
    // Another worker's call is as good a sign, as of its last beat.
    let mut host = Recorder::default();
    let (mut one, mut other) = (Worker::new(config()), Worker::new(config()));
    request(&mut one, &mut host, 1, Means::Card);
    one.on_wake(&mut host);
    one.on_tick(&mut host);
    host.unreachable = true;
    request(&mut other, &mut host, 2, Means::Credits);
    other.on_wake(&mut host);
    assert_eq!(host.replied.get(&2), Some(&1));
}

#[test]
fn what_strangers_can_cause_is_logged_once_a_second() {
    let mut world = World::new(0);
    for _ in 0..5 {
        world.happen(Event::Flood(Means::Card));
    }
    assert_eq!(world.host.warnings.len(), 1, "{:?}", world.host.warnings);
    world.happen(Event::Tick);
    assert_eq!(world.host.warnings.len(), 2);
    assert!(world.host.warnings[1].contains("times more"), "{:?}", world.host.warnings);
}

/// A flood that fills the queue makes requests late. That is not the ledger's silence, and nobody is
/// let through for it.
#[test]
fn who_makes_the_queue_long_is_not_let_through() {
    let allow = json!({
        "publishable_key": "pk_test_x",
        "ledger": {"cluster": "ledger"},
        "routes": [{"path": "/a", "price": PRICE}],
        "ledger_unavailable": "allow",
        "limits": {"batch": 2},
    });
    let config = Rc::new(Config::parse(allow.to_string().as_bytes()).unwrap());
    let (mut worker, mut host) = (Worker::new(config), Recorder::default());
    let mut ledger = Ledger::default();
    for id in 1..=200 {
        request(&mut worker, &mut host, id, Means::Credits);
    }
    worker.on_wake(&mut host);
    // A ledger that answers each batch in 150 ms, all the time.
    for _ in 0..60 {
        for _ in 0..3 {
            host.now_ms += 50;
            worker.on_pulse(&mut host);
        }
        let calls: Vec<_> = host.calls.drain().collect();
        assert!(!calls.is_empty() || host.replied.len() == 200);
        for (call, (_, body)) in calls {
            let answer = ledger.carry_out(&compact::from_bytes(&body).unwrap());
            worker.on_answer(&mut host, call, Ok(&compact::to_bytes(&answer)));
        }
        worker.on_wake(&mut host);
    }
    assert_eq!(host.resumed.len(), 0, "nobody paid");
    assert_eq!(host.replied.len(), 200);
    assert_eq!(ledger.balance, 0);
}

/// A flood, or a machine without time for it, holds the worker up: the ledger's answer lies there, and
/// Envoy's own time-out runs first. Nobody is let through for that, by credits or by card.
#[test]
fn a_worker_that_was_held_up_does_not_take_a_time_out_for_silence() {
    let allow = json!({
        "publishable_key": "pk_test_x",
        "ledger": {"cluster": "ledger"},
        "routes": [{"path": "/a", "price": PRICE}],
        "ledger_unavailable": "allow",
    });
    let config = Rc::new(Config::parse(allow.to_string().as_bytes()).unwrap());
    for means in [Means::Credits, Means::Card] {
        // Pulses as they are due, then one that comes after two seconds.
        for (step_ms, passes) in [(50, true), (2_000, false)] {
            let (mut worker, mut host) = (Worker::new(Rc::clone(&config)), Recorder::default());
            worker.on_pulse(&mut host);
            request(&mut worker, &mut host, 1, means);
            worker.on_wake(&mut host);
            let sent_ms = host.now_ms;
            while host.now_ms < sent_ms + 2_000 {
                host.now_ms += step_ms;
                worker.on_pulse(&mut host);
            }
            worker.on_answer(&mut host, 1, Err(SILENT));
            assert_eq!(host.resumed.contains_key(&1), passes, "{means:?}");
            assert_eq!(host.replied.contains_key(&1), !passes);
            let silent = passes && matches!(means, Means::Credits);
            assert_eq!(worker.health.is_silent(), silent, "a batch that it could have read tells");
        }
    }
}

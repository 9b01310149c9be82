//! Leases, in any order of events: whoever is served pays, once, whatever answers are late.

use super::*;

fn with_leases(balance: i64) -> World {
    let json = json!({
        "publishable_key": "pk_test_x",
        "ledger": {"cluster": "ledger"},
        "routes": [{"path": "/a", "price": PRICE}],
        "leases": {"enabled": true, "most": "50%"},
    });
    let config = Config::parse(json.to_string().as_bytes()).unwrap();
    let ledger = Ledger { balance, repeats: true, ..Ledger::default() };
    World { worker: Worker::new(Rc::new(config)), ledger, ..World::new(balance) }
}

/// Mostly what a busy client does; nothing is lost.
fn in_order() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => Just(Event::Request),
        4 => (0..8_usize).prop_map(Event::Forward),
        6 => Just(Event::Turn),
        6 => (0..4_usize).prop_map(Event::Answer),
        8 => ((0..40_usize), prop_oneof![4 => Just(200_u16), 1 => Just(500)])
            .prop_map(|(at, status)| Event::Response(at, status)),
        1 => (0..8_usize).prop_map(Event::End),
        2 => Just(Event::Pulse),
    ]
}

/// The same, and whatever can be lost is lost now and then.
fn with_losses() -> impl Strategy<Value = Event> {
    prop_oneof![
        30 => in_order(),
        1 => (0..4_usize).prop_map(Event::LoseAnswer),
        1 => (0..4_usize).prop_map(Event::LoseCall),
        1 => any::<bool>().prop_map(Event::Reachable),
        1 => Just(Event::Tick),
    ]
}

fn happen(balance: i64, events: Vec<Event>) -> World {
    let mut world = with_leases(balance);
    for event in events {
        world.happen(event);
    }
    world.rest();
    for id in 1..=world.next_stream {
        let decisions =
            world.host.replied.get(&id).unwrap_or(&0) + world.host.resumed.get(&id).unwrap_or(&0);
        assert!(decisions <= 1, "stream {id} was decided {decisions} times");
    }
    assert_eq!(world.worker.streams(), 0);
    assert!(world.host.calls.is_empty());
    assert_eq!(world.ledger.leases, HashMap::new(), "every lease comes back");
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_was_served_is_paid_for(
        balance in 0..60_000_i64,
        events in prop::collection::vec(in_order(), 0..600),
    ) {
        let world = happen(balance, events);
        prop_assert_eq!(balance - world.ledger.balance, world.good * PRICE);
        prop_assert_eq!(world.host.counted("stripe402_leased_units_lost"), 0);
    }

    #[test]
    fn nobody_pays_for_more_whatever_is_lost(
        balance in 0..60_000_i64,
        events in prop::collection::vec(with_losses(), 0..600),
    ) {
        let world = happen(balance, events);
        let given = world.good * PRICE - (balance - world.ledger.balance);
        prop_assert!(given >= 0, "{given}");
        prop_assert!(given <= world.leased * PRICE, "{given} of {} requests", world.leased);
    }
}

/// One worker has the lease, and the ledger has too little without it.
#[test]
fn a_request_waits_until_leases_are_back() {
    let mut world = with_leases(1_000);
    // Another gateway's.
    let other = DeductionId::mint(1, [9; 10]);
    world.ledger.leases.insert(other, 50);
    world.ledger.balance = 50;
    world.happen(Event::Request);
    world.happen(Event::Turn);
    world.happen(Event::Answer(0));
    assert_eq!((world.host.replied.len(), world.host.resumed.len()), (0, 0), "it waits");
    for _ in 0..5 {
        world.happen(Event::Pulse);
        world.happen(Event::Answer(0));
    }
    assert_eq!((world.host.replied.len(), world.host.resumed.len()), (0, 0), "and asks again");
    world.ledger.leases.clear();
    world.ledger.balance = 100;
    world.happen(Event::Pulse);
    world.happen(Event::Answer(0));
    assert_eq!(world.host.resumed.get(&1), Some(&1));
    assert_eq!(world.ledger.balance, 0);
}

#[test]
fn a_request_does_not_wait_for_ever_for_leases() {
    let mut world = with_leases(0);
    world.ledger.leases.insert(DeductionId::mint(1, [9; 10]), 500);
    world.happen(Event::Request);
    for _ in 0..159 {
        world.happen(Event::Turn);
        world.happen(Event::Answer(0));
        world.happen(Event::Pulse);
    }
    assert_eq!(world.host.replied.len(), 0);
    for _ in 0..3 {
        world.happen(Event::Answer(0));
        world.happen(Event::Pulse);
    }
    assert_eq!(world.host.replied.get(&1), Some(&1), "503 after 8 s");
}

/// A configuration that is replaced hands over what it has paid, and takes no lease any more.
#[test]
fn a_worker_that_retires_hands_everything_over() {
    let mut world = with_leases(100_000);
    for _ in 0..40 {
        world.happen(Event::Request);
        world.happen(Event::Turn);
        world.happen(Event::Answer(0));
        world.happen(Event::Response(0, 200));
    }
    assert!(world.leased > 20, "{}", world.leased);
    assert_eq!(world.ledger.leases.len(), 1);
    assert!(!world.worker.is_at_rest());
    world.worker.retire(&mut world.host);
    world.happen(Event::Turn);
    world.happen(Event::Answer(0));
    assert_eq!((world.ledger.leases.len(), world.ledger.balance), (0, 100_000 - 40 * PRICE));
    assert!(world.worker.is_at_rest());
}

/// Requests that a lease has paid for have no answer yet when it ends, and others wait for what it sets
/// free.
#[test]
fn what_a_lease_has_paid_for_is_paid_before_anything_else() {
    let balance = 13_600;
    let mut world = with_leases(balance);
    for _ in 0..80 {
        world.happen(Event::Request);
        world.happen(Event::Turn);
        world.happen(Event::Answer(0));
    }
    // More than there is, at once. Two calls are under way when the lease ends, before any answer comes.
    for requests in [50, 10] {
        (0..requests).for_each(|_| world.happen(Event::Request));
        (0..3).for_each(|_| world.happen(Event::Pulse));
        world.happen(Event::Turn);
    }
    assert_eq!(world.host.calls.len(), 2);
    (0..8).for_each(|_| world.happen(Event::Pulse));
    (0..10).for_each(|_| world.happen(Event::Request));
    assert!(world.leased >= 50, "{}", world.leased);
    world.rest();
    assert_eq!((world.good, world.ledger.balance), (balance / PRICE, 0));
    assert_eq!(world.host.counted("stripe402_leased_units_lost"), 0);
}

/// A request that leaves its lease is asked for again until the ledger answers. Once it is paid, an heir
/// finds nothing of it.
#[test]
fn what_was_asked_for_again_and_paid_is_not_given_back_when_the_vm_dies() {
    let mut world = with_leases(1_000_000);
    for _ in 0..80 {
        world.happen(Event::Request);
        world.happen(Event::Turn);
        world.happen(Event::Answer(0));
    }
    for _ in 0..8 {
        world.happen(Event::Pulse);
        world.happen(Event::Turn);
        world.happen(Event::LoseCall(0));
    }
    for _ in 0..5 {
        world.happen(Event::Tick);
        world.happen(Event::LoseCall(0));
    }
    world.rest();
    assert!(world.leased > 40, "{}", world.leased);
    assert_eq!((world.good, world.ledger.balance), (80, 1_000_000 - 80 * PRICE));
    world.happen(Event::Die);
    for _ in 0..12 {
        world.happen(Event::Tick);
        world.happen(Event::Answer(0));
    }
    assert_eq!(world.ledger.balance, 1_000_000 - 80 * PRICE);
}

//! Strangers who send more than others.

use super::*;

#[test]
fn who_sends_one_request_waits_for_one_round_of_who_sends_many() {
    let mut world = World::new(100_000);
    world.happen(Event::Request);
    world.happen(Event::Turn);
    world.happen(Event::Flood(Means::Credits));
    world.host.address = "192.0.2.9";
    world.happen(Event::Request);
    let honest = world.next_stream;
    world.host.address = "192.0.2.1";
    world.happen(Event::Flood(Means::Credits));
    // Half a batch waits without asking where it comes from; from then on sources take turns.
    let first = world.host.sources;
    assert_eq!(first, 30 + 1 + 80, "no host call for the first fifty");
    world.happen(Event::Answer(0));
    world.happen(Event::Turn);
    world.happen(Event::Answer(0));
    world.happen(Event::Turn);
    assert!(world.host.resumed.contains_key(&honest), "it left with the first batch");
}

#[test]
fn a_full_queue_has_room_for_another_source() {
    let mut world = World::new(100_000);
    world.happen(Event::Request);
    world.happen(Event::Turn);
    world.happen(Event::Flood(Means::Credits));
    world.happen(Event::Flood(Means::Credits));
    let refused = world.host.replied.len();
    assert_eq!(refused, 160 - 150, "the queue has 150 places");
    world.host.address = "192.0.2.9";
    world.happen(Event::Request);
    let honest = world.next_stream;
    world.happen(Event::Turn);
    assert!(!world.host.replied.contains_key(&honest));
    assert_eq!(world.host.replied.len(), refused + 1, "a stranger made room, and was told");
    world.rest();
}

#[test]
fn one_source_does_not_take_all_places_of_card_payments() {
    let mut world = World::new(100_000);
    world.happen(Event::Flood(Means::Card));
    world.happen(Event::Turn);
    assert_eq!(world.host.calls.len(), 50, "half of a hundred");
    assert_eq!(world.host.replied.len(), 30, "the others are told in their own calls");
    world.host.address = "192.0.2.9";
    world.happen(Event::Offer(Means::Card));
    world.happen(Event::Turn);
    assert_eq!(world.host.calls.len(), 51);
    // Places are given back with the answers, and by streams that end before they left.
    world.rest();
    world.happen(Event::Offer(Means::Card));
    world.happen(Event::End(0));
    world.happen(Event::Turn);
    assert!(world.host.calls.is_empty());
    world.happen(Event::Flood(Means::Card));
    world.happen(Event::Turn);
    assert_eq!(world.host.calls.len(), 50);
}

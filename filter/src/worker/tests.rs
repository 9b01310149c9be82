//! The worker over a host that remembers, with a ledger that keeps balances, in any order of
//! events.
#![expect(clippy::arithmetic_side_effects, reason = "an overflow must fail the test")]

mod anonymous;
mod death;
mod fairness;
mod leases;
mod recorded;
mod recorder;
mod silence;
mod world;

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use serde_json::json;
use stripe402_protocol::{
    Units,
    message::{
        Batch, BatchAnswer, Capture, CaptureOutcome, CardAnswer, Deduction, DeductionOutcome,
        VoidOutcome, compact,
    },
};

use self::{
    recorder::Recorder,
    world::{Event, Ledger, Means, World, events, request, worker},
};
use super::*;
use crate::metrics::Counter;
use crate::{
    config::Identity,
    gate::EncodedReply,
    host::{Kept, Message, NoCall, OnlyIf},
    metrics::{COUNTERS, Histogram},
};

const CLIENT: &str = "d1782dadaf1e757e6bb8a043678e581adc10990a279c80bc58ddbd50caa6fffd";
const PRICE: i64 = 100;
const SILENT: Failed = Failed { status: 0, of_ledger: false, overloaded: false };

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever is lost and in whatever order things happen: one decision per stream, and what
    /// is deducted in the end is what was served.
    #[test]
    fn charges_less_voids_are_what_was_served(
        balance in 0..2_000_i64,
        events in prop::collection::vec(events(), 0..120),
    ) {
        let mut world = World::new(balance);
        for event in events {
            world.happen(event);
        }
        world.rest();
        for id in 1..=world.next_stream {
            let decisions = world.host.replied.get(&id).unwrap_or(&0)
                + world.host.resumed.get(&id).unwrap_or(&0);
            prop_assert!(decisions <= 1, "stream {id} was decided {decisions} times");
        }
        let spent = balance + world.ledger.taken - world.ledger.balance;
        prop_assert_eq!(spent, world.good * PRICE);
        prop_assert_eq!(world.worker.streams(), 0);
        prop_assert!(world.host.calls.is_empty());
    }
}

#[test]
fn a_ledger_that_is_away_is_told_of_every_void_when_it_is_back() {
    let mut world = World::new(1_000);
    world.happen(Event::Request);
    world.happen(Event::Turn);
    world.happen(Event::LoseAnswer(0));
    assert_eq!(world.host.replied.get(&1), Some(&1));
    for _ in 0..5 {
        world.happen(Event::Tick);
        world.happen(Event::LoseCall(0));
    }
    assert_eq!(world.ledger.balance, 900);
    world.happen(Event::Tick);
    world.happen(Event::Answer(0));
    assert_eq!(world.ledger.balance, 1_000);
}

#[test]
fn a_request_whose_client_left_before_its_charge_did_is_not_charged() {
    let mut world = World::new(1_000);
    world.happen(Event::Request);
    world.happen(Event::End(0));
    world.happen(Event::Turn);
    assert!(world.host.calls.is_empty(), "the ledger was asked for nobody");
}

#[test]
fn a_ledger_in_trouble_is_not_pressed() {
    let mut world = World::new(1_000);
    world.happen(Event::Request);
    world.happen(Event::Turn);
    world.happen(Event::LoseCall(0));
    assert!(world.host.calls.is_empty(), "the void waits for a tick");
}

#[test]
fn an_answer_for_a_stream_id_that_is_used_again_is_not_taken_for_its_own() {
    let mut world = World::new(1_000);
    world.happen(Event::Request);
    world.happen(Event::Turn);
    world.happen(Event::End(0));
    world.next_stream = 0;
    world.happen(Event::Request);
    world.happen(Event::Answer(0));
    assert!(world.host.resumed.is_empty(), "the first stream's charge paid for the second");
    world.rest();
    assert_eq!(world.ledger.balance, 900);
}

#[test]
fn what_happened_is_counted_once_a_second() {
    let mut world = World::new(1_000);
    world.happen(Event::Request);
    world.happen(Event::Turn);
    world.happen(Event::Answer(0));
    world.happen(Event::Request);
    world.happen(Event::Turn);
    world.happen(Event::LoseCall(0));
    assert!(world.host.counters.is_empty(), "no host call per request");
    world.happen(Event::Tick);
    world.happen(Event::Answer(0));
    world.happen(Event::Tick);
    for (name, expected) in [
        ("stripe402_paid", 1),
        ("stripe402_unavailable", 1),
        ("stripe402_voided", 0),
        ("stripe402_ledger_calls.call.batch.result.ok", 2),
        ("stripe402_ledger_calls.call.batch.result.silent", 1),
    ] {
        assert_eq!(world.host.counted(name), expected, "{name}");
    }
    world.happen(Event::Response(0, 500));
    world.happen(Event::Turn);
    world.happen(Event::Answer(0));
    world.happen(Event::Tick);
    assert_eq!(world.host.counted("stripe402_voided"), 1);
}

#[test]
fn whose_answer_it_is_decides_whether_the_ledger_is_silent() {
    for (status, of_ledger, overloaded, expected) in [
        (0, false, false, LedgerError::Unreachable),
        (503, false, false, LedgerError::Unreachable),
        (504, false, false, LedgerError::Unreachable),
        (503, true, false, LedgerError::InvalidResponse),
        (500, false, false, LedgerError::InvalidResponse),
        (401, true, false, LedgerError::InvalidResponse),
        (200, false, false, LedgerError::InvalidResponse),
        (503, false, true, LedgerError::InvalidResponse),
    ] {
        let failed = Failed { status, of_ledger, overloaded };
        assert_eq!(failed.trouble(), expected, "{failed:?}");
    }
}

#[test]
fn wrong_route_metadata_is_answered_and_logged_once_per_text() {
    let mut world = World::new(1_000);
    world.host.metadata = Some(b"nonsense".to_vec());
    for _ in 0..3 {
        world.happen(Event::Request);
    }
    assert_eq!(world.host.replied.len(), 3);
    assert_eq!(world.host.warnings.len(), 1, "{:?}", world.host.warnings);
    world.happen(Event::Tick);
    assert_eq!(world.host.counted("stripe402_misconfigured"), 3);
}

#[test]
fn the_ledger_hears_by_which_name_the_first_request_of_a_batch_is_found() {
    let (mut worker, mut host) = (worker(), Recorder::default());
    let payment = stripe402_protocol::encode(&json!({"clientId": CLIENT}));
    let headers = [
        (":method", "GET"),
        (":path", "/a"),
        ("payment", payment.as_str()),
        ("x-request-id", "r-1"),
        ("traceparent", "00-1-2-01"),
    ];
    let headers = headers.into_iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    worker.on_request(&mut host, 1, &Head::read(headers, &Identity::default(), None));
    worker.on_wake(&mut host);
    assert_eq!(host.traces, [Some("r-1".to_owned())]);
}

#[test]
fn a_balance_is_asked_for_and_told_to_who_asked() {
    let (mut worker, mut host) = (worker(), Recorder::default());
    let payment = stripe402_protocol::encode(&json!({"clientId": CLIENT}));
    let ask = |worker: &mut Worker, host: &mut Recorder, id| {
        let path = (":path", "/.well-known/stripe402/balance");
        let headers = [(":method", "GET"), path, ("payment", payment.as_str())];
        let headers = headers.into_iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        worker.on_request(host, id, &Head::read(headers, &Identity::default(), None))
    };
    assert_eq!(ask(&mut worker, &mut host, 1), Verdict::Hold);
    worker.on_wake(&mut host);
    let (path, body) = host.calls.remove(&1).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(path, "/v1/balance");
    assert_eq!(body, json!({"version": 7, "clientId": CLIENT, "currency": "usd"}));
    worker.on_answer(&mut host, 1, Ok(br#"{"creditsRemaining":7}"#));
    assert_eq!(host.replied.get(&1), Some(&1));
    // A stream that ended is not answered for, even if its id is used again.
    ask(&mut worker, &mut host, 2);
    worker.on_wake(&mut host);
    worker.on_end(&mut host, 2);
    ask(&mut worker, &mut host, 2);
    worker.on_answer(&mut host, 2, Ok(br#"{"creditsRemaining":7}"#));
    assert_eq!(host.replied.get(&2), None);
    // Stripe may have to be asked about keys: they leave room for balances.
    let about_keys = |worker: &mut Worker, host: &mut Recorder, id| {
        let path = (":path", "/.well-known/stripe402/keys");
        let headers = [(":method", "GET"), path, ("payment", payment.as_str())];
        let headers = headers.into_iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        worker.on_request(host, id, &Head::read(headers, &Identity::default(), None))
    };
    for id in 100..125 {
        about_keys(&mut worker, &mut host, id);
    }
    worker.on_wake(&mut host);
    let refused = (100..125).filter(|id| host.replied.contains_key(id)).count();
    assert_eq!(refused, 5);
    assert!(host.calls.values().any(|(path, _)| *path == "/v1/keys"));
    // The 61st in a minute: 2 and 25 were asked before.
    for id in 3..70 {
        ask(&mut worker, &mut host, id);
    }
    let refused = (3..70).filter(|id| host.replied.contains_key(id)).count();
    assert_eq!(refused, 67 - (60 - 3 - 20));
}

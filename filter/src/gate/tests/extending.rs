//! Streams whose holds grow, and that end where there is no more.

use stripe402_protocol::message::Deduction;

use super::{
    metering::{NOW, answer, config, raw},
    *,
};
use crate::usage::End;

const EVENTS: [(&str, &str); 2] = [(":status", "200"), ("content-type", "text/event-stream")];

/// A unit a byte: 1,000 are held, and 500 more when 200 are left.
fn price(then: &str) -> Value {
    json!({
        "most": 1000,
        "usage": [{"bytes": {"per_mib": 1_048_576}}],
        "extend": {"at": "80%", "by": 500, "then": then},
    })
}

fn streaming(then: &str, max_price: i64) -> Stream {
    let mut stream = Stream::new(config(&price(then)));
    let payment = json!({"clientId": CLIENT, "maxPrice": max_price});
    let payment = stripe402_protocol::encode(&payment);
    let mut mint = || Some(DeductionId::mint(NOW, [7; 10]));
    let head = Head { takes_trailers: true, ..head("/api/chat", &payment) };
    stream.on_request(&head, &UNSAID, &mut mint);
    let left = Units::from_u32(9_000);
    stream.on_deduction(Ok(DeductionOutcome::Deducted(left)), &mut mint);
    stream.on_forwarded(NOW);
    answer(&mut stream, &EVENTS, "via_upstream");
    assert!(stream.may_extend());
    stream
}

fn pass(stream: &mut Stream, bytes: usize, mark: u8) -> Extending {
    stream.on_metered_body(&vec![b'x'; bytes]);
    stream.on_progress(NOW, &mut || Some(DeductionId::mint(NOW, [mark; 10])))
}

fn asked(extending: Extending) -> Deduction {
    match extending {
        Extending::Ask(deduction) => deduction,
        other => panic!("{other:?}"),
    }
}

/// A piece that is beyond what was asked for: what passed before it is captured, and in advance.
fn asked_and_cut(stream: &mut Stream, bytes: usize, captured: Vec<i64>) {
    let Extending::End(ended) = pass(stream, bytes, 2) else { panic!() };
    assert_eq!(shares(Some(ended.metered)), captured);
}

fn granted(stream: &mut Stream, left: u32) {
    let id = stream.waits_for().expect("it waits for the ledger's word");
    assert_ne!(id, DeductionId::mint(NOW, [7; 10]));
    stream.on_extension(Ok(DeductionOutcome::Deducted(Units::from_u32(left))), NOW);
    assert_eq!(stream.waits_for(), None);
}

fn shares(metered: Option<Metered>) -> Vec<i64> {
    match metered {
        Some(Metered::Captured { captures, .. }) => {
            captures.iter().map(|capture| capture.amount.get()).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn more_is_held_before_the_last_hold_is_used_up() {
    let mut stream = streaming("end", 10_000);
    assert!(matches!(pass(&mut stream, 799, 1), Extending::Nothing), "a fifth is left");
    let more = asked(pass(&mut stream, 1, 1));
    assert_eq!((more.amount, more.hold.unwrap().at_end), (Units::from_u32(500), more.amount));
    assert!(matches!(pass(&mut stream, 100, 2), Extending::Nothing), "one is on its way");
    granted(&mut stream, 8_500);
    assert!(matches!(pass(&mut stream, 499, 2), Extending::Nothing), "101 of 500 are left");
    asked(pass(&mut stream, 1, 2));
    granted(&mut stream, 8_000);
    stream.on_metered_body(b"xxxxx");
    let trailers = [("x", "y")];
    let said = ResponseHead::read(raw(&trailers));
    let metered = stream.on_metered_trailers(&said, raw(&trailers), NOW);
    let Some(Metered::Captured { receipt: Some(receipt), .. }) = &metered else { panic!() };
    let receipt: Value = stripe402_protocol::decode(receipt.as_bytes()).unwrap();
    assert_eq!(
        (&receipt["hold"]["amount"], &receipt["hold"]["captured"]),
        (&2_000.into(), &1_405.into())
    );
    assert_eq!(receipt["creditsRemaining"], 8_000 + 595);
    assert_eq!(shares(metered), [1_000, 405, 0], "the first ones whole");
}

#[test]
fn nobody_pays_more_than_they_agreed_to() {
    for (max_price, holds) in [(1_000, 1), (1_499, 1), (1_500, 2), (2_000, 3)] {
        let mut stream = streaming("end", max_price);
        let (mut held, mut passed) = (1, 0);
        for mark in 1..9 {
            match pass(&mut stream, 400, mark) {
                Extending::Nothing => passed += 400,
                Extending::Ask(_) => {
                    (held, passed) = (held + 1, passed + 400);
                    granted(&mut stream, 9_000);
                }
                Extending::End(ended) => {
                    let captured = shares(Some(ended.metered)).iter().sum::<i64>();
                    assert_eq!(captured, passed, "what did not pass is not paid for");
                    assert!(captured <= max_price);
                    break;
                }
            }
        }
        assert_eq!(held, holds, "at most {max_price}");
        assert!(stream.is_ended(), "at most {max_price}");
    }
}

#[test]
fn where_the_credits_end_the_stream_does() {
    let mut stream = streaming("end", 10_000);
    asked(pass(&mut stream, 900, 1));
    stream.on_extension(Ok(DeductionOutcome::Insufficient), NOW);
    assert!(matches!(pass(&mut stream, 99, 2), Extending::Nothing), "what is held is served");
    let Extending::End(ended) = pass(&mut stream, 50, 2) else { panic!() };
    let last = String::from_utf8(ended.last).unwrap();
    let challenge = last.strip_prefix("\n\nevent: stripe402\ndata: ").unwrap();
    let challenge: Value = serde_json::from_str(challenge.trim_end()).unwrap();
    assert_eq!(challenge["error"], "insufficient_credits");
    assert_eq!(shares(Some(ended.metered)), [999]);
    assert!(stream.is_ended() && !stream.is_held());
    assert!(stream.on_end(reached).is_none(), "and nothing is settled twice");
    assert!(stream.on_metered_break(&reached(), NOW).is_none());

    let mut stream = streaming("continue", 10_000);
    asked(pass(&mut stream, 900, 1));
    stream.on_extension(Ok(DeductionOutcome::Frozen), NOW);
    assert!(matches!(pass(&mut stream, 5_000, 2), Extending::Nothing), "the seller wants it so");
    assert_eq!(shares(stream.on_metered_end(End::Done, NOW)), [1_000], "all that is held");
}

/// What passes while the ledger is asked is taken from what it grants, and is never more than that.
#[test]
fn a_silent_ledger_gives_no_more_than_one_hold_away() {
    let mut stream = streaming("end", 10_000);
    asked(pass(&mut stream, 1_400, 1));
    stream.on_extension(Err(LedgerError::Unreachable), NOW);
    assert!(
        matches!(pass(&mut stream, 99, 2), Extending::Nothing),
        "it is not asked at once again"
    );
    assert!(matches!(pass(&mut stream, 1, 2), Extending::Nothing));
    let Extending::End(ended) = pass(&mut stream, 1, 2) else { panic!() };
    assert_eq!(shares(Some(ended.metered)), [1_000]);
    let mut stream = streaming("end", 10_000);
    asked(pass(&mut stream, 1_400, 1));
    stream.on_extension(Err(LedgerError::Unreachable), NOW);
    let again = stream.on_progress(NOW + 1_000, &mut || Some(DeductionId::mint(NOW, [2; 10])));
    asked(again);
}

#[test]
fn a_failure_releases_every_hold() {
    let mut price = price("end");
    price["usage"] = json!([{"seconds": {"each": 1_000}}]);
    let mut stream = Stream::new(config(&price));
    let payment = json!({"clientId": CLIENT, "maxPrice": 10_000});
    let payment = stripe402_protocol::encode(&payment);
    let mut mint = || Some(DeductionId::mint(NOW, [7; 10]));
    stream.on_request(&head("/api/chat", &payment), &UNSAID, &mut mint);
    stream.on_deduction(Ok(DeductionOutcome::Deducted(Units::from_u32(9_000))), &mut mint);
    stream.on_forwarded(NOW);
    answer(&mut stream, &EVENTS, "via_upstream");
    let step = stream.on_progress(NOW + 900, &mut || Some(DeductionId::mint(NOW, [1; 10])));
    asked(step);
    granted(&mut stream, 8_500);
    let reset = "upstream_reset_after_response_started".to_owned();
    let origin = Origin { details: Some(reset), reached: true };
    match stream.on_metered_break(&origin, NOW) {
        Some(Metered::Voided { voids, .. }) => assert_eq!(voids.len(), 2),
        other => panic!("{other:?}"),
    }
}

/// A fast stream of a client that agreed and has the credits is not broken off, and pays for all.
#[test]
fn what_passes_while_the_ledger_is_asked_is_paid_for() {
    let mut stream = streaming("end", 100_000);
    let more = asked(pass(&mut stream, 2_000, 1));
    assert_eq!(more.amount, Units::from_u32(3_500), "three times what came beyond, and a step");
    assert!(matches!(pass(&mut stream, 2_500, 2), Extending::Nothing), "all that was asked for");
    match stream.on_metered_end(End::Done, NOW) {
        Some(Metered::Captured { captures, ahead, held, .. }) => {
            let shares: Vec<i64> = captures.iter().map(|capture| capture.amount.get()).collect();
            assert_eq!((shares, held), (vec![1_000, 3_500], Units::from_u32(4_500)));
            assert_eq!(ahead, Some(more.id), "its word is heard, and it is not voided");
        }
        other => panic!("{other:?}"),
    }
    let mut stream = streaming("end", 100_000);
    asked(pass(&mut stream, 2_000, 1));
    asked_and_cut(&mut stream, 2_501, vec![1_000, 1_000]);
    let mut stream = streaming("end", 2_600);
    let Extending::End(ended) = pass(&mut stream, 3_000, 1) else { panic!() };
    assert_eq!(shares(Some(ended.metered)), [0], "nothing has passed");
}

#[test]
fn where_several_steps_are_refused_one_may_be_there() {
    let mut stream = streaming("end", 100_000);
    let more = asked(pass(&mut stream, 1_100, 1));
    assert_eq!(more.amount, Units::from_u32(1_000));
    stream.on_extension(Ok(DeductionOutcome::Insufficient), NOW);
    let one = asked(stream.on_progress(NOW, &mut || Some(DeductionId::mint(NOW, [2; 10]))));
    assert_eq!(one.amount, Units::from_u32(500));
    stream.on_extension(Ok(DeductionOutcome::Insufficient), NOW);
    let Extending::End(ended) = pass(&mut stream, 1, 3) else { panic!() };
    assert_eq!(shares(Some(ended.metered)), [1_000]);
}

//! How requests end, and which answers have nothing to measure.

use super::*;

fn bytes_of() -> UsageSource {
    UsageSource::Bytes { per_mib: Units::from_u32(1 << 20) }
}

fn seconds() -> UsageSource {
    UsageSource::Seconds { each: Units::from_u32(10) }
}

#[test]
fn bytes_and_seconds_are_rounded_up_once() {
    for (source, size, millis, expected) in [
        (bytes_of(), 0, 0, 5),
        (bytes_of(), 700, 0, 700),
        (UsageSource::Bytes { per_mib: Units::from_u32(1) }, (6 << 20) + 1, 0, 7),
        (seconds(), 9, 0, 5),
        (seconds(), 9, 1, 5),
        (seconds(), 9, 900, 9),
        (seconds(), 9, 901, 10),
        (seconds(), 9, 60_000, 600),
    ] {
        let script = Script::new(&vec![b'x'; size]).pieces(1_000).millis(millis);
        assert_eq!(script.run(&price(vec![source])), known(expected), "{size} {millis}");
    }
}

#[test]
fn the_first_millisecond_has_a_price() {
    let price = MeteredPrice { least: Units::ZERO, ..price(vec![seconds()]) };
    assert_eq!(Script::new(b"").end(End::ClientGone).run(&price), known(1));
}

#[test]
fn a_clock_that_goes_back_is_no_time() {
    let mut meter = Meter::new(&Rc::new(price(vec![seconds()])), Request::default(), 0);
    meter.on_forwarded(5_000);
    assert_eq!(meter.finish(End::Done, 4_000, Units::from_u32(1_000_000)), known(5));
}

#[test]
fn an_answer_without_a_body_costs_the_least() {
    let price = price(vec![header("x-cost"), json(&["/n"]), seconds()]);
    let script = || Script::new(b"").millis(60_000);
    for script in [
        script().method("HEAD"),
        script().status("204"),
        script().status("304"),
        script().status("304").end(End::ClientGone),
    ] {
        assert_eq!(script.run(&price), known(5), "{script:?}");
    }
    for script in [script().method("HEAD"), script().status("204"), script().status("304")] {
        assert_eq!(script.head(("x-cost", "20")).run(&price), known(20), "the API says it itself");
    }
    assert_eq!(script().run(&price), known(600), "an empty body of a 200 is none of these");
}

#[test]
fn a_compressed_body_is_not_read() {
    let sources = || vec![json(&["/n"]), sse(&["/n"])];
    for (script, coding, expected) in [
        (Script::new(br#"{"n":7}"#), "gzip", most(Some(Wrong::Encoded))),
        (Script::new(br#"{"n":7}"#), "identity, br", most(Some(Wrong::Encoded))),
        (Script::events(b"data: {\"n\":7}\n\n"), "zstd", most(Some(Wrong::Encoded))),
        (Script::new(br#"{"n":7}"#), "identity", known(7)),
        (Script::new(br#"{"n":7}"#), "", known(7)),
    ] {
        let script = script.head(("content-encoding", coding));
        assert_eq!(script.run(&price(sources())), expected, "{script:?}");
    }
    let mut counted = sources();
    counted.push(bytes_of());
    let script = Script::new(&[0; 70]).head(("content-encoding", "gzip"));
    assert_eq!(script.run(&price(counted)), Usage { wrong: Some(Wrong::Encoded), ..known(70) });
}

#[test]
fn of_an_upgraded_stream_only_size_and_time_count() {
    let first = vec![header("x-cost"), json(&["/n"]), bytes_of()];
    let body = br#"{"n":7}         "#;
    for (script, expected) in [
        (Script::new(body).status("101").head(("x-cost", "9")), known(16)),
        (Script::new(body).method("CONNECT").head(("x-cost", "9")), known(16)),
        (Script::new(body).method("CONNECT").status("403").head(("x-cost", "9")), known(9)),
        (Script::new(body), known(7)),
    ] {
        assert_eq!(script.run(&price(first.clone())), expected, "{script:?}");
    }
    let timed = Script::new(body).status("101").millis(2_000);
    assert_eq!(timed.run(&price(vec![json(&["/n"]), seconds()])), known(20));
    assert_eq!(timed.run(&price(vec![json(&["/n"])])), most(None));
}

#[test]
fn a_client_that_leaves_pays_for_what_was_counted_and_never_nothing() {
    let free = |usage, unknown| MeteredPrice { least: Units::ZERO, unknown, ..price(usage) };
    let gone = |body: &[u8]| Script::new(body).end(End::ClientGone).millis(3_000);
    let events = |body: &[u8]| Script::events(body).end(End::ClientGone);
    for (script, price, expected) in [
        (gone(b"0123456789"), free(vec![bytes_of()], Unknown::Void), known(10)),
        (gone(b""), free(vec![seconds()], Unknown::Void), known(30)),
        (
            events(b"data: {\"n\":3}\n\ndata: {\"n\":8}\n\ndata: {\"n\":9"),
            free(vec![sse(&["/n"])], Unknown::Void),
            known(8),
        ),
        (gone(br#"{"n":7,"#), free(vec![json(&["/n"])], Unknown::Most), most(None)),
        (gone(br#"{"n":7,"#), price(vec![json(&["/n"])]), most(None)),
        (
            gone(br#"{"n":7,"#),
            MeteredPrice { unknown: Unknown::Least, ..price(vec![json(&["/n"])]) },
            not_known(5, None),
        ),
        // What would be nothing because of the client is the most.
        (gone(br#"{"n":7,"#), free(vec![json(&["/n"])], Unknown::Least), most(None)),
        (gone(br#"{"n":7,"#), free(vec![json(&["/n"])], Unknown::Void), most(None)),
        (gone(b""), free(vec![bytes_of()], Unknown::Void), most(None)),
        (gone(b"").status("500"), free(vec![json(&["/n"])], Unknown::Void), not_known(0, None)),
        (gone(br#"{"n":7}"#), free(vec![json(&["/n"])], Unknown::Void), known(7)),
    ] {
        assert_eq!(script.run(&price), expected, "{script:?}");
    }
}

#[test]
fn an_api_that_breaks_off_is_paid_for_what_was_counted_or_as_the_price_says() {
    let broken = |body: &[u8]| Script::new(body).end(End::ApiReset);
    let json_price = |unknown| MeteredPrice { unknown, ..price(vec![json(&["/n"])]) };
    for (script, price, expected) in [
        (broken(b"0123456789"), price(vec![bytes_of()]), known(10)),
        (broken(b""), price(vec![bytes_of()]), known(5)),
        (broken(br#"{"n":7"#), json_price(Unknown::Most), most(None)),
        (broken(br#"{"n":7"#), json_price(Unknown::Least), not_known(5, None)),
        (broken(br#"{"n":7"#), json_price(Unknown::Void), not_known(0, None)),
    ] {
        assert_eq!(script.run(&price), expected, "{script:?}");
    }
}

#[test]
fn an_error_that_says_nothing_costs_the_least() {
    for (status, body, unknown, expected) in [
        ("400", "{}", Unknown::Most, not_known(5, None)),
        ("503", "{}", Unknown::Most, not_known(5, None)),
        ("400", "{}", Unknown::Void, not_known(0, None)),
        ("400", r#"{"n":9}"#, Unknown::Most, known(9)),
        ("302", "{}", Unknown::Most, most(None)),
    ] {
        let price = MeteredPrice { unknown, ..price(vec![json(&["/n"])]) };
        assert_eq!(Script::new(body.as_bytes()).status(status).run(&price), expected, "{status}");
    }
}

#[test]
fn a_retry_counts_its_own_answer_and_all_of_the_time() {
    let run = |usage: Vec<UsageSource>| {
        let mut meter = Meter::new(&Rc::new(price(usage)), Request::default(), 0);
        meter.on_forwarded(0);
        meter.on_head(bytes(&[(":status", "100")]));
        meter.on_head(bytes(&[(":status", "503"), ("x-cost", "900")]));
        meter.on_body(br#"{"n":800}"#);
        meter.on_head(bytes(&[(":status", "103")]));
        meter.on_head(bytes(&[(":status", "200")]));
        meter.on_body(br#"{"n":70} "#);
        meter.on_head(bytes(&[(":status", "103")]));
        meter.finish(End::Done, 2_000, Units::from_u32(1_000_000))
    };
    assert_eq!(run(vec![header("x-cost"), json(&["/n"])]), known(70));
    assert_eq!(run(vec![bytes_of()]), known(9));
    assert_eq!(run(vec![seconds()]), known(20));
}

#[test]
fn before_the_head_only_time_counts() {
    let run = |usage, end| {
        let mut meter = Meter::new(&Rc::new(price(usage)), Request::default(), 0);
        meter.on_forwarded(0);
        meter.finish(end, 2_000, Units::from_u32(1_000_000))
    };
    assert_eq!(run(vec![header("x-cost"), seconds()], End::ClientGone), known(20));
    assert_eq!(run(vec![header("x-cost"), json(&["/n"])], End::ClientGone), most(None));
    assert_eq!(run(vec![bytes_of()], End::ApiReset), known(5));
}

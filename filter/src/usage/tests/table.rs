//! Unit prices that a text in a body chooses.

use proptest::{prelude::*, sample::select};

use super::*;

/// One thing is 1 unit in `small`, 10 in `large`.
fn tabled(body: Body, other: Other) -> Rc<MeteredPrice> {
    let row = |units| Rates([("/n".into(), Units::from_u32(units))].into());
    let by = By {
        body,
        pointer: [Pointer::parse("/model").unwrap()].into(),
        table: vec![("small".into(), row(1_000)), ("large".into(), row(10_000))],
        other,
    };
    let without = |source: UsageSource| match source {
        UsageSource::Json(counted) => UsageSource::Json(Counted { per_1000: None, ..counted }),
        UsageSource::Sse(counted) => UsageSource::Sse(Counted { per_1000: None, ..counted }),
        other => other,
    };
    let usage = [json(&["/n"]), sse(&["/n"])].map(without).to_vec();
    Rc::new(MeteredPrice { by: Some(Rc::new(by)), ..price(usage) })
}

/// Sends a body in pieces, and gives what was said of forwarding after each, and the usage.
fn send(price: &Rc<MeteredPrice>, pieces: &[&[u8]], window: usize) -> (Vec<Choice>, Usage) {
    let mut meter = Meter::new(price, Request::default(), window);
    let mut choices = vec![meter.choice()];
    let (last, before) = pieces.split_last().unwrap();
    choices.extend(before.iter().map(|piece| meter.on_request_body(piece, false)));
    choices.push(meter.on_request_body(last, true));
    meter.on_head(bytes(&[(":status", "200")]));
    meter.on_body(br#"{"n":100}"#);
    (choices, meter.finish(End::Done, 0, Units::from_u32(1_000_000)))
}

#[test]
fn the_requests_body_chooses_or_the_request_is_refused() {
    use Choice::{Made, Refused, Waiting};
    let price = tabled(Body::Request, Other::Refuse);
    for (pieces, expected) in [
        (vec![r#"{"model":"small"}"#], vec![Waiting, Made]),
        (vec![r#"{"mod"#, r#"el":"small""#, "}"], vec![Waiting, Waiting, Waiting, Made]),
        (vec![r#"{"model":"small","#, r#""model":"large"}"#], vec![Waiting, Waiting, Refused]),
        (vec![r#"{"model":"small""#], vec![Waiting, Refused]),
        (vec![r#"{"model":"small"}"#, "\n{}"], vec![Waiting, Waiting, Refused]),
        (vec![r#"{"model\u0000":"large","model":"small"}"#], vec![Waiting, Refused]),
        (vec![r#"{"model\ud800":"large","model":"small"}"#], vec![Waiting, Refused]),
        (vec![r#"{"a":1,"#, r#""model":"large"}"#], vec![Waiting, Waiting, Made]),
        (vec![r#"{"model":"medium"#, r#"","#], vec![Waiting, Waiting, Refused]),
        (vec![r#"{"model":"Small"}"#], vec![Waiting, Refused]),
        (vec![r#"{"model":"\u0073mall"}"#], vec![Waiting, Made]),
        (vec![r#"{"model":null}"#], vec![Waiting, Refused]),
        (vec![r#"{"model":["small"]}"#], vec![Waiting, Refused]),
        (vec![r#"{"model":7}"#], vec![Waiting, Refused]),
        (vec![r#"{"MODEL":"small"}"#], vec![Waiting, Refused]),
        (vec![r#"{"model":"small","MODEL":"large"}"#], vec![Waiting, Refused]),
        (vec![r#"{"model":"small","model":"large"}"#], vec![Waiting, Refused]),
        (vec![r#"{"m":{"model":"small"}}"#], vec![Waiting, Refused]),
        (vec![r#"{"model":"small" x"#], vec![Waiting, Refused]),
        (vec!["model=small"], vec![Waiting, Refused]),
        (vec![""], vec![Waiting, Refused]),
        (vec!["{", ""], vec![Waiting, Waiting, Refused]),
    ] {
        let pieces: Vec<&[u8]> = pieces.iter().map(|piece| piece.as_bytes()).collect();
        let (choices, _) = send(&price, &pieces, 1_000);
        assert_eq!(choices, expected, "{pieces:?}");
    }
    let request = Request { method: "POST", encoded: true };
    let mut meter = Meter::new(&price, request, 1_000);
    assert_eq!(meter.choice(), Refused);
    assert_eq!(meter.on_request_body(br#"{"model":"small"}"#, true), Refused);
}

#[test]
fn a_name_is_ambiguous_in_every_letter_case_of_unicode() {
    let mut price = MeteredPrice::clone(&tabled(Body::Request, Other::Refuse));
    let by = By::clone(price.by.as_ref().unwrap());
    let pointer = [Pointer::parse("/task").unwrap()].into();
    price.by = Some(Rc::new(By { pointer, ..by }));
    let price = Rc::new(price);
    for (name, expected) in [
        ("tasks", Choice::Made),
        ("TASK", Choice::Refused),
        ("ta\u{17f}k", Choice::Refused),
        ("tas\u{212a}", Choice::Refused),
        ("tas\\u212a", Choice::Refused),
    ] {
        let body = format!("{{\"{name}\":1,\"task\":\"small\"}}");
        assert_eq!(send(&price, &[body.as_bytes()], 1_000).0[1], expected, "{body}");
    }
}

#[test]
fn unit_prices_are_those_of_the_row() {
    let [refuse, large] = [Other::Refuse, Other::Row(1)].map(|other| tabled(Body::Request, other));
    for (pieces, other, expected) in [
        (vec![r#"{"model":"small"}"#], &refuse, known(100)),
        (vec![r#"{"model":"large"}"#], &refuse, known(1_000)),
        (vec![r#"{"model":"small"}"#], &large, known(100)),
        (vec![r#"{"model":"medium"}"#], &large, known(1_000)),
        (vec!["{}"], &large, known(1_000)),
        (vec![""], &large, known(1_000)),
        (vec![r#"{"model":"small","#, r#""Model":"large"}"#], &large, known(1_000)),
        (vec![r#"{"model":"small""#, ""], &large, known(1_000)),
        // What is ambiguous only after it was forwarded has no unit prices.
        (vec![r#"{"model":"small","#, r#""model":"large"}"#], &refuse, most(Some(Wrong::NoRow))),
        (vec![r#"{"model":"small","#, r#""x" }"#], &refuse, most(Some(Wrong::NoRow))),
        (vec![r#"{"model":"small""#, ""], &refuse, most(Some(Wrong::NoRow))),
    ] {
        let pieces: Vec<&[u8]> = pieces.iter().map(|piece| piece.as_bytes()).collect();
        let (_, usage) = send(other, &pieces, 1_000);
        assert_eq!(usage, expected, "{pieces:?} {:?}", other.by);
    }
}

#[test]
fn no_more_than_the_window_is_waited_for() {
    use Choice::{Made, Refused, Waiting};
    let [refuse, large] = [Other::Refuse, Other::Row(1)].map(|other| tabled(Body::Request, other));
    let (early, late) = (br#"{"model":"small","a":""#, br#"{"a":"","model":"small"}"#);
    assert_eq!(send(&refuse, &[early], 17).0, [Waiting, Made]);
    assert_eq!(send(&refuse, &[late], 22).0, [Waiting, Refused]);
    assert_eq!(send(&refuse, &[&late[..10], &late[10..]], 22).0, [Waiting, Waiting, Refused]);
    assert_eq!(send(&refuse, &[late], 23).0, [Waiting, Made]);
    // Where nothing is refused nothing is waited for, and all of the body is read.
    let (choices, usage) = send(&large, &[&late[..10], &late[10..]], 0);
    assert_eq!((choices, usage), (vec![Made, Made, Made], known(100)));
}

#[test]
fn an_answer_that_comes_before_the_whole_request_takes_what_was_said_by_then() {
    let mut meter = Meter::new(&tabled(Body::Request, Other::Refuse), Request::default(), 17);
    assert_eq!(meter.on_request_body(br#"{"model":"small","#, false), Choice::Made);
    meter.on_head(bytes(&[(":status", "200")]));
    meter.on_body(br#"{"n":100}"#);
    assert_eq!(meter.finish(End::Done, 0, Units::from_u32(1_000_000)), known(100));
    let mut meter = Meter::new(&tabled(Body::Request, Other::Row(1)), Request::default(), 0);
    assert_eq!(meter.on_request_body(br#"{"model":"small" x"#, false), Choice::Made);
    meter.on_head(bytes(&[(":status", "200")]));
    meter.on_body(br#"{"n":100}"#);
    assert_eq!(meter.finish(End::Done, 0, Units::from_u32(1_000_000)), known(1_000));
}

#[test]
fn the_answers_body_chooses() {
    let price = tabled(Body::Answer, Other::Row(1));
    for (script, expected) in [
        (Script::new(br#"{"n":100,"model":"small"}"#), known(100)),
        (Script::new(br#"{"model":"large","n":100}"#), known(1_000)),
        (Script::new(br#"{"model":"medium","n":100}"#), known(1_000)),
        (Script::new(br#"{"n":100,"MODEL":"large","model":"small"}"#), known(100)),
        (Script::new(br#"{"n":100,"model":"small","model":"small"}"#), known(1_000)),
        (Script::new(br#"{"n":100}"#), known(1_000)),
        (
            Script::events(b"data: {\"model\":\"small\"}\n\ndata: {\"n\":100}\n\ndata: [DONE]\n\n"),
            known(100),
        ),
    ] {
        assert_eq!(script.run(&price), expected, "{script:?}");
    }
    let meter = Meter::new(&price, Request::default(), 0);
    assert_eq!(meter.choice(), Choice::Made);
}

/// Of which requests' bodies are made.
const PARTS: [&str; 14] = [
    "{",
    "}",
    ",",
    ":",
    "\"model\"",
    "\"model\":\"small\"",
    "\"Model\":\"small\"",
    "\"large\"",
    "\"",
    "[",
    "]",
    "null",
    " ",
    "\"a\":1,",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// A request that is forwarded in pieces is forwarded whole with the same unit prices, or it was found
    /// to be ambiguous only after the piece that chose, and has none.
    #[test]
    fn where_a_request_is_cut_makes_it_no_cheaper(
        parts in prop::collection::vec(select(PARTS.to_vec()), 0..12),
        window in 0_usize..40,
        size in 1_usize..9,
    ) {
        let body = format!("{{{}", parts.concat());
        let pieces: Vec<&[u8]> = body.as_bytes().chunks(size).collect();
        let [refuse, large] = [Other::Refuse, Other::Row(1)].map(|other| tabled(Body::Request, other));
        let (whole, cut) =
            (send(&refuse, &[body.as_bytes()], window), send(&refuse, &pieces, window));
        match (whole.0.last(), cut.0.last()) {
            (Some(Choice::Refused), Some(Choice::Made)) => {
                prop_assert_eq!(cut.1, most(Some(Wrong::NoRow)), "{}", body);
            }
            (one, other) => prop_assert_eq!((one, whole.1), (other, cut.1), "{}", body),
        }
        let (whole, cut) = (send(&large, &[body.as_bytes()], 0), send(&large, &pieces, 0));
        prop_assert_eq!(whole.1, cut.1, "{}", body);
    }
}

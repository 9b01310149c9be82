//! Random documents, read by `serde_json` and in one piece; and by a meter, in any pieces.

use proptest::{prelude::*, sample::select};
use serde_json::Value;

use super::*;

/// Names that pointers go to, some of which must be escaped there or in JSON.
const NAMES: [&str; 10] = ["a", "b", "", "0", "1", "a/b", "m~n", "\u{fc}\u{1f600}", "\"\\\n", "-"];

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0_u64..2_000_000).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        select(NAMES.to_vec()).prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(select(NAMES.to_vec()), inner, 0..4).prop_map(|fields| {
                fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }),
        ]
    })
}

fn pointer() -> impl Strategy<Value = String> {
    let escape = |name: &str| format!("/{}", name.replace('~', "~0").replace('/', "~1"));
    prop::collection::vec(select(NAMES.to_vec()).prop_map(escape), 1..5)
        .prop_map(|segments| segments.concat())
}

/// The same document in other words.
fn written(document: &Value, style: u8) -> String {
    match style {
        0 => document.to_string(),
        1 => serde_json::to_string_pretty(document).unwrap(),
        // Every letter beyond ASCII, and every `a`, as an escape.
        _ => {
            let escape = |letter: char| match letter {
                'a' => "\\u0061".to_owned(),
                letter if letter.is_ascii() => letter.to_string(),
                letter => {
                    let units = letter.encode_utf16(&mut [0; 2]).to_vec();
                    units.iter().map(|unit| format!("\\u{unit:04X}")).collect()
                }
            };
            let text = document.to_string();
            // `false` and `null` are words of JSON, not texts; `\u000a` is an escape already.
            let keep = ["false", "\\u"].iter().any(|word| text.contains(word));
            if keep { text } else { text.chars().map(escape).collect() }
        }
    }
}

/// What is there, by `serde_json`.
fn expected(document: &Value, pointers: &[String]) -> Usage {
    let mut sum = Some(0_u64);
    let mut wrong = None;
    for pointer in pointers {
        let read = match document.pointer(pointer) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Number(number)) if number.is_f64() => Err(Wrong::Fraction),
            Some(Value::Number(number)) => match number.as_u64() {
                None => Err(Wrong::Negative),
                Some(number) if number >= 1 << 53 => Err(Wrong::TooLarge),
                Some(number) => Ok(Some(number)),
            },
            Some(_) => Err(Wrong::NotANumber),
        };
        match read {
            Ok(number) => sum = sum.zip(number).map(|(sum, number)| sum.saturating_add(number)),
            Err(found) => wrong = wrong.or(Some(found)),
        }
    }
    match (sum, wrong) {
        (_, Some(wrong)) => most(Some(wrong)),
        (None, None) => most(None),
        (Some(sum), None) if sum > 1_000_000 => {
            Usage { wrong: Some(Wrong::AboveMost), ..known(1_000_000) }
        }
        (Some(sum), None) => known(u32::try_from(sum.max(5)).unwrap()),
    }
}

/// Cuts a body at some places.
fn cut(body: &[u8], at: &[prop::sample::Index]) -> Vec<Vec<u8>> {
    let mut places: Vec<usize> = at.iter().map(|at| at.index(body.len().max(1))).collect();
    places.extend([0, body.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| body[pair[0]..pair[1]].to_vec()).collect()
}

/// Pieces of which bodies are made that are nearly JSON, or nearly events.
const PARTS: [&str; 30] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"n\"",
    "\"m\"",
    "\"u\"",
    "7",
    "0",
    "-",
    "1.5",
    "1e9",
    "null",
    "true",
    "\"",
    "\\u006e",
    "\\",
    "\u{fc}",
    " ",
    "data:",
    "data: ",
    "\n",
    "\r",
    "\r\n",
    "\n\n",
    ":",
    "event: x",
    "{\"n\":5,\"u\":{\"m\":1}}",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn pointers_mean_what_serde_json_says(
        document in document(),
        pointers in prop::collection::btree_set(pointer(), 1..4),
        style in 0_u8..3,
        at in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let pointers: Vec<String> = pointers.into_iter().collect();
        let named: Vec<&str> = pointers.iter().map(String::as_str).collect();
        let text = written(&document, style);
        let document: Value = serde_json::from_str(&text).unwrap();
        let mut script = Script::new(text.as_bytes());
        script.body = cut(text.as_bytes(), &at);
        let found = script.run(&price(vec![json(&named)]));
        let container = document.is_object() || document.is_array();
        let mut expected = expected(&document, &pointers);
        // A number on its own has no end.
        if !container && document.is_number() {
            expected = most(Some(Wrong::NotJson));
        }
        prop_assert_eq!(found, expected, "{} {:?}", text, pointers);
        // As the data of an event, a line for each line.
        let event: String = text.lines().map(|line| format!("data: {line}\n")).collect();
        let mut script = Script::events(&[]);
        script.body = cut(format!("{event}\n").as_bytes(), &at);
        if container {
            prop_assert_eq!(script.run(&price(vec![sse(&named)])), expected, "{}", event);
        }
    }

    #[test]
    fn where_a_body_is_cut_changes_nothing(
        parts in prop::collection::vec(select(PARTS.to_vec()), 0..30),
        events in any::<bool>(),
        end in select(vec![End::Done, End::ApiReset, End::ClientGone]),
        at in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let body = parts.concat();
        let whole = if events { Script::events(body.as_bytes()) } else { Script::new(body.as_bytes()) };
        let whole = whole.end(end);
        let cut = Script { body: cut(body.as_bytes(), &at), ..whole.clone() };
        let price = price(vec![json(&["/n", "/u/m"]), sse(&["/n"]), json(&["/0"])]);
        prop_assert_eq!(cut.run(&price), whole.run(&price), "{:?}", body);
        prop_assert_eq!(whole.pieces(1).run(&price), cut.run(&price), "{:?}", body);
    }

    /// Nothing that is no JSON for `serde_json` gives a number.
    #[test]
    fn only_json_is_json(parts in prop::collection::vec(select(PARTS.to_vec()), 0..12)) {
        let body = parts.concat();
        let usage = Script::new(body.as_bytes()).run(&price(vec![json(&["/n"])]));
        if serde_json::from_str::<Value>(&body).is_err() {
            prop_assert!(!usage.known, "{}", body);
        }
    }
}

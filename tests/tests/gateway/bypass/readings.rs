//! Under every setting by which Envoy may tidy paths up, nothing reaches the API for less than any
//! router that reads the path may serve for it.
//!
//! The prices and the routers are those of the fuzzer (`fuzz/routers.rs`). What no rule is about is
//! denied, so that a free prefix cannot be left by a spelling, either.

use std::{collections::BTreeSet, sync::Arc};

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use stripe402_tests::{
    envoy_config::EnvoyConfig,
    stack::{Stack, StackOptions},
};

use super::send;

#[path = "../../../../fuzz/routers.rs"]
mod routers;

/// How many requests are under way at once.
const AT_ONCE: usize = 32;

/// What costs something, or is denied; each is spelt in all ways.
const TARGETS: [&str; 14] = [
    "/api/joke",
    "/users/7",
    "/users/ME",
    "/users/7/orders:cancel",
    "/users/7/Parts/8",
    "/items/7",
    "/items/ABC",
    "/caf\u{e9}",
    "/\u{416}/x",
    "/v1/x",
    "/v1/Big",
    "/secret",
    "/docs/a/x",
    "/DOCS/x",
];

/// What is free, and must stay so in no other spelling: where the way to something else begins.
const FREE: [&str; 3] = ["/docs", "/users/me", "/items/abc"];

/// Ways up from what is free.
const UP: [&str; 24] = [
    "/../",
    "/%2e%2e/",
    "/%2E./",
    "/.%2e/",
    "/..;/",
    "/..;x=1/",
    "/%2e%2e;/",
    "/..%3b/",
    "/..%3Bx/",
    "/..%2f",
    "%2f..%2f",
    "%2F%2E%2E%2F",
    "/%2e%2e%2f",
    "/..\\",
    "\\..\\",
    "/..%5c",
    "%5c..%5c",
    "/%252e%252e/",
    "/..%252f",
    "/.//..//",
    "/x/../../",
    "//../",
    "/;/../",
    "/%00/..%2f../",
];

/// Ways to write a segment or a slash otherwise: the first of the pair becomes the second.
const OTHERWISE: [(&str, &str); 32] = [
    ("/", "//"),
    ("/", "/./"),
    ("/", "/%2e/"),
    ("/", "/x/../"),
    ("/", "/x/%2e%2e/"),
    ("/", "/x/..;/"),
    ("/", "/x/..%3b/"),
    ("/", "/;/"),
    ("/", "/;v=1/"),
    ("/", "%2f"),
    ("/", "%2F"),
    ("/", "%252f"),
    ("/", "\\"),
    ("/", "%5c"),
    ("/", "/%2f"),
    ("/", ";x/"),
    ("/", "%3bx/"),
    ("/", "/docs/../"),
    ("/", "/docs/%2e%2e/"),
    ("/", "/docs/..%2f"),
    ("a", "%61"),
    ("a", "A"),
    ("e", "%65"),
    ("e", "%2565"),
    ("s", "S"),
    ("s", "\u{17f}"),
    ("k", "%E2%84%AA"),
    (":", "%3A"),
    ("7", "a%2Fb"),
    ("7", "a%5Cb"),
    ("\u{e9}", "%C3%89"),
    ("\u{416}", "%D0%B6"),
];

/// What may follow.
const ENDS: [&str; 20] = [
    "",
    "/",
    "//",
    "/.",
    ";",
    ";x=1",
    "%3b",
    "%2f",
    "%20",
    "%09",
    ".",
    "%2e",
    "%00",
    "%00.html",
    "%3f",
    "%23",
    "?x=/..",
    "%",
    "/x/..",
    "/x/%2e%2e",
];

/// All paths that are tried; more than 2,500.
fn paths() -> BTreeSet<String> {
    let mut all: BTreeSet<String> = BTreeSet::new();
    for target in TARGETS {
        let spellings = OTHERWISE.iter().flat_map(|(from, to)| {
            [target.replace(from, to), target.replacen(from, to, 1), last(target, from, to)]
        });
        for (at, spelling) in spellings.enumerate() {
            all.insert(spelling.clone() + ENDS[at % ENDS.len()]);
            all.insert(spelling);
        }
        all.extend(ENDS.map(|end| format!("{target}{end}")));
        all.extend(ENDS.map(|end| target.to_uppercase() + end));
        for free in FREE {
            all.extend(UP.map(|up| format!("{free}{up}{}", &target[1..])));
            all.extend(UP.map(|up| format!("{free}{up}..{up}{}", &target[1..])));
        }
    }
    // Envoy answers 400 to what is no ASCII, before any filter.
    let written = |path: String| {
        path.chars().fold(String::new(), |text, letter| match letter {
            _ if letter.is_ascii() => text + &letter.to_string(),
            _ => letter.to_string().bytes().fold(text, |text, byte| format!("{text}%{byte:02X}")),
        })
    };
    all.into_iter().map(written).collect()
}

fn last(text: &str, from: &str, to: &str) -> String {
    match text.rfind(from) {
        Some(at) => format!("{}{to}{}", &text[..at], &text[at + from.len()..]),
        None => text.to_owned(),
    }
}

/// The settings of Envoy that change paths, by who has them.
fn settings() -> [(&'static str, Value); 4] {
    [
        ("as shipped", json!({})),
        (
            "Envoy's default",
            json!({"normalize_path": null, "merge_slashes": null,
            "path_with_escaped_slashes_action": null}),
        ),
        (
            "Istio's BASE",
            json!({"normalize_path": true, "merge_slashes": null,
            "path_with_escaped_slashes_action": null}),
        ),
        (
            "Istio's DECODE_AND_MERGE_SLASHES",
            json!({"normalize_path": true, "merge_slashes": true,
            "path_with_escaped_slashes_action": "UNESCAPE_AND_FORWARD"}),
        ),
    ]
}

fn set(config: &mut EnvoyConfig, setting: &Value) -> stripe402_tests::Result<()> {
    let manager = config.connection_manager()?;
    for (name, value) in setting.as_object().unwrap() {
        if value.is_null() {
            manager.as_object_mut().unwrap().remove(name);
        } else {
            manager[name] = value.clone();
        }
    }
    Ok(())
}

/// A gateway with the fuzzer's prices, where what no rule is about is denied or free.
async fn gateway(setting: Value, deny: bool) -> Stack {
    let rule = |(kind, path, price): (&str, &str, i64)| match price {
        0 => json!({kind: path, "free": true}),
        _ => json!({kind: path, "price": price}),
    };
    let options = StackOptions::new()
        .filter(move |filter| {
            filter["routes"] = routers::RULES.map(rule).to_vec().into();
            filter["unmatched"] = json!(if deny { "deny" } else { "free" });
        })
        .config(move |config| set(config, &setting));
    Stack::start(options).await.unwrap()
}

/// Sends all paths, and follows where Envoy redirects; how many there were.
async fn send_all(stack: &Stack) -> usize {
    let address = stack.envoy.address();
    let paths = paths();
    let count = paths.len();
    let redirected = futures_util::stream::iter(paths)
        .map(|path| async move { send(address, &request(&path)).await.1 })
        .buffer_unordered(AT_ONCE)
        .filter_map(|answer| async move { location(&answer) })
        .collect::<BTreeSet<String>>()
        .await;
    let again = redirected.len();
    futures_util::stream::iter(redirected)
        .map(|path| async move { send(address, &request(&path)).await.0 })
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<u16>>()
        .await;
    count + again
}

fn request(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").into_bytes()
}

/// Where a redirect leads.
fn location(answer: &str) -> Option<String> {
    let line = answer.lines().find_map(|line| line.strip_prefix("location: "))?;
    let path = line.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
    Some(path.unwrap_or(line).to_owned())
}

/// Nobody paid; so of all that reached the API, no router's reading may cost anything.
fn assert_free(stack: &Stack, setting: &str, deny: bool) -> usize {
    let requests = stack.upstream.recorder().requests();
    for received in &requests {
        for reading in routers::readings(&received.path) {
            let price = reading.price(deny);
            assert_eq!(
                price, 0,
                "{setting}: {} reached the API; {} reads {reading:?}",
                received.path, reading.router
            );
        }
    }
    requests.len()
}

#[tokio::test]
async fn no_setting_of_envoys_lets_a_spelling_out_of_what_is_free() {
    let mut sent = 0;
    for (setting, value) in settings() {
        let stack = gateway(value, true).await;
        sent += send_all(&stack).await;
        let passed = assert_free(&stack, setting, true);
        // The suite sees what is let through.
        let before = stack.upstream.recorder().count();
        for free in ["/docs/guide", "/docs/B/b", "/users/me", "/items/abc", "/docs/caf%C3%A9"] {
            send(stack.envoy.address(), &request(free)).await;
        }
        assert_eq!(stack.upstream.recorder().count(), before + 5, "{setting}");
        println!("{setting}: {passed} of {sent} so far were free");
    }
    println!(
        "{sent} requests over HTTP/1.1 under four settings: nothing was served below its price"
    );
    assert!(paths().len() >= 2_500, "{}", paths().len());
    assert!(sent >= 10_000, "{sent}");
}

/// The same where what no rule is about is free: no spelling makes what costs something free.
#[tokio::test]
async fn nor_where_the_rest_is_free() {
    for (setting, value) in settings().into_iter().skip(1).step_by(2) {
        let stack = Arc::new(gateway(value, false).await);
        send_all(&stack).await;
        let passed = assert_free(&stack, setting, false);
        println!("{setting}: {passed} were free");
        assert!(passed > 100, "{setting}: what is free passes, and is seen: {passed}");
    }
}

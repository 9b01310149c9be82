//! What is fuzzed: whoever can send bytes to the gate must not be able to stop it.
//!
//! One function per target, used by the fuzzer (`fuzz/fuzz_targets/`) and by the replay of the
//! committed corpus in `make test` (`filter/tests/corpus.rs`).

#[path = "routers.rs"]
pub(crate) mod routers;

use std::rc::Rc;

use stripe402_filter::{
    config::{Config, Identity},
    gate::{Head, ResponseHead, RouteOverride, Step, Stream},
    pairs,
    pricing::{
        Body, By, Counted, MeteredPrice, Other, Pointer, Rates, Unknown, UsageSource, Wanted,
    },
    usage::{End, Message, MessageReader, Meter, Request, Unreadable, Usage},
};
use stripe402_protocol::{
    DeductionId, Payment, Units,
    message::{BalanceAnswer, Batch, BatchAnswer, CardAnswer, compact},
};

/// Runs one target.
pub(crate) fn run(target: &str, data: &[u8]) {
    match target {
        "payment" => payment(data),
        "headers" => headers(data),
        "config" => drop(Config::parse(data)),
        "path" => path(data),
        "metadata" => metadata(data),
        "answer" => answer(data),
        "meter" => meter(data),
        "message" => message(data),
        other => panic!("there is no target {other}"),
    }
}

thread_local! {
    /// Read once: what is fuzzed here are requests.
    static CONFIG: Rc<Config> = good();
    static ROUTED: Rc<Config> = routed();
}

fn config() -> Rc<Config> {
    CONFIG.with(Rc::clone)
}

fn good() -> Rc<Config> {
    let config = br#"{
        "publishable_key": "pk_test_x", "ledger": {"cluster": "l"},
        "routes": [
            {"path": "/api/joke", "price": 100},
            {"path": "/users/{id}/orders", "methods": ["GET"], "price": 7},
            {"prefix": "/v1/", "price": 3},
            {"path": "/Strict", "strict": true, "price": 9}
        ]
    }"#;
    Rc::new(Config::parse(config).expect("it is a good one"))
}

/// Whatever a client sends as its payment, nothing is served before the ledger was asked.
fn payment(data: &[u8]) {
    drop(Payment::decode(data));
    let head = [(&b":method"[..], &b"GET"[..]), (b":path", b"/api/joke"), (b"payment", data)];
    let head = Head::read(head.into_iter(), &Identity::default(), None);
    let mut mint = || Some(DeductionId::mint(1, [7; 10]));
    let step = Stream::new(config()).on_request(&head, &RouteOverride::None(None), &mut mint);
    assert!(!matches!(step, Step::Pass(..)), "a priced request passed at once");
}

/// A serialised header map, of a request and of a response.
fn headers(data: &[u8]) {
    let identity = Identity::default();
    let head = Head::read(pairs::read(data), &identity, Some("authorization"));
    drop(Stream::new(config()).on_request(&head, &RouteOverride::None(None), &mut || None));
    drop(ResponseHead::read(pairs::read(data)));
}

/// Whatever is in front of, behind or between the segments: what an API reads as the priced path
/// is priced.
fn path(data: &[u8]) {
    let path = String::from_utf8_lossy(data);
    let found = |path: &str| {
        let wanted = Wanted { method: Some("GET"), host: "", path, route_name: None };
        config().routes.find(wanted).rule.is_some()
    };
    let _ = found(&path);
    if read_as_express_does(&path) == "/api/joke" {
        assert!(found(&path), "{path} is free");
    }
    no_router_gets_it_cheaper(&path);
    // A junk segment and its undoing change nothing.
    let segment: String = path.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
    if !segment.is_empty() {
        for spelling in [
            format!("/{segment}/../api/joke"),
            format!("/api/joke;{segment}"),
            format!("/api/joke?{segment}"),
            format!("/api/%2e/joke#{segment}"),
            format!("/v1/{segment}"),
            format!("/users/{segment}/orders/"),
        ] {
            assert!(found(&spelling), "{spelling} is free");
        }
    }
}

/// However a router reads a path, it costs no less than what that reading costs.
pub(crate) fn no_router_gets_it_cheaper(path: &str) {
    let routed = ROUTED.with(Rc::clone);
    let wanted = Wanted { method: Some("GET"), host: "x", path, route_name: None };
    let found = routed.routes.find(wanted);
    let own =
        found.rule.and_then(|rule| rule.offer.as_ref()).map_or(0, |offer| offer.price().get());
    for reading in routers::readings(path) {
        let (free, denied) = (reading.price(false), reading.price(true));
        assert!(
            own >= free,
            "{path:?} costs {own}, and {free} as {} reads it: {reading:?}",
            reading.router
        );
        assert!(
            found.open || denied <= own,
            "{path:?} costs {own}; to be denied as {} reads it: {reading:?}",
            reading.router
        );
    }
}

/// The rules that the routers know.
fn routed() -> Rc<Config> {
    let rule = |(kind, path, price): (&str, &str, i64)| match price {
        0 => serde_json::json!({kind: path, "free": true}),
        _ => serde_json::json!({kind: path, "price": price}),
    };
    let config = serde_json::json!({
        "publishable_key": "pk_test_x", "ledger": {"cluster": "l"},
        "routes": routers::RULES.map(rule).to_vec(),
    });
    Rc::new(Config::parse(config.to_string().as_bytes()).expect("it is a good one"))
}

/// By letter case and one slash, and no more.
fn read_as_express_does(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    path.strip_suffix('/').unwrap_or(&path).to_owned()
}

/// What a route in Envoy says of itself is a price, or free, or an error.
fn metadata(data: &[u8]) {
    if let Ok(Some(route)) = config().metadata(data, None) {
        assert!(!route.price().is_zero() && route.min_top_up >= route.price());
    }
}

/// What the ledger answers, and what it is asked in the same encoding.
fn answer(data: &[u8]) {
    drop(compact::from_bytes::<Batch>(data));
    drop(compact::from_bytes::<BatchAnswer>(data));
    drop(serde_json::from_slice::<CardAnswer>(data));
    drop(serde_json::from_slice::<BalanceAnswer>(data));
}

/// What an API answers, whatever it is: where it is cut changes nothing, and what is captured is within
/// its bounds. The first two bytes say how it is sent.
fn meter(data: &[u8]) {
    let Some(([how, size], body)) = data.split_first_chunk::<2>().map(|(how, rest)| (*how, rest))
    else {
        return;
    };
    let price = metered(how);
    let whole = measure(&price, how, body, body.len());
    for pieces in [1, usize::from(size)] {
        assert_eq!(measure(&price, how, body, pieces), whole, "in pieces of {pieces}");
    }
    let bounds = match (whole.known, price.unknown) {
        (true, _) | (false, Unknown::Most | Unknown::Least) => price.least..=price.most,
        (false, Unknown::Void) => Units::ZERO..=price.most,
    };
    assert!(bounds.contains(&whole.captured), "{whole:?}");
}

/// A price, whose kind the bits of a byte choose.
fn metered(how: u8) -> Rc<MeteredPrice> {
    let pointers = [("n", "/usage/n"), ("m", "/usage/0/m")];
    let by = (how & 4 != 0).then(|| {
        let row =
            |units| Rates(pointers.map(|(name, _)| (name.into(), Units::from_u32(units))).into());
        Rc::new(By {
            body: if how & 8 != 0 { Body::Answer } else { Body::Request },
            pointer: [Pointer::parse("/model").expect("it is one")].into(),
            table: vec![("a".into(), row(10)), ("b".into(), row(100))],
            other: Other::Row(1),
        })
    });
    let counted = |pointers: &[(&str, &str)]| Counted {
        names: pointers.iter().map(|(name, _)| (*name).into()).collect(),
        pointers: pointers.iter().map(|(_, at)| Pointer::parse(at).expect("it is one")).collect(),
        per_1000: by.is_none().then(|| {
            Rates(pointers.iter().map(|(name, _)| ((*name).into(), Units::from_u32(500))).collect())
        }),
    };
    let usage = vec![
        UsageSource::Header("x-cost".into()),
        UsageSource::Json(counted(&pointers)),
        UsageSource::Json(counted(&pointers[..1])),
        UsageSource::Sse(counted(&pointers[..1])),
    ];
    let unknown = match how >> 4 & 3 {
        0 => Unknown::Void,
        1 => Unknown::Least,
        _ => Unknown::Most,
    };
    let [most, least] = [1_000, 10].map(Units::from_u32);
    let hold_for = std::time::Duration::from_secs(600);
    Rc::new(MeteredPrice { most, least, usage, by, unknown, hold_for, extend: None })
}

/// Sends a body as the request's and as the answer's.
fn measure(price: &Rc<MeteredPrice>, how: u8, body: &[u8], pieces: usize) -> Usage {
    let mut meter = Meter::new(price, Request { method: "POST", encoded: false }, 64);
    for piece in body.chunks(pieces.max(1)) {
        let _ = meter.on_request_body(piece, false);
    }
    let _ = meter.on_request_body(&[], true);
    meter.on_forwarded(0);
    let kind = if how & 1 != 0 { "text/event-stream" } else { "application/json" };
    let head = [(&b":status"[..], &b"200"[..]), (b"content-type", kind.as_bytes())];
    meter.on_head(head.into_iter());
    body.chunks(pieces.max(1)).for_each(|piece| meter.on_body(piece));
    // Now and then the body is a trailer, too: most bodies are no units, and would hide all else.
    if how & 2 != 0 {
        meter.on_trailers([(&b"x-cost"[..], body)].into_iter());
    }
    let end = match how >> 6 {
        0 => End::ApiReset,
        1 => End::ClientGone,
        _ => End::Done,
    };
    meter.finish(end, 1_500, price.most)
}

/// A message of MCP's: in one piece and in two it says the same, and what it says is what `serde_json` reads.
fn message(data: &[u8]) {
    let read = |pieces: &[&[u8]]| -> Result<Message, Unreadable> {
        let mut reader = MessageReader::new(4_096);
        pieces.iter().try_for_each(|piece| reader.feed(piece))?;
        reader.finish()
    };
    let whole = read(&[data]);
    let (first, rest) = data.split_at(data.len() / 2);
    assert_eq!(read(&[first, rest]), whole);
    let Ok(message) = whole else { return };
    // A text elsewhere may be no UTF-8: that is nobody's concern here.
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(data) else { return };
    let text = |pointer| value.pointer(pointer).and_then(serde_json::Value::as_str);
    assert_eq!(message.method.as_deref(), text("/method"));
    assert_eq!(message.name.as_deref(), text("/params/name"));
}

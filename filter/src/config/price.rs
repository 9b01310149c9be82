//! A price: a number of units, or how it is known afterwards.

use std::{rc::Rc, time::Duration};

use serde_json::Value;
use stripe402_protocol::{Units, message::LONGEST_HOLD_MS};

use super::{
    by,
    fields::{Checked, Fields, Read, entries, wrong},
};
use crate::pricing::{
    By, Counted, Extend, MeteredPrice, Pointer, Price, Rates, Then, Unknown, UsageSource, Written,
};

/// What a flat price must be.
pub(super) const UNITS: &str = "a whole number of units without quotes; $0.05 are 500";

/// The fields of a metered price.
const PRICE: [&str; 7] = ["most", "least", "usage", "by", "unknown", "hold_for", "extend"];
const SOURCE: [&str; 8] =
    ["header", "json", "sse", "grpc_trailer", "metadata", "bytes", "seconds", "per_1000"];
const EXTEND: [&str; 3] = ["at", "by", "then"];
const BYTES: [&str; 1] = ["per_mib"];
const SECONDS: [&str; 1] = ["each"];
/// How long a request may take by default, before what is held is settled without it.
const HOLD_FOR: Duration = Duration::from_secs(600);
/// A ledger looks for ended holds every five seconds.
const SHORTEST_HOLD: Duration = Duration::from_secs(10);
const LONGEST_HOLD: Duration = Duration::from_millis(LONGEST_HOLD_MS);
const PER_1000: &str = "per_1000";

/// A request has a reader for each source, with a few hundred bytes for each number.
const MOST_SOURCES: usize = 8;
const MOST_NUMBERS: usize = 8;
/// Bytes of a namespace and its keys.
const LONGEST_KEY: usize = 256;

pub(super) fn price(path: String, value: Value) -> Checked<Price> {
    if value.is_object() {
        return metered(Fields::of(path, value, &PRICE)?)
            .map(|price| Price::Metered(Rc::new(price)));
    }
    let Some(units) = i64::read(&value) else { return wrong(path, format!("must be {UNITS}")) };
    match Units::new(units).ok().filter(|units| !units.is_zero()) {
        Some(units) => Ok(Price::Flat(units)),
        None => {
            let problem = format!(
                "must be a whole number of units above 0, at most {}; $0.05 are 500",
                Units::MAX
            );
            wrong(path, problem)
        }
    }
}

fn metered(mut fields: Fields) -> Checked<MeteredPrice> {
    let Amount(most) = fields.required("most")?;
    if most.is_zero() {
        return wrong(fields.path("most"), "must be above 0");
    }
    let Amount(least) = fields.optional("least")?.unwrap_or(Amount(Units::ZERO));
    if least > most {
        return wrong(fields.path("least"), format!("is {least}, above most, which is {most}"));
    }
    let unknown = fields.optional("unknown")?.unwrap_or_default();
    let by = match fields.value("by") {
        None => None,
        Some((path, value)) => Some(Rc::new(by::by(path, value)?)),
    };
    let usage = sources(&mut fields, by.as_deref())?;
    if let Some(by) = by.as_deref() {
        by::rows_fit(by, &usage, &fields.path("by"))?;
    }
    let hold_for = fields.optional("hold_for")?.unwrap_or(HOLD_FOR);
    if !(SHORTEST_HOLD..=LONGEST_HOLD).contains(&hold_for) {
        return wrong(fields.path("hold_for"), "must be from 10s to 24h");
    }
    let extend = fields.value("extend").map(|(path, value)| extend(path, value)).transpose()?;
    let at = fields.path("extend");
    let price = MeteredPrice { most, least, usage, by, unknown, hold_for, extend };
    if price.extend.is_some() && !price.counts_on_the_way() {
        let problem = "needs a source that counts while the answer goes on: sse, bytes or seconds";
        return wrong(at, problem);
    }
    Ok(price)
}

fn extend(path: String, value: Value) -> Checked<Extend> {
    let mut fields = Fields::of(path, value, &EXTEND)?;
    let Percent(at) = fields.optional("at")?.unwrap_or(Percent(80));
    let Amount(by) = fields.required("by")?;
    if by.is_zero() {
        return wrong(fields.path("by"), "must be above 0");
    }
    let then = fields.optional("then")?.unwrap_or_default();
    Ok(Extend { at, by, then })
}

fn sources(fields: &mut Fields, by: Option<&By>) -> Checked<Vec<UsageSource>> {
    let at = fields.path("usage");
    let listed = fields.list("usage")?.unwrap_or_default();
    if listed.is_empty() || listed.len() > MOST_SOURCES {
        return wrong(at, format!("must be a list of 1 to {MOST_SOURCES} sources"));
    }
    let mut usage: Vec<UsageSource> = Vec::new();
    for (path, value) in listed {
        let read = source(Fields::of(path.clone(), value, &SOURCE)?, by)?;
        if let Some(before) = usage.iter().position(|before| *before == read) {
            return wrong(path, format!("is the same as {at}[{before}]"));
        }
        let always =
            |source: &_| matches!(source, UsageSource::Bytes { .. } | UsageSource::Seconds { .. });
        if let Some(before) = usage.iter().position(always) {
            return wrong(
                path,
                format!("would never be used: {at}[{before}] always gives a number"),
            );
        }
        usage.push(read);
    }
    Ok(usage)
}

fn source(mut fields: Fields, by: Option<&By>) -> Checked<UsageSource> {
    let at = fields.path(PER_1000);
    let rates = fields.value(PER_1000);
    let mut kinds = SOURCE.into_iter().filter_map(|kind| Some((kind, fields.value(kind)?)));
    let (Some((kind, (path, value))), None) = (kinds.next(), kinds.next()) else {
        let problem = "must have one of header, json, sse, grpc_trailer, metadata, bytes and seconds, and no two";
        return wrong(fields.here(), problem);
    };
    if rates.is_some() && !matches!(kind, "json" | "sse" | "metadata") {
        return wrong(at, "must not be set here: only json, sse and metadata have it");
    }
    Ok(match kind {
        "header" => UsageSource::Header(header(path, &value)?),
        "grpc_trailer" => UsageSource::GrpcTrailer(trailer(path, &value)?),
        "bytes" => UsageSource::Bytes { per_mib: rate(path, value, &BYTES)? },
        "seconds" => UsageSource::Seconds { each: rate(path, value, &SECONDS)? },
        "metadata" => {
            let (names, keys) = written(path, value)?;
            let per_1000 = per_1000(&names, rates, at, by)?;
            UsageSource::Metadata(Written { names, keys, per_1000 })
        }
        _ => {
            let (names, pointers) = pointers(path, value)?;
            let per_1000 = per_1000(&names, rates, at, by)?;
            let counted = Counted { names, pointers: pointers.into(), per_1000 };
            if kind == "json" { UsageSource::Json(counted) } else { UsageSource::Sse(counted) }
        }
    })
}

/// The name of a header or a trailer, as HTTP/2 writes it.
fn header(path: String, value: &Value) -> Checked<Box<str>> {
    let name = value.as_str().unwrap_or_default();
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
    if name.is_empty() || !name.bytes().all(letter) {
        let problem = "must be a name of lowercase letters, digits, hyphens and underscores";
        return wrong(path, problem);
    }
    Ok(name.into())
}

fn trailer(path: String, value: &Value) -> Checked<Box<str>> {
    let name = header(path.clone(), value)?;
    if name.ends_with("-bin") {
        return wrong(path, "must not end with -bin: the value of such a trailer is not text");
    }
    Ok(name)
}

/// Names, and where the number of each is.
type Named<T> = (Vec<Box<str>>, Vec<T>);

fn pointers(at: String, value: Value) -> Checked<Named<Pointer>> {
    let numbers = entries(&at, value)?;
    if numbers.is_empty() || numbers.len() > MOST_NUMBERS {
        return wrong(at, format!("must name 1 to {MOST_NUMBERS} numbers"));
    }
    let (mut names, mut pointers) = (Vec::new(), Vec::new());
    for (name, path, value) in numbers {
        let pointer = pointer(&path, &value)?;
        if pointers.contains(&pointer) {
            return wrong(path, "is there twice: it would count twice");
        }
        names.push(name);
        pointers.push(pointer);
    }
    Ok((names, pointers))
}

/// Where numbers are in dynamic metadata: a namespace, and keys below it.
fn written(at: String, value: Value) -> Checked<Named<Box<str>>> {
    let numbers = entries(&at, value)?;
    if numbers.is_empty() || numbers.len() > MOST_NUMBERS {
        return wrong(at, format!("must name 1 to {MOST_NUMBERS} numbers"));
    }
    let (mut names, mut keys) = (Vec::new(), Vec::new());
    for (name, path, value) in numbers {
        let text = value.as_str().unwrap_or_default();
        let whole = text.split('/').all(|part| !part.is_empty() && !part.contains('\0'));
        if !whole || !text.contains('/') || text.len() > LONGEST_KEY {
            let problem = format!(
                "must be a namespace and a key of dynamic metadata, such as \
                 envoy.ai.token_usage/input_tokens, of at most {LONGEST_KEY} bytes"
            );
            return wrong(path, problem);
        }
        let key = text.replace('/', "\0").into_boxed_str();
        if keys.contains(&key) {
            return wrong(path, "is there twice: it would count twice");
        }
        names.push(name);
        keys.push(key);
    }
    Ok((names, keys))
}

pub(super) fn pointer(path: &str, value: &Value) -> Checked<Pointer> {
    let text = value.as_str().unwrap_or_default();
    Pointer::parse(text).or_else(|expected| wrong(path, format!("must be {expected}")))
}

fn per_1000(
    names: &[Box<str>],
    given: Option<(String, Value)>,
    at: String,
    by: Option<&By>,
) -> Checked<Option<Rates>> {
    match (given, by) {
        (None, Some(_)) => Ok(None),
        (Some(_), Some(_)) => wrong(at, "must not be there: by.table has the unit prices"),
        (None, None) => wrong(at, "is missing; it must be units per 1,000 of each number"),
        (Some((path, value)), None) => {
            let rates = rates(&path, value)?;
            fit(&rates, names, &path)?;
            Ok(Some(rates))
        }
    }
}

pub(super) fn rates(path: &str, value: Value) -> Checked<Rates> {
    let read = |(name, path, value): (_, String, Value)| match Amount::read(&value) {
        Some(Amount(units)) => Ok((name, units)),
        None => wrong(path, format!("must be {}", Amount::EXPECTED)),
    };
    entries(path, value)?.into_iter().map(read).collect::<Checked<_>>().map(Rates)
}

/// Each name has a unit price, and nothing else has one.
pub(super) fn fit(Rates(rates): &Rates, names: &[Box<str>], at: &str) -> Checked<()> {
    if let Some((extra, _)) = rates.iter().find(|(name, _)| !names.contains(name)) {
        return wrong(format!("{at}.{extra}"), "is none of the numbers that are counted");
    }
    match names.iter().find(|name| rates.iter().all(|(priced, _)| priced != *name)) {
        None => Ok(()),
        Some(name) => {
            wrong(format!("{at}.{name}"), format!("is missing; it must be {}", Amount::EXPECTED))
        }
    }
}

/// The one number of `bytes` and `seconds`.
fn rate(path: String, value: Value, known: &[&str; 1]) -> Checked<Units> {
    let [of] = known;
    let mut fields = Fields::of(path, value, known)?;
    let Amount(units) = fields.required(of)?;
    if units.is_zero() { wrong(fields.path(of), "must be above 0") } else { Ok(units) }
}

/// An amount that may be 0.
pub(super) struct Amount(Units);

impl Read for Amount {
    const EXPECTED: &'static str = "a whole number of units, 0 or more, without quotes";

    fn read(value: &Value) -> Option<Self> {
        Units::new(i64::read(value)?).ok().map(Self)
    }
}

/// Per cent, written `80%`.
struct Percent(u32);

impl Read for Percent {
    const EXPECTED: &'static str = "per cent from 1% to 99%, such as 80%";

    fn read(value: &Value) -> Option<Self> {
        let number = value.as_str()?.strip_suffix('%')?.parse().ok()?;
        (1..=99).contains(&number).then_some(Self(number))
    }
}

impl Read for Then {
    const EXPECTED: &'static str = "end or continue";

    fn read(value: &Value) -> Option<Self> {
        Some(match value.as_str()? {
            "end" => Self::End,
            "continue" => Self::Continue,
            _ => return None,
        })
    }
}

impl Read for Unknown {
    const EXPECTED: &'static str = "most, least or void";

    fn read(value: &Value) -> Option<Self> {
        Some(match value.as_str()? {
            "most" => Self::Most,
            "least" => Self::Least,
            "void" => Self::Void,
            _ => return None,
        })
    }
}

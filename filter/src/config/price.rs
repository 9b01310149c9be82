//! A price: a number of units, or how it is known afterwards.

use std::{collections::BTreeMap, rc::Rc};

use serde_json::Value;
use stripe402_protocol::Units;

use super::{
    by,
    fields::{Checked, Fields, Read, wrong},
};
use crate::pricing::{By, Counted, MeteredPrice, Pointer, Price, Rates, Unknown, UsageSource};

/// What a flat price must be.
pub(super) const UNITS: &str = "a whole number of units without quotes; $0.05 are 500";

/// The fields of a metered price.
const PRICE: [&str; 5] = ["most", "least", "usage", "by", "unknown"];
const SOURCE: [&str; 7] = ["header", "json", "sse", "grpc_trailer", "bytes", "seconds", "per_1000"];
const BYTES: [&str; 1] = ["per_mib"];
const SECONDS: [&str; 1] = ["each"];

/// A request has a reader for each source, with a few hundred bytes for each number.
const MOST_SOURCES: usize = 8;
const MOST_NUMBERS: usize = 8;

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
    Ok(MeteredPrice { most, least, usage, by, unknown })
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
    let header: Option<HeaderName> = fields.optional("header")?;
    let trailer: Option<HeaderName> = fields.optional("grpc_trailer")?;
    let json = pointers(&mut fields, "json")?;
    let sse = pointers(&mut fields, "sse")?;
    let bytes = rate(&mut fields, "bytes", &BYTES, "per_mib")?;
    let seconds = rate(&mut fields, "seconds", &SECONDS, "each")?;
    let rates = fields.entries("per_1000")?;
    let at = fields.path("per_1000");
    if let Some(HeaderName(name)) = &trailer
        && name.ends_with("-bin")
    {
        let problem = "must not end with -bin: the value of such a trailer is not text";
        return wrong(fields.path("grpc_trailer"), problem);
    }
    let counted = json.is_some() || sse.is_some();
    let source = match (header, trailer, json, sse, bytes, seconds) {
        (Some(HeaderName(name)), None, None, None, None, None) => UsageSource::Header(name),
        (None, Some(HeaderName(name)), None, None, None, None) => UsageSource::GrpcTrailer(name),
        (None, None, Some(numbers), None, None, None) => {
            UsageSource::Json(counting(numbers, rates.clone(), &at, by)?)
        }
        (None, None, None, Some(numbers), None, None) => {
            UsageSource::Sse(counting(numbers, rates.clone(), &at, by)?)
        }
        (None, None, None, None, Some(per_mib), None) => UsageSource::Bytes { per_mib },
        (None, None, None, None, None, Some(each)) => UsageSource::Seconds { each },
        _ => {
            let problem =
                "must have one of header, json, sse, grpc_trailer, bytes and seconds, and no two";
            return wrong(fields.here(), problem);
        }
    };
    if rates.is_some() && !counted {
        return wrong(at, "must not be there: it is for json and sse");
    }
    Ok(source)
}

/// Names and pointers.
type Numbers = Vec<(Box<str>, Pointer)>;

fn pointers(fields: &mut Fields, name: &str) -> Checked<Option<Numbers>> {
    let at = fields.path(name);
    let Some(entries) = fields.entries(name)? else { return Ok(None) };
    if entries.is_empty() || entries.len() > MOST_NUMBERS {
        return wrong(at, format!("must name 1 to {MOST_NUMBERS} numbers"));
    }
    let mut numbers: Numbers = Vec::new();
    for (name, path, value) in entries {
        let pointer = pointer(&path, &value)?;
        if let Some((same, _)) = numbers.iter().find(|(_, before)| *before == pointer) {
            return wrong(path, format!("is the same as {same}: it would count twice"));
        }
        numbers.push((name.into(), pointer));
    }
    Ok(Some(numbers))
}

pub(super) fn pointer(path: &str, value: &Value) -> Checked<Pointer> {
    let text = value.as_str().unwrap_or_default();
    Pointer::parse(text).or_else(|expected| wrong(path, format!("must be {expected}")))
}

fn counting(
    numbers: Numbers,
    given: Option<Vec<(String, String, Value)>>,
    at: &str,
    by: Option<&By>,
) -> Checked<Counted> {
    let (names, pointers): (Vec<_>, Vec<_>) = numbers.into_iter().unzip();
    let per_1000 = match (given, by) {
        (None, Some(_)) => None,
        (Some(_), Some(_)) => return wrong(at, "must not be there: by.table has the unit prices"),
        (None, None) => return wrong(at, "is missing; it must be units per 1,000 of each number"),
        (Some(given), None) => Some(rates(given)?),
    };
    if let Some(Rates(rates)) = &per_1000 {
        if let Some(extra) = rates.keys().find(|name| !names.contains(name)) {
            return wrong(format!("{at}.{extra}"), "is none of the numbers of this source");
        }
        if let Some(name) = names.iter().find(|name| !rates.contains_key(*name)) {
            return wrong(
                format!("{at}.{name}"),
                format!("is missing; it must be {}", Amount::EXPECTED),
            );
        }
    }
    Ok(Counted { names, pointers: pointers.into(), per_1000 })
}

pub(super) fn rates(given: Vec<(String, String, Value)>) -> Checked<Rates> {
    let mut rates = BTreeMap::new();
    for (name, path, value) in given {
        let Some(Amount(units)) = Amount::read(&value) else {
            return wrong(path, format!("must be {}", Amount::EXPECTED));
        };
        rates.insert(name.into(), units);
    }
    Ok(Rates(rates))
}

/// The one number of `bytes` and `seconds`.
fn rate(fields: &mut Fields, name: &str, known: &[&str], of: &str) -> Checked<Option<Units>> {
    let Some((path, value)) = fields.value(name) else { return Ok(None) };
    let mut inner = Fields::of(path, value, known)?;
    let Amount(units) = inner.required(of)?;
    if units.is_zero() {
        return wrong(inner.path(of), "must be above 0");
    }
    Ok(Some(units))
}

/// An amount that may be 0.
pub(super) struct Amount(Units);

impl Read for Amount {
    const EXPECTED: &'static str = "a whole number of units, 0 or more, without quotes";

    fn read(value: &Value) -> Option<Self> {
        Units::new(i64::read(value)?).ok().map(Self)
    }
}

/// The name of a header or a trailer, as HTTP/2 writes it.
struct HeaderName(Box<str>);

impl Read for HeaderName {
    const EXPECTED: &'static str =
        "a header's name of lowercase letters, digits, hyphens and underscores";

    fn read(value: &Value) -> Option<Self> {
        let name = value.as_str()?;
        let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
        (!name.is_empty() && name.bytes().all(letter)).then(|| Self(name.into()))
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

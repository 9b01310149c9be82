//! What chooses the unit prices of a metered price: a text in a body.

use serde_json::Value;

use super::{
    fields::{Checked, Fields, entries, wrong},
    price::{fit, pointer, rates},
};
use crate::pricing::{Body, By, LONGEST_NAME, Other, Rates, UsageSource};

const BY: [&str; 4] = ["json", "answer", "table", "other"];
const MOST_ROWS: usize = 1_000;

pub(super) fn by(path: String, value: Value) -> Checked<By> {
    let mut fields = Fields::of(path, value, &BY)?;
    let at = fields.path("json");
    let pointer = match fields.value("json") {
        Some((path, value)) => pointer(&path, &value)?,
        None => return wrong(at, "is missing; it must be a JSON pointer, such as /model"),
    };
    let answer: bool = fields.optional("answer")?.unwrap_or_default();
    let body = if answer { Body::Answer } else { Body::Request };
    let table = table(&mut fields)?;
    let at = fields.path("other");
    let other = match fields.optional::<String>("other")?.as_deref() {
        None if body == Body::Request => Other::Refuse,
        Some("refuse") if body == Body::Request => Other::Refuse,
        Some("refuse") => {
            return wrong(
                at,
                "must be a name in table: with answer: true the request was served already",
            );
        }
        None => return wrong(at, "is missing; it must be a name in table"),
        Some(name) => match table.iter().position(|(row, _)| **row == *name) {
            Some(row) => Other::Row(row),
            None => return wrong(at, "must be refuse or a name in table"),
        },
    };
    Ok(By { body, pointer: [pointer].into(), table, other })
}

fn table(fields: &mut Fields) -> Checked<Vec<(Box<str>, Rates)>> {
    let at = fields.path("table");
    let rows = match fields.value("table") {
        None => Vec::new(),
        Some((path, value)) => entries(&path, value)?,
    };
    if rows.is_empty() || rows.len() > MOST_ROWS {
        return wrong(at, format!("must have 1 to {MOST_ROWS} names, each with unit prices"));
    }
    let row = |(name, path, value): (Box<str>, String, Value)| {
        if name.is_empty() || name.len() > LONGEST_NAME || *name == *"refuse" {
            let problem = format!("must be a name of 1 to {LONGEST_NAME} bytes other than refuse");
            return wrong(path, problem);
        }
        rates(&path, value).map(|rates| (name, rates))
    };
    rows.into_iter().map(row).collect()
}

/// Each row prices what the sources count, and nothing else.
pub(super) fn rows_fit(by: &By, usage: &[UsageSource], at: &str) -> Checked<()> {
    let mut names: Vec<Box<str>> = Vec::new();
    for source in usage {
        match source {
            UsageSource::Json(counted) | UsageSource::Sse(counted) => {
                names.extend_from_slice(&counted.names);
            }
            UsageSource::Metadata(written) => names.extend_from_slice(&written.names),
            _ => {}
        }
    }
    if names.is_empty() {
        return wrong(
            at,
            "must be removed: it applies to json, sse and metadata, and usage has none of them",
        );
    }
    by.table.iter().try_for_each(|(row, rates)| fit(rates, &names, &format!("{at}.table.{row}")))
}

//! What chooses the unit prices of a metered price: a text in a body.

use serde_json::Value;

use super::{
    fields::{Checked, Fields, Read, wrong},
    price::{Amount, pointer, rates},
};
use crate::pricing::{Body, By, LONGEST_NAME, Other, Rates, UsageSource};

const BY: [&str; 4] = ["json", "answer", "table", "other"];
const MOST_ROWS: usize = 1_000;

pub(super) fn by(path: String, value: Value) -> Checked<By> {
    let mut fields = Fields::of(path, value, &BY)?;
    let at = fields.path("json");
    let pointer = match fields.value("json") {
        Some((path, value)) => pointer(&path, &value)?,
        None => return wrong(at, "is missing; it must be a JSON pointer: /model"),
    };
    let answer: bool = fields.optional("answer")?.unwrap_or_default();
    let body = if answer { Body::Answer } else { Body::Request };
    let table = table(&mut fields)?;
    let at = fields.path("other");
    let other = match fields.optional::<String>("other")?.as_deref() {
        None if body == Body::Request => Other::Refuse,
        Some("refuse") if body == Body::Request => Other::Refuse,
        Some("refuse") => return wrong(at, "must be a name in table: an answer cannot be refused"),
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
    let rows = fields.entries("table")?.unwrap_or_default();
    if rows.is_empty() || rows.len() > MOST_ROWS {
        return wrong(at, format!("must have 1 to {MOST_ROWS} names, each with unit prices"));
    }
    let mut table = Vec::new();
    for (name, path, value) in rows {
        if name.is_empty() || name.len() > LONGEST_NAME || name == "refuse" {
            let problem = format!("must be a name of 1 to {LONGEST_NAME} bytes other than refuse");
            return wrong(path, problem);
        }
        let Value::Object(entries) = value else { return wrong(path, "must be an object") };
        let given = entries.into_iter().map(|(name, value)| {
            let below = format!("{path}.{name}");
            (name, below, value)
        });
        table.push((name.into(), rates(given.collect())?));
    }
    Ok(table)
}

/// Each row prices what the sources count, and nothing else.
pub(super) fn rows_fit(by: &By, usage: &[UsageSource], at: &str) -> Checked<()> {
    let counted = usage.iter().filter_map(|source| match source {
        UsageSource::Json(counted) | UsageSource::Sse(counted) => Some(counted),
        _ => None,
    });
    let names: Vec<&Box<str>> = counted.flat_map(|counted| &counted.names).collect();
    if names.is_empty() {
        return wrong(at, "must not be there: it is for json and sse, and usage has neither");
    }
    for (row, Rates(rates)) in &by.table {
        if let Some(extra) = rates.keys().find(|name| !names.contains(name)) {
            return wrong(
                format!("{at}.table.{row}.{extra}"),
                "is no number of json or sse in usage",
            );
        }
        if let Some(name) = names.iter().find(|name| !rates.contains_key(**name)) {
            let problem = format!("is missing; it must be {}", Amount::EXPECTED);
            return wrong(format!("{at}.table.{row}.{name}"), problem);
        }
    }
    Ok(())
}

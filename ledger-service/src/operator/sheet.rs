//! Rows as files: CSV, or a JSON object on each line.

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    moment,
    work::{ExportedRow, Table},
};

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    /// RFC 4180, with the names of the columns first.
    Csv,
    /// A JSON object on each line.
    Jsonl,
}

/// What a file begins with.
pub(super) fn beginning(table: Table, format: Format) -> String {
    match format {
        Format::Csv => line(&head(table)),
        Format::Jsonl => String::new(),
    }
}

/// The names of the columns. A time stands there as people read it, too.
fn head(table: Table) -> Vec<String> {
    let columns = table.columns().iter();
    time_of(table).map(|_| "time").into_iter().chain(columns.copied()).map(str::to_owned).collect()
}

fn time_of(table: Table) -> Option<&'static str> {
    table.columns().first().copied().filter(|name| name.ends_with("_ms"))
}

/// These rows, as lines of a file.
pub(super) fn written(table: Table, format: Format, rows: &[ExportedRow]) -> String {
    let lines = rows.iter().map(|row| match format {
        Format::Jsonl => format!("{}\n", Value::Object(row.clone())),
        Format::Csv => {
            let at = time_of(table).and_then(|name| row.get(name)).and_then(Value::as_u64);
            let cells = table.columns().iter().map(|name| cell(row.get(*name)));
            line(&at.map(moment::moment).into_iter().chain(cells).collect::<Vec<_>>())
        }
    });
    lines.collect()
}

/// A value as a cell. A text that a spreadsheet would take for a formula has a `'` before it
/// (OWASP, "CSV injection").
fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => {
            format!("'{text}")
        }
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// A line of RFC 4180.
fn line(cells: &[String]) -> String {
    let quoted = |cell: &String| match cell.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.clone(),
    };
    let cells: Vec<_> = cells.iter().map(quoted).collect();
    format!("{}\r\n", cells.join(","))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_are_quoted_and_no_formulas() {
        let row = json!({
            "at_ms": 1_795_000_000_123_u64, "subject": "0123456789abcdef", "currency": "usd",
            "kind": "adjustment_down", "amount": 5, "reference": "=1+1", "note": "a \"b\",\nc",
        });
        let Value::Object(row) = row else { panic!("an object") };
        let csv = written(Table::Movements, Format::Csv, std::slice::from_ref(&row));
        let expected = "2026-11-18T11:06:40Z,1795000000123,0123456789abcdef,usd,adjustment_down,5,'=1+1,\
                        \"a \"\"b\"\",\nc\"\r\n";
        assert_eq!(csv, expected);
        assert_eq!(head(Table::Movements).len(), 8);
        assert_eq!(head(Table::Clients).first().map(String::as_str), Some("subject"));
        for (value, expected) in [
            (json!(-5), "-5"),
            (json!("-5"), "'-5"),
            (json!("@x"), "'@x"),
            (json!("\tx"), "'\tx"),
            (json!(null), ""),
            (json!(true), "true"),
        ] {
            assert_eq!(cell(Some(&value)), expected);
        }
        let jsonl = written(Table::Movements, Format::Jsonl, &[row.clone(), row]);
        assert_eq!(jsonl.lines().count(), 2);
    }
}

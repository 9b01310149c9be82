//! What a command says: a table for people, or JSON for programs.

use std::io::{self, Write};

use comfy_table::{CellAlignment, Table, presets::UTF8_HORIZONTAL_ONLY};
use serde::Serialize;
use serde_json::Value;
use stripe402_protocol::{Currency, Units};

use super::CliError;

/// What a command found, and whether all is well.
#[derive(Debug)]
pub struct Report {
    /// Whether nothing is wrong; else the command exits with 1.
    pub good: bool,
    lines: Vec<String>,
    json: Option<Value>,
}

impl Report {
    /// A report of these lines, or of this value if programs asked.
    ///
    /// # Errors
    /// [`CliError`] if the value is none of JSON's.
    pub(super) fn new(
        lines: Vec<String>,
        value: &impl Serialize,
        json: bool,
    ) -> Result<Self, CliError> {
        let json = json.then(|| serde_json::to_value(value)).transpose()?;
        Ok(Self { good: true, lines, json })
    }

    /// The same, of something that is wrong.
    pub(super) fn bad(self) -> Self {
        Self { good: false, ..self }
    }

    /// Writes it.
    ///
    /// # Errors
    /// The writer's.
    pub fn print(&self, out: &mut impl Write) -> io::Result<()> {
        match &self.json {
            Some(json) => writeln!(out, "{json:#}"),
            None => self.lines.iter().try_for_each(|line| writeln!(out, "{line}")),
        }
    }
}

/// A table; the columns named in `numbers` are aligned to the right.
pub(super) fn table(head: &[&str], numbers: &[usize], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header(head.to_vec());
    for column in numbers {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for row in rows {
        table.add_row(row);
    }
    table.to_string()
}

/// Units as money: `4.95 usd`, down to a hundredth of a cent where there is one.
pub(crate) fn money(units: i64, currency: Currency) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let units = units.unsigned_abs();
    let (major, rest) =
        (units.checked_div(10_000).unwrap_or(0), units.checked_rem(10_000).unwrap_or(0));
    let fraction = format!("{rest:04}");
    let shown = fraction.strip_suffix("00").unwrap_or(&fraction);
    format!("{sign}{major}.{shown} {currency}")
}

/// Units and money.
pub(super) fn amount(units: Units, currency: Currency) -> String {
    money(units.get(), currency)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_shown_as_exactly_as_it_is() {
        for (units, shown) in [
            (0, "0.00 usd"),
            (49_500, "4.95 usd"),
            (1, "0.0001 usd"),
            (-150, "-0.0150 usd"),
            (9_007_199_254_740_991, "900719925474.0991 usd"),
        ] {
            assert_eq!(money(units, Currency::USD), shown);
        }
    }
}

//! What a command says: a table for people, or JSON for programs.

use std::io::{self, Write};

use comfy_table::{CellAlignment, Table, presets::UTF8_HORIZONTAL_ONLY};
use serde::Serialize;
use serde_json::Value;
use stripe402_protocol::{Currency, Units};

use super::CliError;
pub(super) use crate::operator::money::money;

/// Whether all is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Nothing is wrong.
    Good,
    /// Something is wrong.
    Wrong,
    /// There is nothing to look at: the books have no account.
    Empty,
}

/// What a command found, and whether all is well.
#[derive(Debug)]
pub struct Report {
    /// Whether all is well; decides the exit code.
    pub finding: Finding,
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
        Ok(Self { finding: Finding::Good, lines, json })
    }

    /// The same, with another finding.
    pub(super) fn found(self, finding: Finding) -> Self {
        Self { finding, ..self }
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

/// Units and money.
pub(super) fn amount(units: Units, currency: Currency) -> String {
    money(units.get(), currency)
}

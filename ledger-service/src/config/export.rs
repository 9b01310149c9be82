//! The command that writes a whole table.

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use stripe402_protocol::Currency;

use super::books::BooksArgs;

/// Which table is written, and which of its rows.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Table to write
    #[arg(value_enum)]
    pub table: Table,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the fields of the flattened")]
    pub books: BooksArgs,
    /// First day (UTC) such as 2026-11-01
    #[arg(long)]
    pub from: Option<String>,
    /// Last day (UTC) such as 2026-11-30, the whole of it
    #[arg(long)]
    pub until: Option<String>,
    /// Only this client, by its id or subject
    #[arg(long)]
    pub client: Option<String>,
    /// Only this currency, such as usd
    #[arg(long)]
    pub currency: Option<Currency>,
}

/// A table that operators read, whole or in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Table {
    /// What each account holds now.
    Clients,
    /// Charges to cards, also those that were declined.
    CardCharges,
    /// Every movement of money and credit.
    Movements,
    /// Of these, refunds.
    Refunds,
    /// Of these, disputes.
    Disputes,
    /// What operators did.
    Audit,
}

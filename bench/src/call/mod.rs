//! What one call of `POST /v1/batch` costs a ledger in CPU time, through its listener.
//!
//! Several programs can be measured beside each other, such as the ledger before and after a change.

mod connection;
mod subject;

use std::{path::PathBuf, time::Duration};

use clap::Parser;
use comfy_table::{CellAlignment, Table, presets::UTF8_HORIZONTAL_ONLY};
use stripe402_tests::binary;

use self::subject::Subject;
use crate::{
    Result,
    figures::{Figures, Row},
};

/// CPU time of a ledger for one call of `POST /v1/batch`, over one HTTP/2 connection.
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// A ledger's program; may be repeated, to compare several. The one beside this program if none is named
    #[arg(long = "ledger")]
    pub ledgers: Vec<PathBuf>,
    /// Stores: redis, file
    #[arg(long, value_delimiter = ',', default_value = "redis,file")]
    pub stores: Vec<String>,
    /// Calls at once
    #[arg(long, value_delimiter = ',', default_value = "1,8")]
    pub in_flight: Vec<usize>,
    /// Deductions in a call. On Redis, a call with none costs what a call costs without a store
    #[arg(long, value_delimiter = ',', default_value = "1")]
    pub charges: Vec<usize>,
    /// Rounds of every row, taking turns; one before them is for warming up
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// How long a round of a row lasts
    #[arg(long, default_value_t = 2)]
    pub seconds: u64,
}

/// Measures, and prints a table.
///
/// # Errors
/// If something cannot be started, or a call failed.
pub async fn run(options: &Options) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let ledgers = match options.ledgers.as_slice() {
        [] => vec![binary::ledger()?],
        named => named.to_vec(),
    };
    let mut subjects = Vec::new();
    for store in &options.stores {
        for ledger in &ledgers {
            subjects.push(Subject::start(ledger, store, folder.path()).await?);
        }
    }
    let time = Duration::from_secs(options.seconds);
    let mut figures = Figures::default();
    for number in 0..=options.rounds {
        for in_flight in &options.in_flight {
            for charges in &options.charges {
                for subject in &mut subjects {
                    let round = subject.round(*in_flight, *charges, time).await?;
                    let name = format!("{}, {in_flight} at once, {charges} each", subject.name);
                    if number > 0 {
                        figures.add(&name, round);
                    }
                }
            }
        }
        anstream::eprintln!("  round {number} of {}", options.rounds);
    }
    print(options.rounds, &figures);
    Ok(())
}

fn print(rounds: usize, figures: &Figures) {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header(["", "calls/s", "µs CPU a call, ledger"]);
    for (name, Row { rate, server, .. }) in figures.rows() {
        table.add_row([name, format!("{rate:.0}"), format!("{server:.1}")]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    anstream::println!("\n  medians of {rounds} rounds that took turns\n{table}");
}

//! Counting instructions with callgrind, and comparing them with those in a file.

use std::{collections::BTreeMap, path::PathBuf, process::Command};

use clap::Parser;
use comfy_table::{CellAlignment, Table, presets::UTF8_HORIZONTAL_ONLY};

use super::Step;
use crate::Result;

/// A growth that is let through, in hundredths.
const MARGIN: u64 = 10;
/// What is done before counting begins, and what is counted: the difference of two runs.
const BEFORE: u32 = 800;
const COUNTED: u32 = 1_600;

/// Instructions of the gate's pure step and of the ledger's batch, per request.
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// Where the numbers are kept
    #[arg(long, default_value = "bench/instructions.json")]
    pub file: PathBuf,
    /// Write the numbers of today into the file
    #[arg(long)]
    pub update: bool,
    /// Only repeat one step so many times: what callgrind is run on
    #[arg(long, num_args = 2, value_names = ["STEP", "TIMES"])]
    pub repeat: Option<Vec<String>>,
}

/// Counts, prints a table, and compares.
///
/// # Errors
/// If a step became more expensive than the file says, or valgrind is missing.
pub fn run(options: &Options) -> Result<()> {
    if let Some([step, times]) = options.repeat.as_deref() {
        let step = <Step as clap::ValueEnum>::from_str(step, true)?;
        return step.repeat(times.parse()?);
    }
    let known: BTreeMap<String, u64> = match std::fs::read(&options.file) {
        Ok(json) => serde_json::from_slice(&json)?,
        Err(_) if options.update => BTreeMap::new(),
        Err(error) => {
            let file = options.file.display();
            let problem =
                format!("{file}: {error}; make bench-check UPDATE=1 keeps today's numbers");
            return Err(problem.into());
        }
    };
    let mut found = BTreeMap::new();
    for step in Step::ALL {
        anstream::eprintln!("  counting: {}", step.name());
        let more =
            instructions(step, BEFORE + COUNTED)?.saturating_sub(instructions(step, BEFORE)?);
        found.insert(step.name().to_owned(), more / u64::from(COUNTED));
    }
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header(["instructions per request", "kept", "now", "change"]);
    let mut dearer = Vec::new();
    for (name, now) in &found {
        let kept = known.get(name).copied().unwrap_or(0);
        let change = if kept > 0 { (*now as f64 / kept as f64 - 1.0) * 100.0 } else { 0.0 };
        table.add_row([name.clone(), kept.to_string(), now.to_string(), format!("{change:+.1} %")]);
        if now * 100 > kept * (100 + MARGIN) {
            dearer.push(name.as_str());
        }
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    anstream::println!("{table}");
    if options.update {
        let mut json = serde_json::to_string_pretty(&found)?;
        json.push('\n');
        std::fs::write(&options.file, json)?;
        return Ok(());
    }
    if dearer.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{} costs more than {MARGIN} % more than {} says; if that is meant: make bench-check UPDATE=1",
        dearer.join(", "),
        options.file.display()
    )
    .into())
}

/// Of a whole run of this very program.
fn instructions(step: Step, times: u32) -> Result<u64> {
    let folder = tempfile::tempdir()?;
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", folder.path().join("out").display()))
        .arg(std::env::current_exe()?)
        .args(["--repeat", step.name(), &times.to_string()])
        .output()
        .map_err(|error| format!("valgrind: {error}; apt install valgrind"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        return Err(format!("{}: {said}", step.name()).into());
    }
    let collected = said.lines().find_map(|line| line.split("Collected :").nth(1));
    Ok(collected.ok_or_else(|| format!("callgrind said {said}"))?.trim().parse()?)
}

//! `export`: a whole table as a file.

use std::io::{self, Write};

use futures_util::StreamExt as _;

use super::{Books, CliError, Report};
use crate::{
    config::{ExportArgs, Table},
    operator::{
        moment::{DAY_MS, midnight},
        sheet::{Format, beginning, written},
        work::{Filter, Operations, Period},
    },
};

/// Writes a table to the standard output, piece by piece.
///
/// # Errors
/// [`CliError`] if a day or a client is none, the books cannot be read, or nobody reads the output any more. What
/// was written by then is not the whole table.
pub async fn export(arguments: ExportArgs) -> Result<Report, CliError> {
    let format = if arguments.books.json { Format::Jsonl } else { Format::Csv };
    let (table, filter) = (arguments.table, filter(&arguments)?);
    let mut out = io::stdout().lock();
    match Books::open(&arguments.books)? {
        Books::Here(books) => write(&books, table, format, filter, &mut out).await?,
        Books::There(ledger) => ledger.copy(&path(table, format, &filter)?, &mut out).await?,
    }
    out.flush()?;
    Report::new(Vec::new(), &(), false)
}

fn filter(arguments: &ExportArgs) -> Result<Filter, CliError> {
    let day = |name: &str, day: &Option<String>| match day {
        None => Ok(None),
        Some(day) => midnight(day).map(Some).ok_or_else(|| {
            CliError::Setting(format!("{name}: must be a day (UTC) such as 2026-11-30"))
        }),
    };
    let has_time = arguments.from.is_some() || arguments.until.is_some();
    if has_time && arguments.table == Table::Clients {
        let text = "--from, --until: clients are exported as they are now; leave these out";
        return Err(CliError::Setting(text.to_owned()));
    }
    let last = day("--until", &arguments.until)?;
    Ok(Filter {
        period: Period {
            from_ms: day("--from", &arguments.from)?.unwrap_or(0),
            until_ms: last.map_or(u64::MAX, |last| last.saturating_add(DAY_MS)),
        },
        client: arguments.client.clone(),
        currency: arguments.currency,
        ..Filter::default()
    })
}

async fn write(
    books: &Operations,
    table: Table,
    format: Format,
    filter: Filter,
    out: &mut impl Write,
) -> Result<(), CliError> {
    let mut pieces = std::pin::pin!(books.export(table, filter).await?);
    out.write_all(beginning(table, format).as_bytes())?;
    while let Some(rows) = pieces.next().await {
        out.write_all(written(table, format, &rows?).as_bytes())?;
    }
    Ok(())
}

/// The path of the same table at a ledger.
fn path(table: Table, format: Format, filter: &Filter) -> Result<String, CliError> {
    let mut query = Vec::new();
    if format == Format::Jsonl {
        query.push(("format", "jsonl".to_owned()));
    }
    if let Some(client) = &filter.client {
        query.push(("client", super::books::subject(client)?));
    }
    query.extend(filter.currency.map(|currency| ("currency", currency.to_string())));
    let Period { from_ms, until_ms } = filter.period;
    if from_ms > 0 {
        query.push(("from_ms", from_ms.to_string()));
    }
    if until_ms < u64::MAX {
        query.push(("until_ms", until_ms.to_string()));
    }
    let name = crate::operator::work::spelt(&table);
    let query = serde_urlencoded::to_string(query).map_err(|error| {
        CliError::Setting(format!("the address of the export cannot be written: {error}"))
    })?;
    Ok(format!("/exports/{name}?{query}"))
}

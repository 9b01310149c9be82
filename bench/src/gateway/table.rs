//! The table for people.

use comfy_table::{CellAlignment, Table, presets::UTF8_HORIZONTAL_ONLY};

use super::{Cell, Figure};

/// One cell's rows, in ratios to the first, which is plain Envoy.
pub(super) fn print(cell: Cell, rounds: usize, figures: &[Figure]) {
    let Some(plain) = figures.first() else { return };
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "", "req/s", "× plain", "p50 µs", "p99 µs", "CPU µs", "× plain", "Envoy", "ledger",
        "store", "API", "a call", "Envoy MB",
    ]);
    for figure in figures {
        let whole = |value: f64| format!("{value:.0}");
        table.add_row([
            figure.name.to_owned(),
            whole(figure.rate),
            format!("{:.2}", figure.rate / plain.rate),
            whole(figure.p50),
            whole(figure.p99),
            whole(figure.cpu()),
            format!("{:.2}", figure.cpu() / plain.cpu()),
            whole(figure.envoy),
            whole(figure.ledger),
            whole(figure.store),
            whole(figure.api),
            if figure.batch > 0.0 { format!("{:.1}", figure.batch) } else { String::new() },
            whole(figure.memory),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let Cell { workers, protocol, connections } = cell;
    anstream::println!(
        "\n  {connections} connections, {}, Envoy workers: {workers}; medians of {rounds} rounds \
         that took turns\n{table}",
        protocol.name()
    );
}

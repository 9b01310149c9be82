//! The table for people.

use comfy_table::{CellAlignment, Table, presets::UTF8_HORIZONTAL_ONLY};

use super::{Cell, Figure, row::NO_OP};

/// One cell's rows: times, then ratios to the first row, which is plain Envoy, and to the filter that
/// does nothing, if it was measured; then what one core serves, and who used the time.
pub(super) fn print(cell: Cell, rounds: usize, figures: &[Figure]) {
    let Some(plain) = figures.first() else { return };
    let no_op = figures.iter().find(|figure| figure.name == NO_OP);
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "",
        "p50 ms",
        "p99 ms",
        "CPU × plain",
        "CPU × no-op",
        "req/s a core",
        "req/s",
        "× plain",
        "CPU µs",
        "Envoy",
        "ledger",
        "store",
        "API",
        "a call",
        "Envoy MB",
    ]);
    for figure in figures {
        let whole = |value: f64| format!("{value:.0}");
        let millis = |micros: f64| format!("{:.2}", micros / 1e3);
        let ratio = |to: f64| format!("{:.2}", figure.cpu() / to);
        table.add_row([
            figure.name.to_owned(),
            millis(figure.p50),
            millis(figure.p99),
            ratio(plain.cpu()),
            no_op.map_or_else(String::new, |no_op| ratio(no_op.cpu())),
            whole(figure.rate_per_core()),
            whole(figure.rate),
            format!("{:.2}", figure.rate / plain.rate),
            whole(figure.cpu()),
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

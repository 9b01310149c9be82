//! Bars: what a request costs, by process.

use super::{Cell, Figure};

const WIDTH: f64 = 760.0;
const LABEL: f64 = 230.0;
const BAR: f64 = 22.0;
const GAP: f64 = 12.0;
const PARTS: [(&str, &str); 4] =
    [("Envoy", "#635bff"), ("ledger", "#00b386"), ("store", "#f5a623"), ("API", "#9aa5b1")];

/// An SVG of the CPU time of each row; under a heading for each way of asking, if there are several.
pub(super) fn draw(figures: &[Figure]) -> String {
    let most = figures.iter().map(Figure::cpu).fold(1.0, f64::max);
    let scale = (WIDTH - LABEL - 70.0) / most;
    let headed = figures.windows(2).any(|pair| matches!(pair, [one, two] if one.cell != two.cell));
    let begins = |at: usize| {
        let before = at.checked_sub(1).and_then(|before| figures.get(before));
        headed && before.map(|before| before.cell) != figures.get(at).map(|figure| figure.cell)
    };
    let headings = (0..figures.len()).filter(|at| begins(*at)).count();
    let height = 60.0 + (figures.len() + headings) as f64 * (BAR + GAP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"system-ui, sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    let mut x = LABEL;
    for (name, colour) in PARTS {
        svg += &format!(
            "<rect x=\"{x}\" y=\"14\" width=\"12\" height=\"12\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"25\">{name}</text>\n",
            x + 18.0
        );
        x += 90.0;
    }
    svg += "<text x=\"12\" y=\"25\" fill=\"#555\">CPU µs per request</text>\n";
    let mut y = 46.0;
    for (at, figure) in figures.iter().enumerate() {
        if begins(at) {
            svg += &format!(
                "<text x=\"12\" y=\"{}\" font-weight=\"600\">{}</text>\n",
                y + BAR * 0.7,
                heading(figure.cell)
            );
            y += BAR + GAP;
        }
        let text = y + BAR * 0.7;
        svg += &format!("<text x=\"12\" y=\"{text}\">{}</text>\n", figure.name);
        let mut x = LABEL;
        let values = [figure.envoy, figure.ledger, figure.store, figure.api];
        for ((_, colour), value) in PARTS.iter().zip(values) {
            let width = value * scale;
            svg += &format!(
                "<rect x=\"{x:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>\n"
            );
            x += width;
        }
        svg += &format!("<text x=\"{:.1}\" y=\"{text}\">{:.0}</text>\n", x + 6.0, figure.cpu());
        y += BAR + GAP;
    }
    svg + "</svg>\n"
}

fn heading(Cell { workers, protocol, connections }: Cell) -> String {
    format!("{connections} connections, {}, Envoy workers: {workers}", protocol.name())
}

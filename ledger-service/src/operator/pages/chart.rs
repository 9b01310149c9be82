//! Bars over time, as SVG that scales with the page, and as a table for who cannot see them.

use maud::{Markup, html};

/// One bar.
pub(super) struct Bar {
    /// When it begins, for people.
    pub(super) label: String,
    pub(super) value: i64,
}

/// The height of the drawing, in its own units.
const HEIGHT: i64 = 100;
/// The width of a bar and of the gap after it.
const BAR: usize = 7;
const GAP: usize = 3;

/// A chart of these bars; `shown` writes a value for people.
pub(super) fn bars(title: &str, bars: &[Bar], shown: impl Fn(i64) -> Markup) -> Markup {
    let most = bars.iter().map(|bar| bar.value).max().unwrap_or(0).max(0);
    // To look at: one that is no 64-bit integer is shown as the largest.
    let sum = bars.iter().fold(0_i64, |sum, bar| sum.saturating_add(bar.value));
    let step = BAR.saturating_add(GAP);
    let width = bars.len().saturating_mul(step).saturating_sub(GAP);
    let used = bars.iter().filter(|bar| bar.value != 0);
    html! {
        figure.chart {
            figcaption {
                span { (title) }
                span.most { @if most > 0 { "most: " (shown(most)) } }
            }
            svg viewBox={ "0 0 " (width) " " (HEIGHT) } preserveAspectRatio="none" role="img"
                aria-label={ (title) ": see the table below" } {
                @for line in [0, HEIGHT / 2, HEIGHT] {
                    line.grid x1="0" x2=(width) y1=(line) y2=(line) {}
                }
                @for (at, bar) in bars.iter().enumerate() {
                    @let height = height(bar.value, most);
                    @if height > 0 {
                        rect.bar x=(at.saturating_mul(step)) y=(HEIGHT.saturating_sub(height))
                            width=(BAR) height=(height) {
                            title { (bar.label) ": " (plain(&shown(bar.value))) }
                        }
                    }
                }
            }
            div.axis aria-hidden="true" {
                @for at in [0, bars.len() / 2, bars.len().saturating_sub(1)] {
                    span { (bars.get(at).map_or("", |bar| bar.label.as_str())) }
                }
            }
            details {
                summary { "As a table" }
                table {
                    thead { tr { th scope="col" { "From (UTC)" } th.number scope="col" { (title) } } }
                    tbody {
                        @for bar in used {
                            tr { th scope="row" { (bar.label) } td.number { (shown(bar.value)) } }
                        }
                    }
                    tfoot { tr { th scope="row" { "Together" } td.number { (shown(sum)) } } }
                }
            }
        }
    }
}

/// At least a line where there is anything at all.
fn height(value: i64, most: i64) -> i64 {
    if value <= 0 || most <= 0 {
        return 0;
    }
    // Amounts are below 2^53: this cannot overflow 128 bits.
    let scaled = i128::from(value).saturating_mul(i128::from(HEIGHT)).checked_div(i128::from(most));
    scaled.and_then(|scaled| i64::try_from(scaled).ok()).unwrap_or(HEIGHT).clamp(1, HEIGHT)
}

/// The text of some markup without tags: a title holds nothing else.
fn plain(markup: &Markup) -> String {
    let mut text = String::new();
    let mut inside = false;
    for character in markup.0.chars() {
        match character {
            '<' => inside = true,
            '>' => inside = false,
            _ if !inside => text.push(character),
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_high_as_their_values() {
        for (value, most, expected) in [
            (0, 0, 0),
            (0, 10, 0),
            (-5, 10, 0),
            (1, 1_000_000, 1),
            (5, 10, 50),
            (10, 10, 100),
            (9_007_199_254_740_991, 9_007_199_254_740_991, 100),
        ] {
            assert_eq!(height(value, most), expected, "{value} of {most}");
        }
    }
}

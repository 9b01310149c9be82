//! Two columns: what goes over the wire, and what it means.

use std::io::Write;

use owo_colors::{OwoColorize as _, Style};

/// What is drawn on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// How many columns there are.
    pub columns: u16,
    /// Whether a line can be drawn over again.
    pub live: bool,
}

const MARGIN: &str = "  ";
const BETWEEN: &str = " │";
const KEY: usize = 17;

/// Draws on `out`. What cannot be written is nobody's loss: the checks go on, and the exit code tells.
pub(super) struct Screen<W> {
    out: W,
    width: usize,
    left: usize,
    live: bool,
    steps: u8,
}

impl<W: Write> Screen<W> {
    pub(super) fn new(out: W, shape: Shape) -> Self {
        let width = usize::from(shape.columns.clamp(80, 100));
        let left = if width < 92 { 41 } else { 46 };
        Self { out, width, left, live: shape.live, steps: 0 }
    }

    /// The first line, with an aside at the right.
    pub(super) fn title(&mut self, title: &str, aside: &str) {
        let gap = self
            .width
            .saturating_sub(MARGIN.len())
            .saturating_sub(count(title))
            .saturating_sub(count(aside));
        self.line(&format!("\n{MARGIN}{}{}{}", title.bold(), " ".repeat(gap), aside.dimmed()));
    }

    /// Begins the next step.
    pub(super) fn step(&mut self, name: &str) {
        self.steps = self.steps.saturating_add(1);
        let head = format!("{} · {name} ", self.steps);
        let rule = "─".repeat(self.width.saturating_sub(MARGIN.len()).saturating_sub(count(&head)));
        self.line(&format!("\n{MARGIN}{}{}\n", head.bold().cyan(), rule.dimmed()));
    }

    /// What is sent.
    pub(super) fn sent(&mut self, what: &str, meaning: &str) {
        self.row(&[("→ ", Style::new().bold()), (what, Style::new().bold())], meaning);
    }

    /// What comes back.
    pub(super) fn received(&mut self, status: reqwest::StatusCode, meaning: &str) {
        let style = match status.as_u16() {
            200..=299 => Style::new().green().bold(),
            402 => Style::new().yellow().bold(),
            _ => Style::new().red().bold(),
        };
        let text = format!("{} {}", status.as_str(), status.canonical_reason().unwrap_or_default());
        self.row(&[("← ", style), (&text, style)], meaning);
    }

    /// The name of a header whose fields follow.
    pub(super) fn header(&mut self, name: &str, meaning: &str) {
        self.row(&[("  ", Style::new()), (name, Style::new().magenta())], meaning);
    }

    /// One field of a header.
    pub(super) fn field(&mut self, key: &str, value: &str, meaning: &str) {
        let key = format!("    {key:<KEY$}");
        self.row(&[(&key, Style::new().dimmed()), (&short(value), Style::new().cyan())], meaning);
    }

    /// Plain text on the left, such as a body.
    pub(super) fn body(&mut self, text: &str, meaning: &str) {
        self.row(&[("  ", Style::new()), (text, Style::new())], meaning);
    }

    /// What was checked in this step.
    pub(super) fn checked(&mut self, what: &str) {
        let lines = wrap(what, self.width.saturating_sub(4));
        for (number, line) in lines.iter().enumerate() {
            let mark = if number == 0 { "✓" } else { " " };
            self.line(&format!("{MARGIN}{} {}", mark.green().bold(), line.green()));
        }
    }

    /// How far something has come, drawn over the last such line.
    pub(super) fn progress(&mut self, done: i64, all: i64, aside: &str) {
        if !self.live {
            return;
        }
        const CELLS: i64 = 30;
        let full =
            done.saturating_mul(CELLS).checked_div(all.max(1)).unwrap_or_default().clamp(0, CELLS);
        let full = usize::try_from(full).unwrap_or_default();
        let rest = 30_usize.saturating_sub(full);
        let bar = format!("{}{}", "█".repeat(full).cyan(), "░".repeat(rest).dimmed());
        // Erases to the end of the line: an aside may get shorter.
        let _unseen = write!(self.out, "\r{MARGIN}{bar}  {aside}\x1b[K");
        let _unseen = self.out.flush();
        if done >= all {
            self.line("");
        }
    }

    /// The last words.
    pub(super) fn end(&mut self, text: &str) {
        let rule = "─".repeat(self.width.saturating_sub(MARGIN.len()));
        self.line(&format!("\n{MARGIN}{}", rule.dimmed()));
        for line in wrap(text, self.width.saturating_sub(2)) {
            self.line(&format!("{MARGIN}{}", line.bold()));
        }
        self.line("");
    }

    /// One row; the left side is cut where it does not fit, the right side wrapped.
    fn row(&mut self, left: &[(&str, Style)], right: &str) {
        let mut used = 0;
        let mut drawn = String::new();
        for (text, style) in left {
            let text = cut(text, self.left.saturating_sub(used));
            used = used.saturating_add(count(&text));
            drawn.push_str(&text.style(*style).to_string());
        }
        let right_width =
            self.width.saturating_sub(self.left).saturating_sub(count(MARGIN)).saturating_sub(3);
        let mut lines = wrap(right, right_width).into_iter();
        let first = lines.next().unwrap_or_default();
        let pad = " ".repeat(self.left.saturating_sub(used));
        self.line(format!("{MARGIN}{drawn}{pad}{} {first}", BETWEEN.dimmed()).trim_end());
        for line in lines {
            self.line(&format!("{MARGIN}{}{} {line}", " ".repeat(self.left), BETWEEN.dimmed()));
        }
    }

    fn line(&mut self, text: &str) {
        let _unseen = writeln!(self.out, "{text}");
    }
}

/// Enough of an id to know it again, too little to use it.
pub(super) fn short(text: &str) -> String {
    const WHOLE: usize = 20;
    if count(text) <= WHOLE {
        return text.to_owned();
    }
    let head: String = text.chars().take(8).collect();
    let tail: String = text.chars().skip(count(text).saturating_sub(4)).collect();
    format!("{head}…{tail}")
}

fn count(text: &str) -> usize {
    text.chars().count()
}

fn cut(text: &str, most: usize) -> String {
    if count(text) <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{kept}…")
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else {
            continue;
        };
        let fits = count(line).saturating_add(count(word)).saturating_add(1) <= width;
        match (line.is_empty(), fits) {
            (true, _) => line.push_str(word),
            (false, true) => {
                line.push(' ');
                line.push_str(word);
            }
            (false, false) => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(columns: u16, draw: impl FnOnce(&mut Screen<&mut Vec<u8>>)) -> Vec<String> {
        let mut out = Vec::new();
        draw(&mut Screen::new(&mut out, Shape { columns, live: false }));
        let text = anstream::adapter::strip_str(std::str::from_utf8(&out).unwrap()).to_string();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn columns_line_up_and_fit() {
        for (columns, width) in [(60, 80), (80, 80), (95, 95), (200, 100)] {
            let lines = drawn(columns, |screen| {
                screen.title("a title", "an aside");
                screen.step("a step");
                screen.sent(
                    "GET /api/weather",
                    "some words about it that are many more than fit into one line of it",
                );
                screen.field("creditsRemaining", "49500", "$4.95 left");
                screen.body(&"x".repeat(200), "cut");
            });
            let bars: std::collections::BTreeSet<usize> =
                lines.iter().filter_map(|line| line.chars().position(|sign| sign == '│')).collect();
            assert_eq!(bars.len(), 1, "{lines:#?}");
            assert_eq!(
                lines.iter().map(|line| line.chars().count()).max(),
                Some(width),
                "{lines:#?}"
            );
        }
    }

    #[test]
    fn an_id_is_never_shown_whole() {
        assert_eq!(short(&"0123456789abcdef".repeat(4)), "01234567…cdef");
        assert_eq!(short("pk_test_standin"), "pk_test_standin");
    }

    #[test]
    fn words_wrap_and_long_ones_stay_whole() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("unbreakable a", 4), ["unbreakable", "a"]);
        assert_eq!(wrap("", 4), [""]);
    }
}

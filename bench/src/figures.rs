//! Medians of rounds.

use std::{collections::BTreeMap, time::Duration};

/// What one round of one row showed.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// Things done.
    pub count: u64,
    /// In this time.
    pub took: Duration,
    /// CPU time of whoever asked.
    pub asker: Duration,
    /// CPU time of the server that was asked.
    pub server: Duration,
}

impl Round {
    fn rate(&self) -> f64 {
        self.count as f64 / self.took.as_secs_f64()
    }

    fn micros(&self, of: Duration) -> f64 {
        of.as_secs_f64() * 1e6 / self.count as f64
    }
}

/// A row's medians.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Per second.
    pub rate: f64,
    /// CPU microseconds of the asker for each.
    pub asker: f64,
    /// CPU microseconds of the server for each.
    pub server: f64,
}

/// Rows by name, in the order in which they were first met.
#[derive(Debug, Default)]
pub struct Figures {
    order: Vec<String>,
    rounds: BTreeMap<String, Vec<Round>>,
}

impl Figures {
    /// Adds a round of a row.
    pub fn add(&mut self, name: &str, round: Round) {
        if !self.rounds.contains_key(name) {
            self.order.push(name.to_owned());
        }
        self.rounds.entry(name.to_owned()).or_default().push(round);
    }

    /// Rows, with their medians.
    #[must_use]
    pub fn rows(&self) -> Vec<(String, Row)> {
        self.order.iter().map(|name| (name.clone(), self.row(name))).collect()
    }

    /// A row's medians; zeros if there is none.
    #[must_use]
    pub fn row(&self, name: &str) -> Row {
        let rounds = self.rounds.get(name).map(Vec::as_slice).unwrap_or_default();
        Row {
            rate: median(rounds.iter().map(Round::rate)),
            asker: median(rounds.iter().map(|round| round.micros(round.asker))),
            server: median(rounds.iter().map(|round| round.micros(round.server))),
        }
    }
}

fn median(of: impl Iterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = of.collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_its_median() {
        let mut figures = Figures::default();
        for millis in [1_000, 500, 250] {
            let took = Duration::from_millis(millis);
            figures.add("a", Round { count: 1_000, took, asker: took, server: Duration::ZERO });
        }
        let row = figures.row("a");
        assert_eq!((row.rate as u64, row.asker as u64, row.server as u64), (2_000, 500, 0));
    }
}

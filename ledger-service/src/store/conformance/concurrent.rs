//! Many tasks at once on the same few things: what they are answered must be what one order of all
//! they did would answer (Herlihy and Wing 1990: linearizability).
//!
//! The random comparison shows that a store answers as the books do when it is asked one thing at a
//! time. Here several instances of it are asked at once, and nobody knows in which order they take
//! effect: any order will do in which nothing comes before what had ended when it began.

mod check;
mod history;
mod operation;
mod program;
mod words;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::sync::Barrier;

use self::{
    history::{History, Recorder},
    program::Scene,
};
use super::random::Dice;
use crate::store::Store;

/// How many tasks there are in a history.
const TASKS: usize = 6;
/// How many operations of each.
const EACH: usize = 5;

/// How many histories a store is put to: 60, or what `STRIPE402_HISTORIES` says.
#[must_use]
pub fn rounds() -> usize {
    let set = std::env::var("STRIPE402_HISTORIES").ok();
    set.and_then(|rounds| rounds.parse().ok()).unwrap_or(60)
}

/// What histories came to that have an order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many operations there were.
    pub operations: usize,
    /// How many pairs of them were under way at the same time.
    pub overlaps: usize,
    /// How often each kind of operation had each kind of answer.
    pub answers: BTreeMap<String, usize>,
}

/// Runs so many histories on instances of a store over the same data.
///
/// # Errors
/// The first history that no order explains, as a table.
pub async fn run(stores: &[Arc<dyn Store>], rounds: usize, seed: u64) -> Result<Report, String> {
    let mut report = Report::default();
    for round in 0..rounds {
        let mut dice = Dice::new(seed.wrapping_add(round as u64));
        let history = record(stores, &mut dice).await;
        if let Err(check::Unexplained { longest }) = check::explain(&history) {
            return Err(format!(
                "no order explains this history: STRIPE402_RANDOM_SEED={seed}, round {round}\n\
                 {history}\nas many as can be explained: {longest:?}"
            ));
        }
        report.operations += history.events.len();
        report.overlaps += history.overlaps();
        history.count(&mut report.answers);
    }
    Ok(report)
}

/// One history. The same dice draw the same programs as long as the answers are the same; which
/// operations meet is up to the machine.
async fn record(stores: &[Arc<dyn Store>], dice: &mut Dice) -> History {
    let scene = Arc::new(Scene::new(dice));
    let recorder = Arc::new(Recorder::default());
    for operation in scene.beginning(dice) {
        recorder.ask(TASKS, stores[0].as_ref(), operation, false).await;
    }
    let barrier = Arc::new(Barrier::new(TASKS));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let store = Arc::clone(&stores[task % stores.len()]);
            let (scene, recorder) = (Arc::clone(&scene), Arc::clone(&recorder));
            let barrier = Arc::clone(&barrier);
            let mut dice = Dice::new(dice.throw(u64::MAX));
            tokio::spawn(async move {
                barrier.wait().await;
                for _ in 0..EACH {
                    pause(&mut dice).await;
                    let operation = scene.draw(&mut dice);
                    let is_slow = dice.throw(4) == 0;
                    let asked = recorder.ask(task, store.as_ref(), operation.clone(), is_slow);
                    if let Some(answer) = asked.await {
                        scene.learn(&operation, &answer);
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    // Each instance has seen it all by now.
    for (at, operation) in scene.end(dice).into_iter().enumerate() {
        recorder.ask(TASKS, stores[at % stores.len()].as_ref(), operation, false).await;
    }
    recorder.history(scene.at)
}

/// A moment, of various lengths.
async fn pause(dice: &mut Dice) {
    match dice.throw(6) {
        0 => tokio::time::sleep(Duration::from_micros(dice.throw(1_500))).await,
        1 | 2 => tokio::task::yield_now().await,
        _ => {}
    }
}

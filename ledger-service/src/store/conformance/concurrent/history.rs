//! What was asked and answered, by whom and when; and the same as a table for people.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    operation::{Answer, Moment, Operation},
    words::Words,
};
use crate::store::Store;

/// One operation, from its beginning to its end.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) task: usize,
    pub(super) operation: Operation,
    /// Without an answer it may have happened or not.
    pub(super) answer: Result<Answer, String>,
    /// When it began, as a number that only grows.
    pub(super) invoked: u64,
    /// When it was answered. One that failed may happen at any time later.
    pub(super) returned: u64,
}

/// All of them, in the order of their beginnings.
#[derive(Clone, Debug)]
pub(super) struct History {
    pub(super) events: Vec<Event>,
    pub(super) at: Moment,
}

/// Asks a store, and keeps what it answers.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    clock: AtomicU64,
    events: Mutex<Vec<Event>>,
}

impl Recorder {
    /// Over a slow line others get a word in before and after the store is asked: they meet even
    /// on a store that answers at once.
    pub(super) async fn ask(
        &self,
        task: usize,
        store: &dyn Store,
        operation: Operation,
        is_slow: bool,
    ) -> Option<Answer> {
        let invoked = self.clock.fetch_add(1, Ordering::SeqCst);
        if is_slow {
            tokio::task::yield_now().await;
        }
        let answer = operation.ask(store).await.map_err(|error| error.to_string());
        if is_slow {
            tokio::task::yield_now().await;
        }
        let now = self.clock.fetch_add(1, Ordering::SeqCst);
        let returned = if answer.is_ok() { now } else { u64::MAX };
        let known = answer.clone().ok();
        self.events.lock().unwrap().push(Event { task, operation, answer, invoked, returned });
        known
    }

    pub(super) fn history(&self, at: Moment) -> History {
        let mut events = self.events.lock().unwrap().clone();
        events.sort_by_key(|event| event.invoked);
        History { events, at }
    }
}

impl History {
    /// How many pairs of operations were under way at the same time.
    pub(super) fn overlaps(&self) -> usize {
        let later = |at: usize| self.events[at + 1..].iter();
        let overlap = |(at, event): (usize, &Event)| {
            later(at).filter(|other| other.invoked < event.returned).count()
        };
        self.events.iter().enumerate().map(overlap).sum()
    }

    /// How often each kind of operation had each kind of answer.
    pub(super) fn count(&self, into: &mut BTreeMap<String, usize>) {
        for event in &self.events {
            let kind = Words::kind(&event.operation);
            let outcome = event.answer.as_ref().map_or("failed", Words::outcome);
            *into.entry(format!("{kind} {outcome}")).or_default() += 1;
        }
    }
}

impl std::fmt::Display for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words = Words::of(self);
        writeln!(f, "{:>4} {:>5} {:>5}  {:<5} {:<58} answer", "", "from", "to", "task", "what")?;
        for (at, event) in self.events.iter().enumerate() {
            let to = if event.answer.is_ok() { event.returned.to_string() } else { "?".into() };
            let what = words.operation(&event.operation);
            let answer = match &event.answer {
                Ok(answer) => words.answer(answer),
                Err(error) => format!("failed: {error}"),
            };
            let (from, task) = (event.invoked, event.task);
            writeln!(f, "{at:>4} {from:>5} {to:>5}  {task:<5} {what:<58} {answer}")?;
        }
        Ok(())
    }
}

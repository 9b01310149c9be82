//! Whether a history is that of one order: each operation took effect at one moment between its
//! beginning and its end, and did there what the pure books do.
//!
//! The search of Wing and Gong (1993): of all operations that can come next, one that the books
//! answer as the store did is carried out, and so on; where none fits, the last one is taken back.
//! As Lowe (2017) has it, a set of operations that has led to the same books before is not
//! followed again.

use std::collections::{BTreeMap, HashMap};

use super::{
    super::shown,
    history::{Event, History},
    operation::{Answer, Operation},
};
use crate::accounting::{AccountKey, Memory, Posting};

/// The operations that were carried out, one bit each.
type Done = u128;

/// No order explains the history.
#[derive(Clone, Debug)]
pub(super) struct Unexplained {
    /// An order of as many operations as could be explained.
    pub(super) longest: Vec<usize>,
}

struct Search<'h> {
    history: &'h History,
    /// Movements at the end, which say in which order they came.
    movements: BTreeMap<AccountKey, &'h [Posting]>,
    seen: HashMap<Done, Vec<Memory>>,
    order: Vec<usize>,
    longest: Vec<usize>,
}

/// An order that explains the history.
///
/// # Errors
/// [`Unexplained`] if there is none.
pub(super) fn explain(history: &History) -> Result<Vec<usize>, Unexplained> {
    assert!(history.events.len() <= 128, "a history of more than 128 operations");
    let mut search = Search {
        history,
        movements: history.events.iter().filter_map(movements).collect(),
        seen: HashMap::new(),
        order: Vec::new(),
        longest: Vec::new(),
    };
    if search.goes_on(0, &Memory::default()) {
        return Ok(search.order);
    }
    Err(Unexplained { longest: search.longest })
}

fn movements(event: &Event) -> Option<(AccountKey, &[Posting])> {
    match (&event.operation, &event.answer) {
        (Operation::Movements(key), Ok(Answer::Movements(all))) => Some((*key, all.as_slice())),
        _ => None,
    }
}

impl Search<'_> {
    /// Whether the operations that are not done have an order from these books on.
    fn goes_on(&mut self, done: Done, books: &Memory) -> bool {
        let events = &self.history.events;
        let open: Vec<_> = (0..events.len()).filter(|at| done & (1 << at) == 0).collect();
        // What has no answer may not have happened, or be yet to come.
        if open.iter().all(|at| events[*at].answer.is_err()) {
            return true;
        }
        if !self.is_new(done, books) {
            return false;
        }
        // Whatever began after another had ended comes after it.
        let until = open.iter().map(|at| events[*at].returned).min().unwrap_or(u64::MAX);
        let mut branches = Vec::new();
        for at in open.into_iter().filter(|at| events[*at].invoked < until) {
            let event = &events[at];
            let mut after = books.clone();
            let said = event.operation.carry_out(&mut after, self.history.at);
            let fits = event.answer.as_ref().map_or(true, |answer| *answer == said);
            if !fits || !self.is_in_order(books, &after) {
                continue;
            }
            // Nothing happened, so if it can come later, it can come now.
            if event.answer.as_ref().is_ok_and(Answer::says_that_nothing_happened) {
                branches = vec![(at, after)];
                break;
            }
            branches.push((at, after));
        }
        branches.into_iter().any(|(at, after)| {
            self.order.push(at);
            if self.order.len() > self.longest.len() {
                self.longest.clone_from(&self.order);
            }
            let explained = self.goes_on(done | (1 << at), &after);
            if !explained {
                self.order.pop();
            }
            explained
        })
    }

    fn is_new(&mut self, done: Done, books: &Memory) -> bool {
        let seen = self.seen.entry(done).or_default();
        let is_new = !seen.contains(books);
        if is_new {
            seen.push(books.clone());
        }
        is_new
    }

    /// Whether a movement that has just come is the one that came next, as the store tells at the
    /// end. Nothing follows from this that would not be found in the end: it is found sooner.
    fn is_in_order(&self, before: &Memory, after: &Memory) -> bool {
        let Some((key, _)) = after.movements().get(before.movements().len()) else { return true };
        let Some(expected) = self.movements.get(key) else { return true };
        let own = shown::postings(after, key);
        own.iter().zip(expected.iter()).all(|(own, expected)| own == expected)
    }
}

//! How requests to the remote server ended, as far as money goes, until their caller asks.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rmcp::model::RequestId;
use stripe402_client::Paid;

use crate::exit::Exit;

/// How many are kept: nobody asks about those of calls that were cancelled.
const MOST: usize = 64;

/// How the request of a tool's call ended.
pub(super) enum Outcome {
    Paid(Paid),
    Failed(Exit),
}

/// Calls of tools by the id of their request, in order of arrival; and why the last other request failed.
#[derive(Clone, Default)]
pub(super) struct Outcomes(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    calls: VecDeque<(RequestId, Outcome)>,
    other: Option<Exit>,
}

impl Outcomes {
    pub(super) fn of_call(&self, id: &RequestId, outcome: Outcome) {
        let calls = &mut self.lock().calls;
        if calls.len() >= MOST {
            calls.pop_front();
        }
        calls.push_back((id.clone(), outcome));
    }

    pub(super) fn take(&self, id: &RequestId) -> Option<Outcome> {
        let calls = &mut self.lock().calls;
        let at = calls.iter().position(|(known, _)| known == id)?;
        calls.remove(at).map(|(_, outcome)| outcome)
    }

    pub(super) fn other_failed(&self, exit: Exit) {
        self.lock().other = Some(exit);
    }

    pub(super) fn take_other(&self) -> Option<Exit> {
        self.lock().other.take()
    }

    /// A queue is never left half changed.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

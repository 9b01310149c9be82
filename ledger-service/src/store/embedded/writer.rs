//! The one thread that writes: it takes every call that waits and has them committed together.

use std::sync::{Arc, mpsc};

use tokio::sync::oneshot;

use super::{
    super::StoreError,
    book::TableBook,
    commit::{self, Call},
    file::File,
};

/// How many calls share a commit at the most.
const GROUP: usize = 512;

/// Hands calls to the writing thread. The thread ends when this is dropped.
#[derive(Debug)]
pub(super) struct Writer {
    calls: mpsc::SyncSender<Box<dyn Call>>,
}

/// What the writing thread does, turn by turn.
pub(super) struct Turns {
    file: Arc<File>,
    waiting: mpsc::Receiver<Box<dyn Call>>,
}

impl Writer {
    /// A writer, and its turns for a thread to take.
    pub(super) fn new(file: Arc<File>, queue: usize) -> (Self, Turns) {
        let (calls, waiting) = mpsc::sync_channel(queue.max(1));
        (Self { calls }, Turns { file, waiting })
    }

    /// Runs a call and answers when it is durable. It is run again, from the books as they were
    /// before, if another one spoilt the transaction that they shared.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut TableBook<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.calls.try_send(commit::call(work, answer)).map_err(|error| match error {
            mpsc::TrySendError::Full(_) => StoreError::Overloaded,
            mpsc::TrySendError::Disconnected(_) => {
                StoreError::Unavailable("the writer has ended".to_owned())
            }
        })?;
        answered.await.unwrap_or_else(|_| {
            Err(StoreError::Unavailable("the transaction was given up".to_owned()))
        })
    }
}

impl Turns {
    /// A thread that takes turns for as long as somebody may call.
    pub(super) fn in_a_thread(self) -> Result<(), StoreError> {
        std::thread::Builder::new()
            .name("ledger-writer".to_owned())
            .spawn(move || while self.take() {})
            .map(drop)
            .map_err(|error| StoreError::Unavailable(format!("no thread to write: {error}")))
    }

    /// Waits for a call, and carries out all that wait then. `false` if nobody will call any more.
    pub(super) fn take(&self) -> bool {
        let Ok(first) = self.waiting.recv() else { return false };
        let rest = self.waiting.try_iter().take(GROUP.saturating_sub(1));
        let mut calls = std::iter::once(first).chain(rest).collect();
        let outcome = self.file.write(|database| commit::together(database, &mut calls));
        if let Err(error) = outcome {
            tracing::error!(%error, calls = calls.len(), "transactions were given up");
            calls.into_iter().for_each(|call| call.tell(Err(error.clone())));
        }
        true
    }
}

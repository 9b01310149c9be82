//! The one thread that writes: many transactions, one commit.

use std::sync::{Arc, mpsc};

use redb::Database;
use tokio::sync::oneshot;

use super::{super::StoreError, book::TableBook, file::File, schema::unavailable};

/// How many transactions share a commit at the most.
const GROUP: usize = 512;

/// A transaction that waits: run on the books, it returns what is to be said of it once the
/// commit it is part of is durable, or has failed.
type Job = Box<dyn FnOnce(&mut TableBook<'_>) -> Result<Report, Failed> + Send>;
type Report = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
/// A transaction that the store could not carry out, and how to tell its caller.
type Failed = (StoreError, Report);

/// Hands transactions to the writing thread. The thread ends when this is dropped.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: mpsc::SyncSender<Job>,
}

impl Writer {
    pub(super) fn start(file: Arc<File>, queue: usize) -> Result<Self, StoreError> {
        let (jobs, waiting) = mpsc::sync_channel::<Job>(queue.max(1));
        std::thread::Builder::new()
            .name("ledger-writer".to_owned())
            .spawn(move || {
                while let Ok(first) = waiting.recv() {
                    let rest = waiting.try_iter().take(GROUP.saturating_sub(1));
                    let jobs = std::iter::once(first).chain(rest);
                    if let Err(error) = file.write(|database| commit_together(database, jobs)) {
                        tracing::error!(%error, "a transaction was given up");
                    }
                }
            })
            .map_err(|error| StoreError::Unavailable(format!("no thread to write: {error}")))?;
        Ok(Self { jobs })
    }

    /// Runs a transaction and answers when it is durable.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut TableBook<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel::<Result<T, StoreError>>();
        let job: Job = Box::new(move |book| match job(book) {
            Ok(value) => Ok(Box::new(move |committed: Result<(), StoreError>| {
                // The caller may be gone; what it asked for is done all the same.
                let _ = answer.send(committed.map(|()| value));
            })),
            Err(error) => {
                let report = Box::new(move |committed: Result<(), StoreError>| {
                    let _ = answer.send(Err(committed.err().unwrap_or(StoreError::Overloaded)));
                });
                Err((error, report))
            }
        });
        self.jobs.try_send(job).map_err(|error| match error {
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

/// Runs transactions in order and commits them together. One that met a damaged record before it
/// wrote anything fails alone. If another fails, none has happened: such a failure is the disk's,
/// never a client's. Callers whose job was not
/// run are told that the store is unavailable, by its being dropped.
fn commit_together(database: &Database, jobs: impl Iterator<Item = Job>) -> Result<(), StoreError> {
    let transaction = database.begin_write().map_err(unavailable)?;
    let mut reports = Vec::new();
    let outcome = run_all(&transaction, jobs, &mut reports)
        .and_then(|()| transaction.commit().map_err(unavailable));
    for report in reports {
        report(outcome.clone());
    }
    outcome
}

fn run_all(
    transaction: &redb::WriteTransaction,
    jobs: impl Iterator<Item = Job>,
    reports: &mut Vec<Report>,
) -> Result<(), StoreError> {
    let mut book = TableBook::open(transaction)?;
    for job in jobs {
        book.take_written();
        match job(&mut book) {
            Ok(report) => reports.push(report),
            Err((StoreError::Damaged(what), report)) if !book.take_written() => {
                report(Err(StoreError::Damaged(what)));
            }
            Err((error, report)) => {
                reports.push(report);
                return Err(error);
            }
        }
    }
    Ok(())
}

//! Many calls, one commit; and what one of them cannot do to the others.
//!
//! A call that meets a damaged record before it has written fails alone, and the transaction goes on.
//! One that fails after it has written, or panics, leaves a transaction that nobody can use: it is
//! given up, and the others run again in another one, from the same books. What each is answered is
//! what its last run said, and is told once that is durable.

use std::panic::{AssertUnwindSafe, catch_unwind};

use redb::{Database, WriteTransaction};
use tokio::sync::oneshot;

use super::{
    super::StoreError,
    book::{TableBook, Touched},
    schema::failed,
};

/// How often a group runs again without the call that spoilt it, before each call has a commit of its
/// own: many that spoil must not take the time of many groups.
const SPOILT: usize = 3;

/// A call that waits for its part of a commit.
pub(super) trait Call: Send {
    /// Runs it, keeping what it says.
    fn run(&mut self, book: &mut TableBook<'_>) -> Result<(), StoreError>;
    /// Tells the caller what it said, if it is durable; else why not.
    fn tell(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Work<F, T> {
    work: F,
    said: Option<T>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

pub(super) fn call<T: Send + 'static>(
    work: impl FnMut(&mut TableBook<'_>) -> Result<T, StoreError> + Send + 'static,
    answer: oneshot::Sender<Result<T, StoreError>>,
) -> Box<dyn Call> {
    Box::new(Work { work, said: None, answer })
}

impl<F, T> Call for Work<F, T>
where
    F: FnMut(&mut TableBook<'_>) -> Result<T, StoreError> + Send,
    T: Send,
{
    fn run(&mut self, book: &mut TableBook<'_>) -> Result<(), StoreError> {
        self.said = Some((self.work)(book)?);
        Ok(())
    }

    fn tell(self: Box<Self>, committed: Result<(), StoreError>) {
        let never_run = || StoreError::Unavailable("the transaction was not run".to_owned());
        let Self { said, answer, .. } = *self;
        // The caller may be gone; what it asked for is done all the same.
        let _ = answer.send(committed.and_then(|()| said.ok_or_else(never_run)));
    }
}

/// Commits calls in order, and tells each that is decided. Those that are left in `calls` have no
/// answer yet.
///
/// # Errors
/// The disk's, or that the file is damaged: what is left in `calls` has then not happened, or, if the
/// disk failed to say so, has happened as a whole.
pub(super) fn together(
    database: &Database,
    calls: &mut Vec<Box<dyn Call>>,
) -> Result<(), StoreError> {
    let mut sweep = Sweep::Due;
    for _ in 0..SPOILT {
        if attempt(database, calls, &mut sweep)? == Transaction::Committed {
            return Ok(());
        }
    }
    while !calls.is_empty() {
        let mut rest = calls.split_off(1);
        let outcome = attempt(database, calls, &mut sweep);
        calls.append(&mut rest);
        outcome?;
    }
    Ok(())
}

/// Whether a transaction also removes what is forgotten. A page of the table may be damaged, which
/// must not fail those who only happen to come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sweep {
    Due,
    Skipped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transaction {
    /// All calls are durable and told.
    Committed,
    /// The call that spoilt it is told, and gone.
    Spoilt,
}

fn attempt(
    database: &Database,
    calls: &mut Vec<Box<dyn Call>>,
    sweep: &mut Sweep,
) -> Result<Transaction, StoreError> {
    let transaction = database.begin_write().map_err(failed)?;
    if run_all(&transaction, calls, sweep)? == Transaction::Spoilt {
        transaction.abort().map_err(failed)?;
        return Ok(Transaction::Spoilt);
    }
    if stripe402_mutant::mutant!("told_too_early") {
        calls.drain(..).for_each(|call| call.tell(Ok(())));
    }
    transaction.commit().map_err(failed)?;
    calls.drain(..).for_each(|call| call.tell(Ok(())));
    Ok(Transaction::Committed)
}

fn run_all(
    transaction: &WriteTransaction,
    calls: &mut Vec<Box<dyn Call>>,
    sweep: &mut Sweep,
) -> Result<Transaction, StoreError> {
    let mut book = TableBook::open(transaction)?;
    let mut at = 0_usize;
    while let Some(call) = calls.get_mut(at) {
        let said = run(call.as_mut(), &mut book);
        match (said, book.take_touched()) {
            (Ok(()), Touched::Nothing | Touched::Written) => at = at.saturating_add(1),
            (Err(error @ (StoreError::Unavailable(_) | StoreError::Overloaded)), _) => {
                return Err(error);
            }
            (Err(error), Touched::Nothing) => calls.remove(at).tell(Err(error)),
            (said, _) => {
                let error = said.err().unwrap_or_else(torn);
                tracing::error!(%error, "a call is refused, and those beside it run again");
                calls.remove(at).tell(Err(error));
                return Ok(Transaction::Spoilt);
            }
        }
    }
    if *sweep == Sweep::Due
        && let Err(error) = book.sweep()
    {
        let StoreError::Damaged(why) = error else { return Err(error) };
        tracing::error!(why, "what is forgotten cannot be removed: the file grows");
        *sweep = Sweep::Skipped;
        return Ok(Transaction::Spoilt);
    }
    Ok(Transaction::Committed)
}

/// Runs one call. One that panics has written nobody knows what.
fn run(call: &mut dyn Call, book: &mut TableBook<'_>) -> Result<(), StoreError> {
    catch_unwind(AssertUnwindSafe(|| call.run(book))).unwrap_or_else(|panic| {
        book.tear();
        let why = panic.downcast_ref::<String>().map(String::as_str);
        let why = why.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason");
        Err(StoreError::Damaged(format!("a call panicked: {why}")))
    })
}

fn torn() -> StoreError {
    StoreError::Damaged("a page of the file could not be written to".to_owned())
}

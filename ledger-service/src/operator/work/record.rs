//! Nothing is done that is not on record first; then what came of it is.

use uuid::Uuid;

use super::{Operations, OperatorError};
use crate::accounting::{AuditEntry, Order, Outcome};

/// Who acts: the name of a token, or `cli`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor(pub String);

impl Actor {
    /// Whoever can run commands on the store.
    #[must_use]
    pub fn command_line() -> Self {
        Self("cli".to_owned())
    }
}

/// What came of an action that was not refused.
pub(super) struct Deed<T> {
    pub(super) outcome: Outcome,
    pub(super) detail: Option<String>,
    pub(super) value: T,
}

impl<T> Deed<T> {
    pub(super) fn done(value: T) -> Self {
        Self { outcome: Outcome::Done, detail: None, value }
    }

    pub(super) fn repeated(value: T) -> Self {
        Self { outcome: Outcome::Repeated, detail: None, value }
    }
}

impl Operations {
    /// Does what an operator asks for, between its two entries in the audit record.
    ///
    /// # Errors
    /// The action's. If the first entry cannot be written, nothing happened.
    pub(super) async fn on_record<T>(
        &self,
        actor: &Actor,
        order: Order,
        work: impl Future<Output = Result<Deed<T>, OperatorError>>,
    ) -> Result<T, OperatorError> {
        let action = Uuid::new_v4();
        let entry = |outcome, detail| AuditEntry {
            at_ms: self.clock.now_ms(),
            action,
            actor: actor.0.clone(),
            order: order.clone(),
            outcome,
            detail,
        };
        self.store.record_action(entry(Outcome::Begun, None)).await?;
        let done = work.await;
        let last = match &done {
            Ok(deed) => entry(deed.outcome, deed.detail.clone()),
            Err(problem) if problem.is_retryable() => {
                entry(Outcome::Unknown, Some(problem.to_string()))
            }
            Err(problem) => entry(Outcome::Refused, Some(problem.to_string())),
        };
        let outcome = super::spelt(&last.outcome);
        tracing::info!(
            actor = actor.0,
            kind = super::spelt(&order.kind),
            subject = order.subject,
            outcome,
            "an operator acted"
        );
        if let Err(error) = self.store.record_action(last).await {
            // What was done is done; that it was begun is on record.
            tracing::error!(%action, outcome, %error, "the outcome of an action is not on record");
        }
        done.map(|deed| deed.value)
    }

    /// As [`Self::on_record`], for commands that have rules of their own.
    ///
    /// # Errors
    /// The work's, and the store's.
    pub async fn recorded<T>(
        &self,
        actor: &Actor,
        order: Order,
        work: impl Future<Output = Result<(T, String), OperatorError>>,
    ) -> Result<T, OperatorError> {
        let work = async {
            let (value, detail) = work.await?;
            Ok(Deed { detail: Some(detail), ..Deed::done(value) })
        };
        self.on_record(actor, order, work).await
    }
}

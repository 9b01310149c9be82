//! Why operators' work was not done.

use stripe402_protocol::{Currency, Units};

use crate::{
    accounting::PostRefusal, operator::money, postings::Unavailable, refunds::RefundError,
    store::StoreError,
};

/// Why something could not be done, or found.
///
/// Retry where [`Self::is_retryable`] says so, with the same reference: what was begun is finished, and
/// nothing is done twice. Everything else fails again until the question or the books change.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperatorError {
    /// What was asked makes no sense: what is wrong, and what would be right. Do not retry.
    #[error("{0}")]
    Invalid(String),
    /// Nobody of that name has an account. Do not retry.
    #[error("{0}")]
    NotFound(&'static str),
    /// The books refuse it; nothing happened. Do not retry.
    #[error("{text}")]
    Refused {
        /// For programs, e.g. `insufficient`.
        code: &'static str,
        /// For people.
        text: String,
    },
    /// The store cannot be read or written. Retry.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// Stripe or the store gave no answer. Retry.
    #[error("Stripe or the store: {0}")]
    Unavailable(#[from] Unavailable),
    /// The outcome of a refund is not known. Retry.
    #[error(transparent)]
    RefundUnknown(RefundError),
    /// So much runs already that nothing more is begun. Retry when it has ended.
    #[error("{0}")]
    Busy(&'static str),
    /// The action was cut off. Retry.
    #[error("the action was cut off: {0}")]
    CutOff(#[from] tokio::task::JoinError),
}

impl OperatorError {
    /// A client is named by something that cannot be its name.
    pub(crate) fn unnamed() -> Self {
        let text = "name a client by its id (64 hex digits) or its subject (16 hex digits)";
        Self::Invalid(text.to_owned())
    }

    /// A reference was used for another amount of units before; without a number, for a refund of the
    /// whole balance.
    pub(super) fn conflict(reference: &str, used_for: Option<i64>, currency: Currency) -> Self {
        let used_for = used_for.map(|units| money::in_words(units, currency));
        let used_for = used_for.as_deref().unwrap_or("a refund of the whole balance");
        let text = format!(
            "Reference \"{reference}\" was already used for {used_for}; choose another reference."
        );
        Self::Refused { code: "conflict", text }
    }

    /// Whether the outcome is open: asked again, the same may succeed.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Invalid(_) | Self::NotFound(_) | Self::Refused { .. } => false,
            Self::Store(_)
            | Self::Unavailable(_)
            | Self::RefundUnknown(_)
            | Self::Busy(_)
            | Self::CutOff(_) => true,
        }
    }
}

impl From<PostRefusal> for OperatorError {
    fn from(refusal: PostRefusal) -> Self {
        let (code, text) = match refusal {
            PostRefusal::Conflict => (
                "conflict",
                "This reference was already used for another amount; choose another reference.",
            ),
            PostRefusal::NoSuchHold => {
                ("no_such_hold", "there is no open hold of this name; nothing was changed")
            }
            PostRefusal::Insufficient => (
                "insufficient",
                "the balance is below this amount; nothing was changed: take at most what is \
                 available",
            ),
            PostRefusal::TooLarge => {
                ("too_large", "the balance would be above 2^53 - 1 units; nothing was changed")
            }
            PostRefusal::NoSuchGrant => (
                "no_such_grant",
                "there is not so much left of a grant of this reference; nothing was changed",
            ),
            PostRefusal::TooManyGrants => (
                "too_many_grants",
                "the client has not spent 100 grants yet, which is the most; nothing was changed",
            ),
            PostRefusal::Expired => {
                ("expired", "this grant would have expired already; nothing was changed")
            }
        };
        Self::Refused { code, text: text.to_owned() }
    }
}

impl From<RefundError> for OperatorError {
    fn from(error: RefundError) -> Self {
        let code = match error {
            RefundError::Conflict { name, asked, currency } => {
                return Self::conflict(&name, asked.map(Units::get), currency);
            }
            RefundError::Frozen | RefundError::Disputed => "frozen",
            RefundError::Insufficient(_) => "insufficient",
            RefundError::Nothing => "nothing_to_refund",
            RefundError::Changed => "plan_changed",
            RefundError::TooLarge => "too_large",
            RefundError::Unknown(_) => return Self::RefundUnknown(error),
        };
        Self::Refused { code, text: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn what_is_open_can_be_asked_again_and_has_its_cause() {
        let store = || StoreError::Unavailable("gone".to_owned());
        for (error, text) in [
            (OperatorError::from(store()), "store: the store is unavailable: gone"),
            (
                Unavailable::from(store()).into(),
                "Stripe or the store: the store is unavailable: gone",
            ),
        ] {
            assert!(error.is_retryable() && error.source().is_some(), "{error:?}");
            assert_eq!(error.to_string(), text);
        }
        let unknown = OperatorError::from(RefundError::from(store()));
        assert!(unknown.is_retryable() && unknown.to_string().contains("run this again"));
        assert!(unknown.source().is_some_and(|cause| cause.to_string().contains("gone")));
        let refused = OperatorError::from(RefundError::Frozen);
        assert!(!refused.is_retryable(), "{refused:?}");
        assert!(!OperatorError::from(PostRefusal::Conflict).is_retryable());
    }
}

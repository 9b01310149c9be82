//! What went wrong at Stripe, and whether the outcome is known.

use ::stripe::StripeError;
use stripe_shared::ApiErrorsType;

/// Why a call brought no object. What the client library said of it is in the text.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The card was refused: a definite answer, nothing was taken. Do not retry.
    #[error("the card was refused ({0})")]
    Card(Decline),
    /// Stripe refuses the request as it stands: a definite answer, nothing happened. Do
    /// not retry.
    #[error("Stripe refuses the request: {0}")]
    Invalid(String),
    /// Stripe refuses this ledger: its key, a right of its key, or its account. Nothing happened, and
    /// no client can mend it. Retry when the operator has.
    #[error("Stripe refuses this ledger's key or account: {0}")]
    Account(String),
    /// Unknown whether it happened: repeat it with the same idempotency key.
    #[error("no answer from Stripe: {0}")]
    Unknown(String),
    /// Stripe answered with a failure of its own. It may have happened, and Stripe may have
    /// stored the failure under the key: repeating it may bring the same for a day.
    #[error("Stripe failed: {cause}")]
    Broken {
        /// The status and the code.
        cause: String,
        /// Stripe's log of the request that failed. The same one again is a stored failure,
        /// repeated: the request has ended, and its key will never bring anything else.
        log: Option<String>,
    },
}

/// Codes that are about the account or its key. Source: docs.stripe.com/error-codes.
const ACCOUNT_CODES: [&str; 9] = [
    "account_closed",
    "account_invalid",
    "api_key_expired",
    "platform_api_key_expired",
    "livemode_mismatch",
    "testmode_charges_only",
    "secret_key_required",
    "tls_version_unsupported",
    "country_unsupported",
];

/// Stripe's codes for a refused card, for the log and the metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decline {
    /// e.g. `card_declined`, `incorrect_cvc`.
    pub code: String,
    /// e.g. `insufficient_funds`.
    pub decline_code: Option<String>,
}

impl std::fmt::Display for Decline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.decline_code {
            Some(fine) => write!(f, "{}: {fine}", self.code),
            None => f.write_str(&self.code),
        }
    }
}

impl From<StripeError> for Failure {
    /// Source: docs.stripe.com/error-low-level. Only `card_error` and plain 4xx are definite;
    /// 409 (key in use), 429 and 5xx say nothing of whether the work was or will be done.
    fn from(error: StripeError) -> Self {
        let StripeError::Stripe(details, status) = error else {
            // The other variants hold no secrets: transport, decoding, configuration, time-out.
            return Self::Unknown(error.to_string());
        };
        let code = details.code.as_ref().map(|code| code.as_str().to_owned());
        let code = code.unwrap_or_else(|| details.type_.as_str().to_owned());
        match (&details.type_, status) {
            (_, 401 | 403) => Self::Account(format!("status {status}, {code}")),
            _ if ACCOUNT_CODES.contains(&code.as_str()) => {
                Self::Account(format!("status {status}, {code}"))
            }
            (ApiErrorsType::CardError, _) => {
                Self::Card(Decline { code, decline_code: details.decline_code })
            }
            (ApiErrorsType::InvalidRequestError, 400 | 402 | 404) => Self::Invalid(code),
            (_, 500..=599) => Self::Broken {
                cause: format!("status {status}, {code}"),
                log: details.request_log_url,
            },
            _ => Self::Unknown(format!("status {status}, {code}")),
        }
    }
}

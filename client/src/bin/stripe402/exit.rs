//! How the program ends: one number per outcome.

use reqwest_middleware::Error as Failure;
use serde_json::{Value, json};
use stripe402_client::{Error, WalletError, payment_error};
use stripe402_protocol::{Code, Reason};

/// Below the help of each command.
pub(crate) const EXIT_CODES: &str = "Exit codes: stripe402 help exit-codes";

/// For `help exit-codes`; [`code`] and this say the same.
pub(crate) const HELP: &str = "\
Exit codes:
   0  served (or answered; with --fail, below 400)
   1  no connection, or credentials cannot be read or written
   2  wrong usage
  10  payment_required: there is no card and no client id to pay with
  11  insufficient_credits, and there is no card
  12  card_declined
  13  payment_failed (frozen, payment_method_not_yours, …)
  14  invalid_payment
  15  top_up_below_minimum
  16  payment_failed: authentication_required (3D Secure); run stripe402 confirm
  17  rate_limited, or the server cannot take payments now; try again later
  20  price above --max-price, or card charge above --max-charge; nothing was paid
  21  card charge above what is left of a budget; nothing was paid
  22  status 400 or above, with --fail
  23  origin that is not allowed, not encrypted, or reached by a redirect; nothing was paid there
  24  challenge that is malformed, or of another scheme, currency or version; or a 402 after
      a payment
  25  unknown outcome of a card charge; run it again: the card is not charged twice
  26  a body from standard input cannot be sent a second time; run it again";

/// The cardholder must confirm.
pub(crate) const AUTHENTICATION_REQUIRED: u8 = 16;

/// Why it ends early.
pub(crate) struct Exit {
    pub(crate) code: u8,
    pub(crate) message: String,
    /// For `--json`.
    pub(crate) error: Value,
}

impl Exit {
    /// Something on this side.
    pub(crate) fn local(message: String) -> Self {
        Self { code: 1, error: json!({"code": "local", "message": message}), message }
    }

    pub(crate) fn usage(message: String) -> Self {
        Self { code: 2, error: json!({"code": "usage", "message": message}), message }
    }
}

impl From<Error> for Exit {
    fn from(error: Error) -> Self {
        Self { code: code(&error), message: error.to_string(), error: error.to_json() }
    }
}

impl From<WalletError> for Exit {
    fn from(error: WalletError) -> Self {
        match error {
            WalletError::Payment(error) => error.into(),
            other => Self::local(causes(&other)),
        }
    }
}

impl From<Failure> for Exit {
    fn from(failure: Failure) -> Self {
        match (payment_error(&failure), &failure) {
            (Some(error), _) => error.clone().into(),
            (None, Failure::Reqwest(failed)) if failed.is_connect() || failed.is_timeout() => {
                Self::local(no_connection(failed))
            }
            (None, _) => Self::local(causes(&failure)),
        }
    }
}

/// One plain line.
fn no_connection(failed: &reqwest::Error) -> String {
    let server = failed.url().map(|url| url.origin().ascii_serialization());
    let server = server.unwrap_or_else(|| "the server".to_owned());
    if failed.is_timeout() {
        return format!("{server} did not answer in time");
    }
    let mut last: &dyn std::error::Error = failed;
    while let Some(cause) = last.source() {
        last = cause;
    }
    format!("no connection to {server}: {last}")
}

/// reqwest says what it did; why it failed is further down.
fn causes(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        said = format!("{said}: {cause}");
        source = cause.source();
    }
    said
}

fn code(error: &Error) -> u8 {
    match error {
        Error::NothingToPayWith { .. } => 10,
        Error::InsufficientCredits { .. } => 11,
        Error::Refused { refused } => match (refused.reason, refused.code) {
            (Some(Reason::AuthenticationRequired), _) => AUTHENTICATION_REQUIRED,
            (Some(Reason::RateLimited), _) => 17,
            (_, Code::PaymentRequired) => 10,
            (_, Code::InsufficientCredits) => 11,
            (_, Code::CardDeclined) => 12,
            (_, Code::PaymentFailed) => 13,
            (_, Code::InvalidPayment) => 14,
            (_, Code::TopUpBelowMinimum) => 15,
        },
        Error::TopUpTooLow { .. } => 15,
        Error::Unavailable { .. } => 17,
        Error::PriceTooHigh { .. } | Error::ChargeTooHigh { .. } => 20,
        Error::BudgetExceeded { .. } => 21,
        Error::OriginNotAllowed { .. }
        | Error::OtherOrigin { .. }
        | Error::NotEncrypted { .. }
        | Error::PaidAndRedirected
        | Error::RedirectUnseen => 23,
        Error::CurrencyNotAllowed { .. }
        | Error::ChallengeMissing
        | Error::ChallengeMalformed { .. }
        | Error::UnsupportedVersion { .. }
        | Error::UnsupportedScheme { .. }
        | Error::PaymentLoop { .. } => 24,
        Error::OutcomeUnknown => 25,
        Error::BodyConsumed { .. } => 26,
        // Nothing that a caller could tell apart, or what a later version of the library adds.
        _ => 1,
    }
}

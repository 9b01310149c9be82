//! Why a request was not paid for.

use serde_json::{Value, json};
use stripe402_protocol::{Code, Currency, Reason, Units};

use crate::{Budget, Refused, Terms, money};

/// Why a call ends without being served for money. Unless it says otherwise nothing was paid.
///
/// Retry where [`Self::is_retryable`] says so; everything else fails again until the card, the limits or
/// the server change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is neither a card nor a client id to pay with.
    #[error("this costs {}, and there is no card and no client id to pay with", money(terms.price, terms.currency))]
    NothingToPayWith {
        /// What it costs.
        terms: Box<Terms>,
    },
    /// The balance does not suffice, and there is no card.
    #[error(
        "this costs {}, the balance is too small, and there is no card to charge",
        money(terms.price, terms.currency)
    )]
    InsufficientCredits {
        /// What it costs.
        terms: Box<Terms>,
    },
    /// The server refused the payment.
    #[error("{}", said(refused))]
    Refused {
        /// What it said.
        refused: Box<Refused>,
    },
    /// More than the caller pays for one request.
    #[error(
        "this costs {}, above the limit of {} for one request; nothing was paid",
        money(*price, *currency),
        money(*most, *currency)
    )]
    PriceTooHigh {
        /// The price.
        price: Units,
        /// The caller's limit.
        most: Units,
        /// Of both.
        currency: Currency,
    },
    /// The least top-up is more than the caller lets a card be charged at once.
    #[error(
        "the card would be charged {}, above the limit of {} for one charge; nothing was charged",
        money(*needed, *currency),
        money(*most, *currency)
    )]
    ChargeTooHigh {
        /// What would be charged.
        needed: Units,
        /// The caller's limit.
        most: Units,
        /// Of both.
        currency: Currency,
    },
    /// The caller wants to charge a card less than the server takes.
    #[error(
        "a card is charged {} at least, and this client is told to charge {}; nothing was charged",
        money(*least, *currency),
        money(*wanted, *currency)
    )]
    TopUpTooLow {
        /// What the caller wants to charge.
        wanted: Units,
        /// The server's least.
        least: Units,
        /// Of both.
        currency: Currency,
    },
    /// A budget would be overdrawn.
    #[error(
        "the card would be charged {}, but only {} is left of the budget {budget}; nothing was charged",
        money(*needed, *currency),
        money(*left, *currency)
    )]
    BudgetExceeded {
        /// Which one.
        budget: Budget,
        /// What would be charged.
        needed: Units,
        /// What is left of it.
        left: Units,
        /// Of both.
        currency: Currency,
    },
    /// A currency that the caller does not pay in.
    #[error("the server asks for payment in {offered}{}; nothing was paid", allowed.map(|a| format!(", and this client pays only in {a}")).unwrap_or_default())]
    CurrencyNotAllowed {
        /// What the server wants.
        offered: String,
        /// What the caller pays in; `None` if the offered one is no currency of Stripe's at all.
        allowed: Option<Currency>,
    },
    /// An origin that may not be paid.
    #[error("{origin} asks for payment and is not among the allowed origins; nothing was paid")]
    OriginNotAllowed {
        /// Which.
        origin: String,
    },
    /// The card (or client id) was used at another origin, and the caller did not allow this one.
    #[error(
        "{origin} asks for payment, and this card or client id was used at {bound}; nothing was paid: allow {origin} by name to use it at both"
    )]
    OtherOrigin {
        /// Who asks.
        origin: String,
        /// Where the credential was used first.
        bound: String,
    },
    /// Credentials would be sent in the clear.
    #[error(
        "{origin} asks for payment without encryption, so that others could read and spend the credentials; nothing was paid: use https"
    )]
    NotEncrypted {
        /// Which.
        origin: String,
    },
    /// A 402 without a challenge.
    #[error("the server answered 402 without a payment-required header")]
    ChallengeMissing,
    /// A challenge that cannot be read or contradicts itself.
    #[error("the server's payment-required header is malformed: {what}; nothing was paid")]
    ChallengeMalformed {
        /// What is wrong with it.
        what: String,
    },
    /// Not version 1.
    #[error(
        "the server uses version {version} of stripe402, and this client knows only version 1; nothing was paid"
    )]
    UnsupportedVersion {
        /// The server's.
        version: i64,
    },
    /// No way to pay that we know.
    #[error("the server takes payment by {}, and this client pays only by stripe", schemes.join(", "))]
    UnsupportedScheme {
        /// The server's.
        schemes: Vec<String>,
    },
    /// Paid, and asked to pay again. What a card was charged stays as credit, and in the budget.
    #[error("the server got a payment and asks for another one; this client did not pay twice")]
    PaymentLoop {
        /// Whether a card was among what was sent.
        card_sent: bool,
    },
    /// Paid for once already, then redirected to something that costs again.
    #[error(
        "this request was paid for and redirected to a URL that asks for payment again; this client did not pay twice"
    )]
    PaidAndRedirected,
    /// The answer is a redirect to somewhere that cannot be seen.
    #[error(
        "the server redirects, and a browser does not tell where to; send the request to the final URL"
    )]
    RedirectUnseen,
    /// The body cannot be sent a second time.
    #[error("this costs {}, and the body cannot be sent a second time; send the request again: it pays at once", money(terms.price, terms.currency))]
    BodyConsumed {
        /// What it costs.
        terms: Box<Terms>,
    },
    /// A card may have been charged. The next call asks with the same key, so that it is not
    /// charged twice.
    #[error("the outcome of a card charge is unknown; try again: the card is not charged twice")]
    OutcomeUnknown,
    /// The server cannot take payments now.
    #[error("the server cannot take payments now{}", retry_after.map(|s| format!("; try again in {s} s")).unwrap_or_default())]
    Unavailable {
        /// Seconds, if the server says so.
        retry_after: Option<u32>,
    },
    /// What a request cost that was served under a hold. Until it is known, the whole hold counts as
    /// spent.
    #[error("what the request cost is not known: the server {}; the whole hold counts as spent", status.map(|status| format!("answered {status}")).unwrap_or_else(|| "did not answer".to_owned()))]
    Unsettled {
        /// What the receipts address answered; `None` if it did not, or nothing that makes sense.
        status: Option<u16>,
    },
    /// An adapter told a call something that it did not ask for.
    #[error("the payment steps came in the wrong order; this is a bug in the program that pays")]
    OutOfOrder,
    /// The connection failed.
    #[error("the connection failed before the server answered; try again")]
    Transport,
}

fn said(refused: &Refused) -> String {
    let code = refused.code.as_str();
    let reason = refused.reason.map(|reason| format!(", {}", reason.as_str()));
    format!("{} ({code}{})", refused.message, reason.unwrap_or_default())
}

impl Error {
    /// Whether the same call may succeed later, without any change. No card is charged twice for it: a charge
    /// that may be under way keeps its key.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::OutcomeUnknown
            | Self::Unavailable { .. }
            | Self::Transport
            | Self::BodyConsumed { .. } => true,
            Self::Refused { refused } => refused.reason == Some(Reason::RateLimited),
            Self::Unsettled { status } => status.is_none_or(crate::hold::may_change),
            _ => false,
        }
    }

    /// A stable name for machines: one of the protocol's six codes, or one of this client's own.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NothingToPayWith { .. } => Code::PaymentRequired.as_str(),
            Self::InsufficientCredits { .. } => Code::InsufficientCredits.as_str(),
            Self::Refused { refused } => refused.code.as_str(),
            Self::PriceTooHigh { .. } => "price_too_high",
            Self::ChargeTooHigh { .. } => "charge_too_high",
            Self::TopUpTooLow { .. } => Code::TopUpBelowMinimum.as_str(),
            Self::BudgetExceeded { .. } => "budget_exceeded",
            Self::CurrencyNotAllowed { .. } => "currency_not_allowed",
            Self::OriginNotAllowed { .. } | Self::OtherOrigin { .. } => "origin_not_allowed",
            Self::NotEncrypted { .. } => "not_encrypted",
            Self::ChallengeMissing => "challenge_missing",
            Self::ChallengeMalformed { .. } => "challenge_malformed",
            Self::UnsupportedVersion { .. } => "unsupported_version",
            Self::UnsupportedScheme { .. } => "unsupported_scheme",
            Self::PaymentLoop { .. } => "payment_loop",
            Self::PaidAndRedirected => "paid_and_redirected",
            Self::RedirectUnseen => "redirect_unseen",
            Self::BodyConsumed { .. } => "body_consumed",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::Unavailable { .. } => "unavailable",
            Self::Unsettled { .. } => "unsettled",
            Self::OutOfOrder => "out_of_order",
            Self::Transport => "transport",
        }
    }

    /// The protocol's finer cause, such as `authentication_required`.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Refused { refused } => refused.reason.map(|reason| reason.as_str().to_owned()),
            _ => None,
        }
    }

    /// Everything, for programs: `code`, `reason`, `message`, and what belongs to the code.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut json = match self {
            Self::NothingToPayWith { terms }
            | Self::InsufficientCredits { terms }
            | Self::BodyConsumed { terms } => json!({"terms": terms}),
            Self::Refused { refused } => json!(refused),
            Self::PriceTooHigh { price, most, currency } => {
                json!({"price": price, "most": most, "currency": currency})
            }
            Self::ChargeTooHigh { needed, most, currency } => {
                json!({"needed": needed, "most": most, "currency": currency})
            }
            Self::TopUpTooLow { wanted, least, currency } => {
                json!({"wanted": wanted, "least": least, "currency": currency})
            }
            Self::BudgetExceeded { budget, needed, left, currency } => {
                json!({"budget": budget, "needed": needed, "left": left, "currency": currency})
            }
            Self::CurrencyNotAllowed { offered, allowed } => {
                json!({"offered": offered, "allowed": allowed})
            }
            Self::OriginNotAllowed { origin } | Self::NotEncrypted { origin } => {
                json!({"origin": origin})
            }
            Self::OtherOrigin { origin, bound } => json!({"origin": origin, "bound": bound}),
            Self::UnsupportedVersion { version } => json!({"version": version}),
            Self::UnsupportedScheme { schemes } => json!({"schemes": schemes}),
            Self::PaymentLoop { card_sent } => json!({"cardSent": card_sent}),
            Self::Unavailable { retry_after } => json!({"retryAfter": retry_after}),
            Self::Unsettled { status } => json!({"status": status}),
            _ => json!({}),
        };
        if let Some(fields) = json.as_object_mut() {
            fields.insert("code".to_owned(), self.code().into());
            fields.insert("message".to_owned(), self.to_string().into());
            if let Some(reason) = self.reason() {
                fields.insert("reason".to_owned(), reason.into());
            }
        }
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overdrawn_budget_is_a_sentence_with_its_amounts() {
        let (needed, left) = (Units::from_u32(50_000), Units::from_u32(30_000));
        let (budget, currency) = (Budget::Total, Currency::USD);
        let error = Error::BudgetExceeded { budget, needed, left, currency };
        let said = error.to_string();
        let expected =
            "the card would be charged $5.00, but only $3.00 is left of the budget in total";
        assert!(said.starts_with(expected), "{said}");
    }

    #[test]
    fn only_what_may_end_differently_by_itself_is_worth_a_retry() {
        let refused = |code, reason| {
            let message = String::new();
            let refused = Refused {
                code,
                reason,
                has_unknown_reason: false,
                message,
                retry_after: None,
                payment_intent_id: None,
                client_secret: None,
                publishable_key: None,
            };
            Error::Refused { refused: Box::new(refused) }
        };
        for (error, expected) in [
            (Error::OutcomeUnknown, true),
            (Error::Unavailable { retry_after: None }, true),
            (Error::Transport, true),
            (Error::Unsettled { status: None }, true),
            (Error::Unsettled { status: Some(429) }, true),
            (Error::Unsettled { status: Some(404) }, false),
            (refused(Code::PaymentFailed, Some(Reason::RateLimited)), true),
            (refused(Code::PaymentFailed, Some(Reason::Frozen)), false),
            (refused(Code::CardDeclined, None), false),
            (Error::PaymentLoop { card_sent: true }, false),
            (Error::ChallengeMissing, false),
        ] {
            assert_eq!(error.is_retryable(), expected, "{error:?}");
        }
    }
}

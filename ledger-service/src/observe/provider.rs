//! A payment provider whose calls are measured, and its declines counted.

use std::sync::Arc;

use async_trait::async_trait;
use metrics::{counter, histogram};
use stripe402_protocol::{GrantedTokenId, PaymentIntentId, PaymentMethodId};
use tracing::Span;

use super::{
    call::{Call, Kinds},
    trace::TARGET,
};
use crate::stripe::{
    Card, CardCharge, Changed, Dispute, Failure, GrantedToken, Intent, NewRefund, Provider, Refund,
    Verification,
};

impl Kinds for Failure {
    const NAMES: &'static [&'static str] = &["declined", "refused", "unknown", "broken", "account"];

    fn kind(&self) -> usize {
        match self {
            Self::Card(_) => 0,
            Self::Invalid(_) => 1,
            Self::Unknown(_) => 2,
            Self::Broken { .. } => 3,
            Self::Account(_) => 4,
        }
    }
}

/// Declares the numbers of every method once.
macro_rules! calls {
    ($($name:ident),+ $(,)?) => {
        struct Calls { $($name: Call,)+ }

        impl Calls {
            fn new() -> Self {
                Self { $($name: call(stringify!($name)),)+ }
            }
        }
    };
}

calls! {
    card, granted_token, create_customer, has_customer, charge, intent, intents_of, refund, intents_since,
    refunds_since, disputes_since, changed_since, refunds, dispute, cancel, verify,
}

fn call(name: &'static str) -> Call {
    let seconds = histogram!("stripe402_stripe_seconds", "call" => name);
    Call::new::<Failure>(
        seconds,
        |result| counter!("stripe402_stripe_calls_total", "call" => name, "result" => result),
    )
}

/// Measures another provider.
pub struct ObservedProvider {
    inner: Arc<dyn Provider>,
    calls: Calls,
}

impl std::fmt::Debug for ObservedProvider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ObservedProvider")
    }
}

impl ObservedProvider {
    /// Measures this provider.
    #[must_use]
    pub fn new(inner: Arc<dyn Provider>) -> Self {
        Self { inner, calls: Calls::new() }
    }
}

/// The span of one call.
fn span(call: &'static str) -> Span {
    tracing::info_span!(
        target: TARGET,
        "stripe",
        otel.name = call,
        otel.kind = "client",
        otel.status_code = tracing::field::Empty,
        peer = "stripe",
    )
}

/// What the bank said, by its code. The list of codes is Stripe's, not the client's.
fn count_decline<T>(answer: &Result<T, Failure>) {
    if let Err(Failure::Card(decline)) = answer {
        let code = decline.decline_code.as_ref().unwrap_or(&decline.code).clone();
        counter!("stripe402_card_declines_total", "code" => code).increment(1);
    }
}

/// Forwards a method, measured.
macro_rules! measured {
    ($self:ident.$name:ident($($argument:expr),*)) => {
        $self
            .calls
            .$name
            .measure(span(concat!("stripe.", stringify!($name))), $self.inner.$name($($argument),*))
            .await
    };
}

#[async_trait]
impl Provider for ObservedProvider {
    async fn card(&self, id: &PaymentMethodId) -> Result<Card, Failure> {
        measured!(self.card(id))
    }

    async fn granted_token(&self, id: &GrantedTokenId) -> Result<GrantedToken, Failure> {
        measured!(self.granted_token(id))
    }

    async fn create_customer(&self, subject: &str, key: &str) -> Result<String, Failure> {
        measured!(self.create_customer(subject, key))
    }

    async fn has_customer(&self, customer: &str) -> Result<bool, Failure> {
        measured!(self.has_customer(customer))
    }

    async fn charge(&self, charge: &CardCharge) -> Result<Intent, Failure> {
        let answer = measured!(self.charge(charge));
        count_decline(&answer);
        answer
    }

    async fn intent(&self, id: &PaymentIntentId) -> Result<Intent, Failure> {
        measured!(self.intent(id))
    }

    async fn intents_of(&self, customer: &str, since_ms: u64) -> Result<Vec<Intent>, Failure> {
        measured!(self.intents_of(customer, since_ms))
    }

    async fn refund(&self, wanted: &NewRefund) -> Result<Refund, Failure> {
        measured!(self.refund(wanted))
    }

    async fn intents_since(&self, since_ms: u64) -> Result<Vec<Intent>, Failure> {
        measured!(self.intents_since(since_ms))
    }

    async fn refunds_since(&self, since_ms: u64) -> Result<Vec<Refund>, Failure> {
        measured!(self.refunds_since(since_ms))
    }

    async fn disputes_since(&self, since_ms: u64) -> Result<Vec<Dispute>, Failure> {
        measured!(self.disputes_since(since_ms))
    }

    async fn changed_since(&self, since_ms: u64) -> Result<Changed, Failure> {
        measured!(self.changed_since(since_ms))
    }

    async fn refunds(&self, intent: &PaymentIntentId) -> Result<Vec<Refund>, Failure> {
        measured!(self.refunds(intent))
    }

    async fn dispute(&self, id: &str) -> Result<Dispute, Failure> {
        measured!(self.dispute(id))
    }

    async fn cancel(&self, id: &PaymentIntentId, key: &str) -> Result<Intent, Failure> {
        measured!(self.cancel(id, key))
    }

    async fn verify(
        &self,
        customer: &str,
        card: &PaymentMethodId,
        key: &str,
    ) -> Result<Verification, Failure> {
        let answer = measured!(self.verify(customer, card, key));
        count_decline(&answer);
        answer
    }
}

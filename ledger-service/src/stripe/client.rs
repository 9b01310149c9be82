//! Stripe itself, through async-stripe.

use std::{collections::HashMap, time::Duration};

use ::stripe::{
    Client, ClientBuilder, IdempotencyKey, RequestStrategy, StripeError, StripeRequest,
};
use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use secrecy::{ExposeSecret, SecretString};
use stripe_core::{
    customer::{CreateCustomer, RetrieveCustomer, RetrieveCustomerReturned},
    dispute::{ListDispute, RetrieveDispute},
    payment_intent::{
        CancelPaymentIntent, CreatePaymentIntent, CreatePaymentIntentOffSession, ListPaymentIntent,
        RetrievePaymentIntent,
    },
    refund::{CreateRefund, CreateRefundReason, ListRefund},
    setup_intent::{CreateSetupIntent, CreateSetupIntentUsage},
};
use stripe_payment::payment_method::RetrievePaymentMethod;
use stripe_shared::{
    DisputeStatus, PaymentIntent, PaymentIntentAllowedPaymentMethodTypes,
    PaymentIntentSetupFutureUsage, PaymentIntentStatus, SetupIntentAllowedPaymentMethodTypes,
    SetupIntentStatus,
};
use stripe_types::RangeQueryTs;
use stripe402_protocol::{GrantedTokenId, Instrument, PaymentIntentId, PaymentMethodId};

use super::{
    BOOKS_FIELD, Card, CardCharge, Changed, Dispute, DisputePhase, Failure, GrantedToken,
    HOLD_FIELD, Intent, IntentStatus, NewRefund, Provider, Refund, SUBJECT_FIELD, TOP_UP_FIELD,
    Verification, changes, preview::Preview, sorted::Sorted,
};
use crate::accounting::ShownCard;

/// Seconds by which Stripe's clock may be behind ours.
const CLOCKS_DIFFER: i64 = 300;

/// How Stripe is reached.
#[derive(Debug)]
pub struct StripeOptions {
    /// `sk_…` or `rk_…`.
    pub secret_key: SecretString,
    /// Stripe's own address, or a stand-in's.
    pub api_base: String,
    /// For one attempt of one call.
    pub timeout: Duration,
}

/// Stripe's API.
#[derive(Clone, Debug)]
pub struct Stripe {
    client: Client,
    preview: Preview,
}

impl Stripe {
    /// A client; it connects when it is first used.
    ///
    /// # Errors
    /// A sentence naming the setting that is wrong.
    pub fn new(options: &StripeOptions) -> Result<Self, String> {
        let client = ClientBuilder::new(options.secret_key.expose_secret())
            .url(options.api_base.clone())
            .timeout(options.timeout)
            .app_info("stripe402", Some(env!("CARGO_PKG_VERSION").to_owned()), None)
            .build()
            // The details may hold the key; the two settings are all that can be wrong.
            .map_err(|error| match error {
                StripeError::ConfigError(text) => format!("stripe_api_base: {text}"),
                _ => "stripe_secret_key: not usable as a header".to_owned(),
            })?;
        Ok(Self { client, preview: Preview::new(options)? })
    }
}

/// One attempt with this key: the saga decides on repetitions.
fn once(key: &str) -> Result<RequestStrategy, Failure> {
    let key = IdempotencyKey::new(key).map_err(|error| Failure::Invalid(error.to_string()))?;
    Ok(RequestStrategy::Idempotent(key))
}

#[async_trait]
impl Provider for Stripe {
    async fn card(&self, id: &PaymentMethodId) -> Result<Card, Failure> {
        let method = RetrievePaymentMethod::new(id.as_str()).send(&self.client).await?;
        let shown = method.card.as_ref().and_then(|card| ShownCard::new(&card.brand, &card.last4));
        let fingerprint = method.card.and_then(|card| card.fingerprint);
        let fingerprint = fingerprint.ok_or_else(|| Failure::Invalid("not_a_card".to_owned()))?;
        let id = method.id.as_str().parse::<PaymentMethodId>();
        let id = id.map_err(|_| Failure::Unknown("a PaymentMethod without an id".to_owned()))?;
        let customer = method.customer.map(|customer| customer.into_id().to_string());
        Ok(Card { id: id.into(), fingerprint, customer, shown, token: None })
    }

    async fn granted_token(&self, id: &GrantedTokenId) -> Result<GrantedToken, Failure> {
        self.preview.granted_token(id).await
    }

    async fn create_customer(&self, subject: &str, key: &str) -> Result<String, Failure> {
        let request = CreateCustomer::new()
            .description(format!("stripe402 client {subject}"))
            .metadata(HashMap::from([(SUBJECT_FIELD.to_owned(), subject.to_owned())]));
        let request = Sorted(request).customize().request_strategy(once(key)?);
        Ok(request.send(&self.client).await?.id.to_string())
    }

    async fn has_customer(&self, customer: &str) -> Result<bool, Failure> {
        match RetrieveCustomer::new(customer).send(&self.client).await.map_err(Failure::from) {
            Ok(RetrieveCustomerReturned::Customer(_)) => Ok(true),
            Ok(RetrieveCustomerReturned::DeletedCustomer(_)) => Ok(false),
            Err(Failure::Invalid(code)) if code == "resource_missing" => Ok(false),
            Err(other) => Err(other),
        }
    }

    async fn charge(&self, charge: &CardCharge) -> Result<Intent, Failure> {
        let card = match &charge.card {
            Instrument::PaymentMethod(card) => card,
            Instrument::Token(token) => return self.preview.charge(token, charge).await,
        };
        let currency = charge.currency.as_str().parse();
        let currency: stripe_types::Currency =
            currency.map_err(|_| Failure::Invalid("currency".to_owned()))?;
        // `setup_future_usage` attaches the card when it has paid: that is what proves it.
        let request = CreatePaymentIntent::new(charge.amount_minor, currency)
            .customer(&charge.customer)
            .payment_method(card.as_str())
            .allowed_payment_method_types(vec![PaymentIntentAllowedPaymentMethodTypes::Card])
            .confirm(true)
            .description("API credits")
            .metadata(HashMap::from([
                (TOP_UP_FIELD.to_owned(), charge.top_up.clone()),
                (SUBJECT_FIELD.to_owned(), charge.subject.clone()),
                (BOOKS_FIELD.to_owned(), charge.books.clone()),
            ]));
        let request = match charge.off_session {
            true => request.off_session(CreatePaymentIntentOffSession::Bool(true)),
            false => request.setup_future_usage(PaymentIntentSetupFutureUsage::OffSession),
        };
        let key = format!("stripe402-top-up-{}", charge.top_up);
        let request = Sorted(request).customize().request_strategy(once(&key)?);
        Ok(intent(request.send(&self.client).await?))
    }

    async fn intent(&self, id: &PaymentIntentId) -> Result<Intent, Failure> {
        let found = RetrievePaymentIntent::new(id.as_str()).send(&self.client).await?;
        Ok(intent(found))
    }

    async fn intents_of(&self, customer: &str, since_ms: u64) -> Result<Vec<Intent>, Failure> {
        let created = since(since_ms);
        let list = ListPaymentIntent::new().customer(customer).limit(100).created(created);
        Ok(list.paginate().stream(&self.client).map_ok(intent).try_collect().await?)
    }

    async fn refunds(&self, intent: &PaymentIntentId) -> Result<Vec<Refund>, Failure> {
        let list = ListRefund::new().payment_intent(intent.as_str()).limit(100);
        Ok(list.paginate().stream(&self.client).map_ok(refund).try_collect().await?)
    }

    async fn refund(&self, wanted: &NewRefund) -> Result<Refund, Failure> {
        let request = CreateRefund::new()
            .payment_intent(wanted.intent.as_str())
            .amount(wanted.amount_minor)
            .reason(CreateRefundReason::RequestedByCustomer)
            .metadata(HashMap::from([
                (HOLD_FIELD.to_owned(), wanted.hold.clone()),
                (SUBJECT_FIELD.to_owned(), wanted.subject.clone()),
            ]));
        let request = Sorted(request).customize().request_strategy(once(&wanted.key())?);
        Ok(refund(request.send(&self.client).await?))
    }

    async fn intents_since(&self, since_ms: u64) -> Result<Vec<Intent>, Failure> {
        let list = ListPaymentIntent::new().limit(100).created(since(since_ms));
        Ok(list.paginate().stream(&self.client).map_ok(intent).try_collect().await?)
    }

    async fn refunds_since(&self, since_ms: u64) -> Result<Vec<Refund>, Failure> {
        let list = ListRefund::new().limit(100).created(since(since_ms));
        Ok(list.paginate().stream(&self.client).map_ok(refund).try_collect().await?)
    }

    async fn disputes_since(&self, since_ms: u64) -> Result<Vec<Dispute>, Failure> {
        let list = ListDispute::new().limit(100).created(since(since_ms));
        Ok(list.paginate().stream(&self.client).map_ok(dispute).try_collect().await?)
    }

    async fn changed_since(&self, since_ms: u64) -> Result<Changed, Failure> {
        changes::changed(&self.client, since(since_ms)).await
    }

    async fn dispute(&self, id: &str) -> Result<Dispute, Failure> {
        Ok(dispute(RetrieveDispute::new(id).send(&self.client).await?))
    }

    async fn cancel(&self, id: &PaymentIntentId, key: &str) -> Result<Intent, Failure> {
        let request = CancelPaymentIntent::new(id.as_str()).customize();
        Ok(intent(request.request_strategy(once(key)?).send(&self.client).await?))
    }

    async fn verify(
        &self,
        customer: &str,
        card: &PaymentMethodId,
        key: &str,
    ) -> Result<Verification, Failure> {
        let request = CreateSetupIntent::new()
            .customer(customer)
            .payment_method(card.as_str())
            .allowed_payment_method_types(vec![SetupIntentAllowedPaymentMethodTypes::Card])
            .usage(CreateSetupIntentUsage::OffSession)
            .confirm(true);
        let request = request.customize().request_strategy(once(key)?);
        let setup = request.send(&self.client).await?;
        Ok(match setup.status {
            SetupIntentStatus::Succeeded => Verification::Verified,
            SetupIntentStatus::RequiresAction => Verification::RequiresAction(setup.client_secret),
            _ => Verification::Failed,
        })
    }
}

fn since(unix_ms: u64) -> RangeQueryTs {
    let seconds = i64::try_from(unix_ms / 1_000).unwrap_or(i64::MAX);
    RangeQueryTs::gte(seconds.saturating_sub(CLOCKS_DIFFER))
}

fn refund(found: stripe_shared::Refund) -> Refund {
    Refund {
        id: found.id.to_string(),
        intent: found.payment_intent.map(|intent| intent.into_id().to_string()),
        hold: found.metadata.and_then(|fields| fields.get(HOLD_FIELD).cloned()),
        amount_minor: found.amount,
        currency: found.currency.to_string(),
        failed: matches!(found.status.as_deref(), Some("failed" | "canceled")),
    }
}

fn dispute(found: stripe_shared::Dispute) -> Dispute {
    Dispute {
        id: found.id.to_string(),
        intent: found.payment_intent.map(|intent| intent.into_id().to_string()),
        amount_minor: found.amount,
        currency: found.currency.to_string(),
        phase: match found.status {
            DisputeStatus::NeedsResponse | DisputeStatus::UnderReview => DisputePhase::Open,
            DisputeStatus::Won => DisputePhase::Won,
            DisputeStatus::Lost => DisputePhase::Lost,
            _ => DisputePhase::Inquiry,
        },
    }
}

fn intent(found: PaymentIntent) -> Intent {
    let status = match found.status {
        PaymentIntentStatus::Succeeded => IntentStatus::Succeeded,
        PaymentIntentStatus::RequiresAction => IntentStatus::RequiresAction,
        PaymentIntentStatus::RequiresPaymentMethod => IntentStatus::RequiresPaymentMethod,
        PaymentIntentStatus::Canceled => IntentStatus::Canceled,
        _ => IntentStatus::Open,
    };
    Intent {
        id: found.id.to_string(),
        status,
        amount_minor: found.amount,
        received_minor: found.amount_received,
        currency: found.currency.to_string(),
        card: found.payment_method.map(|card| card.into_id().to_string()),
        client_secret: found.client_secret,
        top_up: found.metadata.get(TOP_UP_FIELD).cloned(),
        books: found.metadata.get(BOOKS_FIELD).cloned(),
        customer: found.customer.map(|customer| customer.into_id().to_string()),
        subject: found.metadata.get(SUBJECT_FIELD).cloned(),
        declined: found.last_payment_error.is_some(),
    }
}

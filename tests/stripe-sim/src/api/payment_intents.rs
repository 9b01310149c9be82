//! `/v1/payment_intents`. Source: docs.stripe.com/api/payment_intents.

use crate::api::{customers, granted_tokens, payment_methods};
use crate::context::{Answer, Context};
use crate::currency;
use crate::error::ApiError;
use crate::ids;
use crate::list::Page;
use crate::metadata::Metadata;
use crate::objects::payment_intent::{PaymentIntent, Status};
use crate::objects::payment_method::PaymentMethod;
use crate::params::Params;
use crate::payment;

/// What Stripe takes for a new PaymentIntent besides.
const BESIDES: &[&str] = &[
    "amount_details",
    "application_fee_amount",
    "automatic_payment_methods",
    "capture_method",
    "confirmation_method",
    "confirmation_token",
    "customer_account",
    "error_on_requires_action",
    "excluded_payment_method_types",
    "hooks",
    "mandate",
    "mandate_data",
    "on_behalf_of",
    "payment_details",
    "payment_method_configuration",
    "payment_method_options",
    "payment_method_types",
    "radar_options",
    "receipt_email",
    "return_url",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_data",
    "transfer_group",
    "use_stripe_sdk",
];

/// The code of every refusal that is for the intent's status.
pub(crate) const WRONG_STATE: Option<&str> = Some("payment_intent_unexpected_state");

fn at_path(cx: &Context<'_>, id: &str) -> Result<PaymentIntent, ApiError> {
    let found = cx.world.payment_intents.get(id).cloned();
    found.ok_or_else(|| ApiError::no_such("payment_intent", id, "intent"))
}

/// `POST /v1/payment_intents`, confirmed by the same call.
pub(crate) fn create(cx: &mut Context<'_>, _id: &str, mut params: Params) -> Answer {
    let amount = params.positive("amount")?.ok_or_else(|| ApiError::missing("amount"))?;
    let currency = currency::parse(&params.required("currency")?)?;
    currency::check_charge(amount, &currency)?;
    let only_cards = params.only_cards()?;
    let confirms = params.boolean("confirm")?;
    let customer = params.text("customer")?;
    let description = params.unsettable("description")?.flatten();
    let method = params.text("payment_method")?;
    let granted_token = granted_token(cx, &mut params)?;
    let metadata = params.metadata()?;
    let setup_future_usage = params.choice("setup_future_usage", &["off_session", "on_session"])?;
    let off_session = params.boolean("off_session")?;
    params.finish(BESIDES)?;

    if off_session && setup_future_usage.is_some() {
        return Err(ApiError::not_done("take off_session together with setup_future_usage"));
    }
    if !confirms {
        return Err(ApiError::not_done("leave a PaymentIntent unconfirmed: pass confirm=true"));
    }
    if let Some(customer) = &customer {
        customers::check_named(cx, customer)?;
    }
    if let Some(token) = &granted_token {
        check_beside(method.as_deref(), setup_future_usage.as_deref())?;
        let method = granted_tokens::clone_method(cx, token, amount, &currency)?;
        let intent = PaymentIntent {
            granted_token: Some(token.clone()),
            ..new(cx, amount, currency, &method)
        };
        let intent = PaymentIntent { customer, description, metadata, ..intent };
        cx.emit("payment_intent.created", intent.view());
        return payment::attempt(cx, intent, method, false).map(|intent| intent.view());
    }
    let method = method.map(|id| payment_methods::named(cx, &id)).transpose()?;
    if let Some(method) = &method {
        payment_methods::check_usable(method, customer.as_deref(), "PaymentIntent")?;
    }
    if !only_cards {
        return Err(ApiError::may_redirect("PaymentIntent"));
    }
    let method = method.ok_or_else(|| {
        ApiError::refused(
            WRONG_STATE,
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a payment method or ConfirmationToken.",
        )
    })?;
    let intent = new(cx, amount, currency, &method);
    let intent = PaymentIntent { customer, description, metadata, setup_future_usage, ..intent };
    cx.emit("payment_intent.created", intent.view());
    if off_session {
        return payment::attempt_off_session(cx, intent, method).map(|intent| intent.view());
    }
    payment::attempt(cx, intent, method, false).map(|intent| intent.view())
}

fn new(cx: &Context<'_>, amount: i64, currency: String, method: &PaymentMethod) -> PaymentIntent {
    let id = ids::new("pi");
    PaymentIntent {
        client_secret: ids::client_secret(&id),
        id,
        amount,
        canceled_at: None,
        created: cx.now(),
        currency,
        customer: None,
        description: None,
        granted_token: None,
        last_payment_error: None,
        latest_charge: None,
        metadata: Metadata::new(),
        next_action: None,
        payment_method: Some(method.id.clone()),
        setup_future_usage: None,
        status: Status::RequiresConfirmation,
    }
}

/// The Shared Payment Token to charge, in preview versions: within `payment_method_data`, or at the top as
/// older ones have it.
fn granted_token(cx: &Context<'_>, params: &mut Params) -> Result<Option<String>, ApiError> {
    const NAME: &str = "shared_payment_granted_token";
    if !cx.caller.is_preview() {
        return match params.object("payment_method_data")? {
            Some(data) if data.has(NAME) => data.finish(&[]).map(|()| None),
            Some(_) => Err(ApiError::not_done("take payment_method_data")),
            None => Ok(None),
        };
    }
    let old = params.text(NAME)?;
    let Some(mut data) = params.object("payment_method_data")? else { return Ok(old) };
    let token = data.required(NAME)?;
    data.finish(&["payment_method_data[type]"])?;
    Ok(Some(token))
}

/// Of a token nothing can be kept.
fn check_beside(method: Option<&str>, setup_future_usage: Option<&str>) -> Result<(), ApiError> {
    if setup_future_usage.is_some() {
        let message = "setup_future_usage cannot be used with a shared payment granted token.";
        return Err(ApiError::refused(None, message).param("setup_future_usage"));
    }
    if method.is_some() {
        let message =
            "You may only specify one of these parameters: payment_method, payment_method_data.";
        return Err(ApiError::refused(None, message).param("payment_method"));
    }
    Ok(())
}

/// `GET /v1/payment_intents/:id`
pub(crate) fn retrieve(cx: &mut Context<'_>, id: &str, params: Params) -> Answer {
    let intent = at_path(cx, id)?;
    params.finish(&["client_secret"])?;
    Ok(intent.view())
}

/// `POST /v1/payment_intents/:id/cancel`
pub(crate) fn cancel(cx: &mut Context<'_>, id: &str, params: Params) -> Answer {
    let mut intent = at_path(cx, id)?;
    params.finish(&["cancellation_reason"])?;
    if matches!(intent.status, Status::Succeeded | Status::Canceled) {
        let message = format!(
            "You cannot cancel this PaymentIntent because it has a status of {}. Only a PaymentIntent with one of the following statuses may be canceled: requires_payment_method, requires_capture, requires_confirmation, requires_action, processing.",
            intent.status.as_str()
        );
        return Err(ApiError::refused(WRONG_STATE, message).with_payment_intent(intent.view()));
    }
    intent.status = Status::Canceled;
    intent.canceled_at = Some(cx.now());
    intent.next_action = None;
    cx.world.payment_intents.put(intent.clone());
    cx.emit("payment_intent.canceled", intent.view());
    Ok(intent.view())
}

/// `GET /v1/payment_intents`
pub(crate) fn list(cx: &mut Context<'_>, _id: &str, mut params: Params) -> Answer {
    let customer = params.text("customer")?;
    let since = params.created_since()?;
    let page = Page::take(&mut params)?;
    params.finish(&["customer_account"])?;
    page.of(
        &cx.world.payment_intents,
        ("/v1/payment_intents", "payment_intent"),
        |intent| {
            intent.created >= since
                && customer.as_ref().is_none_or(|id| intent.customer.as_ref() == Some(id))
        },
        PaymentIntent::view,
    )
}

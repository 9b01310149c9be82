//! `/v1/payment_intents`. Source: docs.stripe.com/api/payment_intents.

use crate::api::confirm::{self, Manner, Named};
use crate::api::payment_details::Details;
use crate::api::{customers, payment_methods};
use crate::context::{Answer, Context};
use crate::currency;
use crate::error::ApiError;
use crate::ids;
use crate::list::Page;
use crate::metadata::Metadata;
use crate::objects::payment_intent::{PaymentIntent, Status};
use crate::params::Params;
use crate::payment;

/// The code of every refusal that is for the intent's status.
const WRONG_STATE: Option<&str> = Some("payment_intent_unexpected_state");
/// The intent in a path.
fn at_path(cx: &Context<'_>, id: &str) -> Result<PaymentIntent, ApiError> {
    cx.world
        .payment_intents
        .get(id)
        .cloned()
        .ok_or_else(|| ApiError::no_such("payment_intent", id, "intent"))
}

fn view(cx: &Context<'_>, intent: &PaymentIntent) -> serde_json::Value {
    if cx.is_public() { intent.public_view() } else { intent.view() }
}

fn wrong_state(intent: &PaymentIntent, message: String) -> ApiError {
    ApiError::refused(WRONG_STATE, message).with_payment_intent(intent.view())
}

fn missing_method() -> ApiError {
    ApiError::refused(
        WRONG_STATE,
        "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a payment method or ConfirmationToken.",
    )
}

/// `POST /v1/payment_intents`
pub(crate) fn create(cx: &mut Context<'_>, _id: &str, mut params: Params) -> Answer {
    let amount = params.positive("amount")?.ok_or_else(|| ApiError::missing("amount"))?;
    let currency = currency::parse(&params.required("currency")?)?;
    currency::check_charge(amount, &currency)?;
    let accepts = confirm::take_accepts(cx, &mut params)?;
    let confirms = params.boolean("confirm")?.unwrap_or_default();
    let manner = Manner::take(&mut params, confirms, "PaymentIntent")?;
    let capture_method =
        params.choice("capture_method", &["automatic", "automatic_async", "manual"])?;
    let confirmation_method = params.choice("confirmation_method", &["automatic", "manual"])?;
    let customer = params.text("customer")?;
    let named = Named::take(&mut params)?;
    let metadata = params.metadata()?;
    let details = Details::take(&mut params, false)?;
    params.finish()?;

    if let Some(customer) = &customer {
        customers::named(cx, customer)?;
    }
    let method = named.map(|named| named.resolve(cx)).transpose()?;
    if let Some(method) = &method {
        payment_methods::check_usable(method, customer.as_deref(), "PaymentIntent")?;
    }
    if confirms {
        manner.check_return(cx, &accepts, "PaymentIntent")?;
    }
    let id = ids::new("pi");
    let mut intent = PaymentIntent {
        client_secret: ids::client_secret(&id),
        id,
        amount,
        amount_capturable: 0,
        amount_received: 0,
        accepts,
        authenticated: false,
        canceled_at: None,
        cancellation_reason: None,
        capture_method: capture_method.unwrap_or_else(|| "automatic_async".to_owned()),
        confirmation_method: confirmation_method.unwrap_or_else(|| "automatic".to_owned()),
        created: cx.now(),
        currency,
        customer,
        description: None,
        last_payment_error: None,
        latest_charge: None,
        metadata: Metadata::new(),
        next_action: None,
        payment_method: method.as_ref().map(|method| method.id.clone()),
        receipt_email: None,
        request_three_d_secure: "automatic".to_owned(),
        setup_future_usage: None,
        statement_descriptor: None,
        statement_descriptor_suffix: None,
        status: if method.is_some() {
            Status::RequiresConfirmation
        } else {
            Status::RequiresPaymentMethod
        },
    };
    details.apply(&mut intent);
    if let Some(patch) = metadata {
        patch.apply(&mut intent.metadata)?;
    }
    if confirms && method.is_none() {
        return Err(missing_method());
    }
    cx.world.payment_intents.put(intent.clone());
    cx.emit("payment_intent.created", intent.view());
    match method {
        Some(method) if confirms => {
            payment::attempt(cx, intent, method, &manner).map(|intent| intent.view())
        }
        _ => Ok(intent.view()),
    }
}

/// `GET /v1/payment_intents/:id`
pub(crate) fn retrieve(cx: &mut Context<'_>, id: &str, mut params: Params) -> Answer {
    let intent = at_path(cx, id)?;
    confirm::check_secret(cx, &mut params, &intent.client_secret, "PaymentIntent")?;
    params.finish()?;
    Ok(view(cx, &intent))
}

/// `POST /v1/payment_intents/:id/confirm`
pub(crate) fn confirm(cx: &mut Context<'_>, id: &str, mut params: Params) -> Answer {
    let mut intent = at_path(cx, id)?;
    confirm::check_secret(cx, &mut params, &intent.client_secret, "PaymentIntent")?;
    let types = confirm::take_types(cx, &mut params)?;
    let manner = Manner::take(&mut params, true, "PaymentIntent")?;
    let named = Named::take(&mut params)?;
    let details = Details::take(&mut params, true)?;
    if cx.is_public() {
        for name in ["expected_payment_method_type", "client_attribution_metadata"] {
            params.discard(name);
        }
    }
    params.finish()?;

    match intent.status {
        Status::Succeeded => {
            let message = "You cannot confirm this PaymentIntent because it has already succeeded after being previously confirmed.";
            return Err(wrong_state(&intent, message.to_owned()));
        }
        Status::RequiresCapture => {
            let message = "You cannot confirm this PaymentIntent because it has a status of requires_capture. Only a PaymentIntent with one of the following statuses may be confirmed: requires_confirmation, requires_action.";
            return Err(wrong_state(&intent, message.to_owned()));
        }
        Status::Canceled => {
            let message = "You cannot confirm this PaymentIntent because it has a status of canceled. Only a PaymentIntent with one of the following statuses may be confirmed: requires_confirmation, requires_action.";
            return Err(wrong_state(&intent, message.to_owned()));
        }
        Status::RequiresPaymentMethod | Status::RequiresConfirmation | Status::RequiresAction => {}
    }
    if cx.is_public() && intent.confirmation_method == "manual" {
        let message = "This PaymentIntent's `confirmation_method` is `manual`: it can only be confirmed with a secret key.";
        return Err(wrong_state(&intent, message.to_owned()));
    }
    let method = match (named, &intent.payment_method) {
        (Some(named), _) => named.resolve(cx)?,
        (None, Some(id)) => payment_methods::named(cx, &id.clone())?,
        (None, None) => return Err(missing_method().with_payment_intent(view(cx, &intent))),
    };
    payment_methods::check_usable(&method, intent.customer.as_deref(), "PaymentIntent")
        .map_err(|error| error.with_payment_intent(view(cx, &intent)))?;
    intent.accepts = types.unwrap_or(intent.accepts);
    manner.check_return(cx, &intent.accepts, "PaymentIntent")?;
    if intent.payment_method.as_deref() != Some(&method.id) {
        // Authentication is of one card.
        intent.authenticated = false;
    }
    details.apply(&mut intent);
    intent.payment_method = Some(method.id.clone());
    let intent = payment::attempt(cx, intent, method, &manner)?;
    Ok(view(cx, &intent))
}

/// `POST /v1/payment_intents/:id`
pub(crate) fn update(cx: &mut Context<'_>, id: &str, mut params: Params) -> Answer {
    let mut intent = at_path(cx, id)?;
    let types = confirm::take_types(cx, &mut params)?;
    let amount = params.positive("amount")?;
    let currency = params.text("currency")?.map(|text| currency::parse(&text)).transpose()?;
    let customer = params.text("customer")?;
    let named = Named::take(&mut params)?;
    let metadata = params.metadata()?;
    let details = Details::take(&mut params, false)?;
    params.finish()?;

    let open = matches!(
        intent.status,
        Status::RequiresPaymentMethod | Status::RequiresConfirmation | Status::RequiresAction
    );
    for (name, given) in [
        ("amount", amount.is_some()),
        ("currency", currency.is_some()),
        ("customer", customer.is_some()),
        ("payment_method", named.is_some()),
        ("setup_future_usage", details.setup_future_usage.is_some()),
    ] {
        if given && !open {
            let message = format!(
                "This PaymentIntent's {name} could not be updated because it has a status of {}. You may only update the {name} of a PaymentIntent with one of the following statuses: requires_payment_method, requires_confirmation, requires_action.",
                intent.status.as_str()
            );
            return Err(wrong_state(&intent, message));
        }
    }
    if let Some(customer) = customer {
        customers::named(cx, &customer)?;
        if intent.customer.as_ref().is_some_and(|before| *before != customer) {
            let message = "You cannot modify `customer` on a PaymentIntent once it already has been set. To fulfill a payment with a different Customer, cancel this PaymentIntent and create a new one.";
            return Err(ApiError::refused(None, message).param("customer"));
        }
        intent.customer = Some(customer);
    }
    intent.accepts = types.unwrap_or(intent.accepts);
    intent.amount = amount.unwrap_or(intent.amount);
    intent.currency = currency.unwrap_or(intent.currency);
    currency::check_charge(intent.amount, &intent.currency)?;
    if let Some(named) = named {
        let method = named.resolve(cx)?;
        payment_methods::check_usable(&method, intent.customer.as_deref(), "PaymentIntent")?;
        intent.payment_method = Some(method.id);
        intent.status = Status::RequiresConfirmation;
        intent.next_action = None;
        intent.authenticated = false;
    }
    details.apply(&mut intent);
    if let Some(patch) = metadata {
        patch.apply(&mut intent.metadata)?;
    }
    cx.world.payment_intents.put(intent.clone());
    Ok(intent.view())
}

/// `POST /v1/payment_intents/:id/cancel`
pub(crate) fn cancel(cx: &mut Context<'_>, id: &str, mut params: Params) -> Answer {
    let mut intent = at_path(cx, id)?;
    let reasons = ["abandoned", "duplicate", "fraudulent", "requested_by_customer"];
    let reason = params.choice("cancellation_reason", &reasons)?;
    params.finish()?;
    if matches!(intent.status, Status::Succeeded | Status::Canceled) {
        let message = format!(
            "You cannot cancel this PaymentIntent because it has a status of {}. Only a PaymentIntent with one of the following statuses may be canceled: requires_payment_method, requires_capture, requires_confirmation, requires_action, processing.",
            intent.status.as_str()
        );
        return Err(wrong_state(&intent, message));
    }
    if intent.status == Status::RequiresCapture
        && let Some(mut charge) =
            intent.latest_charge.as_ref().and_then(|id| cx.world.charges.get(id)).cloned()
    {
        charge.released = true;
        cx.world.charges.put(charge.clone());
        cx.emit("charge.refunded", charge.view());
    }
    intent.status = Status::Canceled;
    intent.canceled_at = Some(cx.now());
    intent.cancellation_reason = reason;
    intent.amount_capturable = 0;
    intent.next_action = None;
    cx.world.payment_intents.put(intent.clone());
    cx.emit("payment_intent.canceled", intent.view());
    Ok(intent.view())
}

/// `POST /v1/payment_intents/:id/capture`
pub(crate) fn capture(cx: &mut Context<'_>, id: &str, mut params: Params) -> Answer {
    let mut intent = at_path(cx, id)?;
    let amount = params.positive("amount_to_capture")?;
    let metadata = params.metadata()?;
    params.finish()?;
    let charge = intent.latest_charge.as_ref().and_then(|id| cx.world.charges.get(id)).cloned();
    let (Status::RequiresCapture, Some(mut charge)) = (intent.status, charge) else {
        let message = format!(
            "This PaymentIntent could not be captured because it has a status of {}. Only a PaymentIntent with one of the following statuses may be captured: requires_capture.",
            intent.status.as_str()
        );
        return Err(wrong_state(&intent, message));
    };
    let amount = amount.unwrap_or(intent.amount_capturable);
    currency::check_step(amount, &intent.currency)?;
    if amount > intent.amount_capturable {
        let message = format!(
            "The amount ({}) you attempted to capture is greater than the amount ({}) that can be captured.",
            amount, intent.amount_capturable
        );
        return Err(ApiError::refused(Some("amount_too_large"), message).param("amount_to_capture"));
    }
    if let Some(patch) = metadata {
        patch.apply(&mut intent.metadata)?;
    }
    charge.captured = true;
    charge.amount_captured = amount;
    charge.balance_transaction = Some(ids::new("txn"));
    intent.status = Status::Succeeded;
    intent.amount_capturable = 0;
    intent.amount_received = amount;
    cx.world.charges.put(charge.clone());
    cx.world.payment_intents.put(intent.clone());
    cx.emit("charge.captured", charge.view());
    cx.emit("payment_intent.succeeded", intent.view());
    Ok(intent.view())
}

/// `GET /v1/payment_intents`
pub(crate) fn list(cx: &mut Context<'_>, _id: &str, mut params: Params) -> Answer {
    let customer = params.text("customer")?;
    let created = params.created()?;
    let page = Page::take(&mut params)?;
    params.finish()?;
    page.of(
        &cx.world.payment_intents,
        ("/v1/payment_intents", "payment_intent"),
        |intent| {
            created.contains(intent.created)
                && customer.as_ref().is_none_or(|id| intent.customer.as_ref() == Some(id))
        },
        PaymentIntent::view,
    )
}

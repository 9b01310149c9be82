//! `/v1/setup_intents`. Source: docs.stripe.com/api/setup_intents.

use serde_json::Value;

use crate::api::confirm::{self, Manner, Named};
use crate::api::{customers, payment_methods};
use crate::context::{Answer, Context};
use crate::error::ApiError;
use crate::ids;
use crate::list::Page;
use crate::metadata::Metadata;
use crate::objects::setup_intent::{SetupIntent, SetupStatus};
use crate::params::Params;
use crate::setup;

/// The code of every refusal that is for the intent's status.
const WRONG_STATE: Option<&str> = Some("setup_intent_unexpected_state");

/// The intent in a path.
fn at_path(cx: &Context<'_>, id: &str) -> Result<SetupIntent, ApiError> {
    cx.world
        .setup_intents
        .get(id)
        .cloned()
        .ok_or_else(|| ApiError::no_such("setupintent", id, "intent"))
}

fn view(cx: &Context<'_>, intent: &SetupIntent) -> Value {
    if cx.is_public() { intent.public_view() } else { intent.view() }
}

fn wrong_state(intent: &SetupIntent, message: String) -> ApiError {
    ApiError::refused(WRONG_STATE, message).with_setup_intent(intent.view())
}

fn missing_method() -> ApiError {
    ApiError::refused(
        WRONG_STATE,
        "You cannot confirm this SetupIntent because it's missing a payment method. Update the SetupIntent with a payment method and then confirm it again.",
    )
}

/// `POST /v1/setup_intents`
pub(crate) fn create(cx: &mut Context<'_>, _id: &str, mut params: Params) -> Answer {
    let accepts = confirm::take_accepts(cx, &mut params)?;
    let confirms = params.boolean("confirm")?.unwrap_or_default();
    let manner = Manner::take(&mut params, confirms, "SetupIntent")?;
    let customer = params.text("customer")?;
    let named = Named::take(&mut params)?;
    let description = params.text("description")?;
    let usage = params.choice("usage", &["off_session", "on_session"])?;
    let requested = confirm::take_options(&mut params)?;
    let metadata = params.metadata()?;
    params.finish()?;

    if let Some(customer) = &customer {
        customers::named(cx, customer)?;
    }
    let method = named.map(|named| named.resolve(cx)).transpose()?;
    if let Some(method) = &method {
        payment_methods::check_usable(method, customer.as_deref(), "SetupIntent")?;
    }
    if confirms {
        manner.check_return(cx, &accepts, "SetupIntent")?;
    }
    let id = ids::new("seti");
    let mut intent = SetupIntent {
        client_secret: ids::client_secret(&id),
        id,
        accepts,
        cancellation_reason: None,
        created: cx.now(),
        customer,
        description,
        last_setup_error: None,
        latest_attempt: None,
        metadata: Metadata::new(),
        next_action: None,
        payment_method: method.as_ref().map(|method| method.id.clone()),
        request_three_d_secure: requested.unwrap_or_else(|| "automatic".to_owned()),
        status: if method.is_some() {
            SetupStatus::RequiresConfirmation
        } else {
            SetupStatus::RequiresPaymentMethod
        },
        usage: usage.unwrap_or_else(|| "off_session".to_owned()),
    };
    if let Some(patch) = metadata {
        patch.apply(&mut intent.metadata)?;
    }
    if confirms && method.is_none() {
        return Err(missing_method());
    }
    cx.world.setup_intents.put(intent.clone());
    cx.emit("setup_intent.created", intent.view());
    match method {
        Some(method) if confirms => {
            setup::attempt(cx, intent, method, &manner, false).map(|intent| intent.view())
        }
        _ => Ok(intent.view()),
    }
}

/// `GET /v1/setup_intents/:id`
pub(crate) fn retrieve(cx: &mut Context<'_>, id: &str, mut params: Params) -> Answer {
    let intent = at_path(cx, id)?;
    confirm::check_secret(cx, &mut params, &intent.client_secret, "SetupIntent")?;
    params.finish()?;
    Ok(view(cx, &intent))
}

/// `POST /v1/setup_intents/:id/confirm`
pub(crate) fn confirm(cx: &mut Context<'_>, id: &str, mut params: Params) -> Answer {
    let mut intent = at_path(cx, id)?;
    confirm::check_secret(cx, &mut params, &intent.client_secret, "SetupIntent")?;
    let types = confirm::take_types(cx, &mut params)?;
    let manner = Manner::take(&mut params, true, "SetupIntent")?;
    let named = Named::take(&mut params)?;
    if let Some(requested) = confirm::take_options(&mut params)? {
        intent.request_three_d_secure = requested;
    }
    if cx.is_public() {
        for name in ["expected_payment_method_type", "client_attribution_metadata"] {
            params.discard(name);
        }
    }
    params.finish()?;

    if matches!(intent.status, SetupStatus::Succeeded | SetupStatus::Canceled) {
        let message = match intent.status {
            SetupStatus::Succeeded => {
                "You cannot confirm this SetupIntent because it has already succeeded.".to_owned()
            }
            other => format!(
                "You cannot confirm this SetupIntent because it has a status of {}.",
                other.as_str()
            ),
        };
        return Err(wrong_state(&intent, message));
    }
    let method = match (named, &intent.payment_method) {
        (Some(named), _) => named.resolve(cx)?,
        (None, Some(id)) => payment_methods::named(cx, &id.clone())?,
        (None, None) => return Err(missing_method().with_setup_intent(view(cx, &intent))),
    };
    payment_methods::check_usable(&method, intent.customer.as_deref(), "SetupIntent")
        .map_err(|error| error.with_setup_intent(view(cx, &intent)))?;
    intent.accepts = types.unwrap_or(intent.accepts);
    manner.check_return(cx, &intent.accepts, "SetupIntent")?;
    let intent = setup::attempt(cx, intent, method, &manner, false)?;
    Ok(view(cx, &intent))
}

/// `POST /v1/setup_intents/:id`
pub(crate) fn update(cx: &mut Context<'_>, id: &str, mut params: Params) -> Answer {
    let mut intent = at_path(cx, id)?;
    let types = confirm::take_types(cx, &mut params)?;
    let customer = params.text("customer")?;
    let description = params.unsettable("description")?;
    let named = Named::take(&mut params)?;
    let metadata = params.metadata()?;
    params.finish()?;
    if matches!(intent.status, SetupStatus::Succeeded | SetupStatus::Canceled)
        && (customer.is_some() || named.is_some())
    {
        let message = format!(
            "This SetupIntent could not be updated because it has a status of {}.",
            intent.status.as_str()
        );
        return Err(wrong_state(&intent, message));
    }
    if let Some(customer) = customer {
        customers::named(cx, &customer)?;
        intent.customer = Some(customer);
    }
    if let Some(named) = named {
        let method = named.resolve(cx)?;
        payment_methods::check_usable(&method, intent.customer.as_deref(), "SetupIntent")?;
        intent.payment_method = Some(method.id);
        intent.status = SetupStatus::RequiresConfirmation;
        intent.next_action = None;
    }
    intent.accepts = types.unwrap_or(intent.accepts);
    if let Some(description) = description {
        intent.description = description;
    }
    if let Some(patch) = metadata {
        patch.apply(&mut intent.metadata)?;
    }
    cx.world.setup_intents.put(intent.clone());
    Ok(intent.view())
}

/// `POST /v1/setup_intents/:id/cancel`
pub(crate) fn cancel(cx: &mut Context<'_>, id: &str, mut params: Params) -> Answer {
    let mut intent = at_path(cx, id)?;
    let reason = params
        .choice("cancellation_reason", &["abandoned", "duplicate", "requested_by_customer"])?;
    params.finish()?;
    if matches!(intent.status, SetupStatus::Succeeded | SetupStatus::Canceled) {
        let message = format!(
            "You cannot cancel this SetupIntent because it has a status of {}. Only a SetupIntent with one of the following statuses may be canceled: requires_payment_method, requires_confirmation, requires_action.",
            intent.status.as_str()
        );
        return Err(wrong_state(&intent, message));
    }
    intent.status = SetupStatus::Canceled;
    intent.cancellation_reason = reason;
    intent.next_action = None;
    cx.world.setup_intents.put(intent.clone());
    cx.emit("setup_intent.canceled", intent.view());
    Ok(intent.view())
}

/// `GET /v1/setup_intents`
pub(crate) fn list(cx: &mut Context<'_>, _id: &str, mut params: Params) -> Answer {
    let customer = params.text("customer")?;
    let method = params.text("payment_method")?;
    let created = params.created()?;
    let page = Page::take(&mut params)?;
    params.finish()?;
    page.of(
        &cx.world.setup_intents,
        ("/v1/setup_intents", "setupintent"),
        |intent| {
            created.contains(intent.created)
                && customer.as_ref().is_none_or(|id| intent.customer.as_ref() == Some(id))
                && method.as_ref().is_none_or(|id| intent.payment_method.as_ref() == Some(id))
        },
        SetupIntent::view,
    )
}

//! `/v1/setup_intents`. Source: docs.stripe.com/api/setup_intents.

use crate::api::{customers, payment_methods};
use crate::context::{Answer, Context};
use crate::error::ApiError;
use crate::ids;
use crate::objects::setup_intent::{SetupIntent, SetupStatus};
use crate::params::Params;
use crate::setup;

/// What Stripe takes for a new SetupIntent besides.
const BESIDES: &[&str] = &[
    "attach_to_self",
    "automatic_payment_methods",
    "confirmation_token",
    "customer_account",
    "description",
    "excluded_payment_method_types",
    "flow_directions",
    "mandate_data",
    "metadata",
    "on_behalf_of",
    "payment_method_configuration",
    "payment_method_data",
    "payment_method_options",
    "payment_method_types",
    "return_url",
    "single_use",
    "use_stripe_sdk",
];

/// The code of every refusal that is for the intent's status.
pub(crate) const WRONG_STATE: Option<&str> = Some("setup_intent_unexpected_state");

/// `POST /v1/setup_intents`, confirmed by the same call.
pub(crate) fn create(cx: &mut Context<'_>, _id: &str, mut params: Params) -> Answer {
    let only_cards = params.only_cards()?;
    let confirms = params.boolean("confirm")?;
    let customer = params.text("customer")?;
    let method = params.text("payment_method")?;
    let usage = params.choice("usage", &["off_session", "on_session"])?;
    params.finish(BESIDES)?;

    if !confirms {
        return Err(ApiError::not_done("leave a SetupIntent unconfirmed: pass confirm=true"));
    }
    if let Some(customer) = &customer {
        customers::check_named(cx, customer)?;
    }
    let method = method.map(|id| payment_methods::named(cx, &id)).transpose()?;
    if let Some(method) = &method {
        payment_methods::check_usable(method, customer.as_deref(), "SetupIntent")?;
    }
    if !only_cards {
        return Err(ApiError::may_redirect("SetupIntent"));
    }
    let method = method.ok_or_else(|| {
        ApiError::refused(
            WRONG_STATE,
            "You cannot confirm this SetupIntent because it's missing a payment method. Update the SetupIntent with a payment method and then confirm it again.",
        )
    })?;
    let id = ids::new("seti");
    let intent = SetupIntent {
        client_secret: ids::client_secret(&id),
        id,
        created: cx.now(),
        customer,
        last_setup_error: None,
        latest_attempt: None,
        next_action: None,
        payment_method: Some(method.id.clone()),
        status: SetupStatus::RequiresConfirmation,
        usage: usage.unwrap_or_else(|| "off_session".to_owned()),
    };
    cx.emit("setup_intent.created", intent.view());
    setup::attempt(cx, intent, method, false).map(|intent| intent.view())
}

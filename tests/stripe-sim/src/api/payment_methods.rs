//! `/v1/payment_methods`. Source: docs.stripe.com/api/payment_methods.

use crate::api::customers;
use crate::auth::ApiKey;
use crate::cards;
use crate::context::{Answer, Context};
use crate::error::ApiError;
use crate::given_card::{self, GivenCard};
use crate::ids;
use crate::issuer::{self, Purpose, Verdict};
use crate::objects::payment_method::{CvcCheck, PaymentMethod, Use};
use crate::params::Params;
use crate::world::KnownCvc;

/// What Stripe takes for a new PaymentMethod of a card besides. What Stripe.js adds about the browser is
/// here, too: the stand-in's own script does not.
const BESIDES: &[&str] = &[
    "allow_redisplay",
    "billing_details",
    "client_attribution_metadata",
    "customer",
    "customer_balance",
    "guid",
    "key",
    "metadata",
    "muid",
    "pasted_fields",
    "payment_method",
    "payment_user_agent",
    "radar_options",
    "referrer",
    "sid",
    "time_on_page",
];

fn new_method(cx: &Context<'_>, card: GivenCard) -> PaymentMethod {
    PaymentMethod {
        id: ids::new("pm"),
        created: cx.now(),
        customer: None,
        exp_month: card.exp_month,
        exp_year: card.exp_year,
        number: card.number,
        cvc: card.cvc,
        cvc_check: CvcCheck::Unchecked,
        usage: Use::Fresh,
    }
}

/// The PaymentMethod that a parameter names. A name such as `pm_card_visa` makes a new one, each time.
pub(crate) fn named(cx: &mut Context<'_>, id: &str) -> Result<PaymentMethod, ApiError> {
    if let Some(number) = cards::by_method_name(id) {
        let method = new_method(cx, given_card::test_card(cx, number));
        cx.world.payment_methods.put(method.clone());
        return Ok(method);
    }
    if id.starts_with("pm_card_") {
        let what = format!("have the test PaymentMethod {id}: make one of the card's number");
        return Err(ApiError::not_done(&what));
    }
    let found = cx.world.payment_methods.get(id).cloned();
    found.ok_or_else(|| ApiError::no_such_param("PaymentMethod", id, "payment_method"))
}

fn at_path(cx: &mut Context<'_>, id: &str) -> Result<PaymentMethod, ApiError> {
    named(cx, id).map_err(|error| match error.status {
        400 => ApiError { status: 404, ..error },
        _ => error,
    })
}

/// Refuses a PaymentMethod that an intent of this customer, or of none, may not use.
/// `noun` is `PaymentIntent` or `SetupIntent`.
pub(crate) fn check_usable(
    method: &PaymentMethod,
    customer: Option<&str>,
    noun: &str,
) -> Result<(), ApiError> {
    let id = &method.id;
    let message = match (&method.customer, customer) {
        (Some(owner), Some(customer)) if owner != customer => format!(
            "The PaymentMethod {id} does not belong to the Customer you supplied {customer}. Please use this PaymentMethod with the Customer that it belongs to instead."
        ),
        (Some(owner), None) if noun == "PaymentIntent" => format!(
            "The `payment_method` parameter supplied {id} belongs to the Customer {owner}. Please include the Customer in the `customer` parameter on the PaymentIntent."
        ),
        (Some(owner), None) => format!(
            "The payment method supplied ({id}) belongs to the Customer {owner}. Please include the Customer in the `customer` parameter on the {noun}."
        ),
        _ if method.usage == Use::Consumed => {
            return Err(ApiError::refused(
                None,
                "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, shared with a connected account without Customer attachment, or was detached from a Customer. It may not be used again. To use a PaymentMethod multiple times, you must attach it to a Customer first.",
            ));
        }
        _ => return Ok(()),
    };
    Err(ApiError::refused(None, message).param("payment_method"))
}

/// Keeps a PaymentMethod with a customer, if its issuer agrees.
fn attach_to(
    cx: &mut Context<'_>,
    mut method: PaymentMethod,
    customer: &str,
) -> Result<PaymentMethod, ApiError> {
    match (method.usage, &method.customer) {
        (Use::Attached, Some(owner)) if owner == customer => return Ok(method),
        (Use::Attached, _) => {
            return Err(ApiError::refused(
                None,
                "The payment method you provided has already been attached to a customer.",
            ));
        }
        (Use::Consumed, _) => {
            return Err(ApiError::refused(
                None,
                "This PaymentMethod was previously used without being attached to a Customer or was detached from a Customer, and may not be used again.",
            ));
        }
        (Use::Fresh, _) => {}
    }
    if let Verdict::Declined(decline) = issuer::ask(cx, &method, Purpose::Attach, false) {
        return Err(ApiError::declined(decline));
    }
    method.customer = Some(customer.to_owned());
    method.usage = Use::Attached;
    method.cvc_check = CvcCheck::Pass;
    cx.world.payment_methods.put(method.clone());
    cx.emit("payment_method.attached", method.view());
    Ok(method)
}

/// `POST /v1/payment_methods`
pub(crate) fn create(cx: &mut Context<'_>, _id: &str, mut params: Params) -> Answer {
    let kind = params.required("type")?;
    if kind != "card" {
        return Err(ApiError::not_done(&format!("have PaymentMethods of the type {kind}")));
    }
    let card = params.object("card")?.ok_or_else(|| ApiError::missing("card"))?;
    let card = given_card::take(card)?;
    params.finish(BESIDES)?;

    let method = new_method(cx, given_card::check(cx, card)?);
    if let Some(cvc) = method.cvc.clone()
        && cx.world.known_cvcs.get(&method.number).is_none()
    {
        cx.world.known_cvcs.put(KnownCvc { number: method.number.clone(), cvc });
    }
    cx.world.payment_methods.put(method.clone());
    Ok(if cx.caller.key == ApiKey::Publishable { method.public_view() } else { method.view() })
}

/// `GET /v1/payment_methods/:id`
pub(crate) fn retrieve(cx: &mut Context<'_>, id: &str, params: Params) -> Answer {
    params.finish(&[])?;
    at_path(cx, id).map(|method| method.view())
}

/// `POST /v1/payment_methods/:id/attach`
pub(crate) fn attach(cx: &mut Context<'_>, id: &str, mut params: Params) -> Answer {
    let customer = params.required("customer")?;
    params.finish(&["customer_account"])?;
    customers::check_named(cx, &customer)?;
    let method = at_path(cx, id)?;
    attach_to(cx, method, &customer).map(|method| method.view())
}

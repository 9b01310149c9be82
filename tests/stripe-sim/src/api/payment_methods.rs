//! `/v1/payment_methods`. Source: docs.stripe.com/api/payment_methods.

use crate::api::customers;
use crate::cards;
use crate::context::{Answer, Context};
use crate::error::ApiError;
use crate::given_card::{self, GivenCard};
use crate::ids;
use crate::issuer::{self, Purpose, Question, Verdict};
use crate::list::Page;
use crate::metadata::Metadata;
use crate::objects::billing::BillingDetails;
use crate::objects::payment_method::{CvcCheck, PaymentMethod, Use};
use crate::params::Params;
use crate::world::KnownCvc;

/// What Stripe.js adds about the browser; it changes nothing.
const BROWSER_FIELDS: &[&str] = &[
    "client_attribution_metadata",
    "guid",
    "muid",
    "pasted_fields",
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
        allow_redisplay: "unspecified".to_owned(),
        billing_details: BillingDetails::default(),
        metadata: Metadata::new(),
        exp_month: card.exp_month,
        exp_year: card.exp_year,
        number: card.number,
        cvc: card.cvc,
        cvc_check: CvcCheck::Unchecked,
        usage: Use::Fresh,
        set_up: false,
    }
}

/// The PaymentMethod that a parameter names. A name such as `pm_card_visa` makes a new one, each time.
pub(crate) fn named(cx: &mut Context<'_>, id: &str) -> Result<PaymentMethod, ApiError> {
    if let Some(card) = cards::by_method_name(id) {
        let method = new_method(cx, given_card::test_card(cx, card));
        cx.world.payment_methods.put(method.clone());
        return Ok(method);
    }
    let found = cx.world.payment_methods.get(id).cloned();
    found.ok_or_else(|| ApiError::no_such_param("PaymentMethod", id, "payment_method"))
}

/// The same, of a path.
fn at_path(cx: &mut Context<'_>, id: &str) -> Result<PaymentMethod, ApiError> {
    named(cx, id).map_err(|error| ApiError { status: 404, ..error })
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
pub(crate) fn attach_to(
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
    let question = Question {
        purpose: Purpose::Attach,
        authenticated: false,
        three_d_secure_requested: false,
    };
    if let Verdict::Declined(decline) = issuer::ask(cx, &method, question) {
        return Err(ApiError::card(
            decline.code,
            Some(decline.decline_code),
            decline.message,
            decline.param,
        ));
    }
    method.customer = Some(customer.to_owned());
    method.usage = Use::Attached;
    method.cvc_check = CvcCheck::Pass;
    cx.world.payment_methods.put(method.clone());
    cx.emit("payment_method.attached", method.view());
    Ok(method)
}

/// `POST /v1/payment_methods`
pub(crate) fn create(cx: &mut Context<'_>, _id: &str, params: Params) -> Answer {
    let method = create_from(cx, params)?;
    Ok(if cx.is_public() { method.public_view() } else { method.view() })
}

/// Makes a PaymentMethod from its parameters: of its own endpoint, or `payment_method_data` of an intent's.
pub(crate) fn create_from(
    cx: &mut Context<'_>,
    mut params: Params,
) -> Result<PaymentMethod, ApiError> {
    let kind = params.required("type")?;
    if kind != "card" {
        let message = format!(
            "The payment method type \"{kind}\" is invalid. Please ensure the provided type is activated in your dashboard (https://dashboard.stripe.com/account/payments/settings) and your account is enabled for any preview features that you are trying to use."
        );
        return Err(ApiError::parameter(&params.name("type"), None, message));
    }
    let mut billing_details = BillingDetails::default();
    if let Some(fields) = params.object("billing_details")? {
        billing_details.update(fields)?;
    }
    let metadata = params.metadata()?;
    let redisplay = params.choice("allow_redisplay", &["always", "limited", "unspecified"])?;
    let card_name = params.name("card");
    let card = params.object("card")?.ok_or_else(|| ApiError::missing(&card_name))?;
    if cx.is_public() {
        for name in BROWSER_FIELDS {
            params.discard(name);
        }
    }
    let card = given_card::take(cx, card)?;
    params.finish()?;

    let mut method = new_method(cx, given_card::check(cx, card)?);
    method.billing_details = billing_details;
    if let Some(redisplay) = redisplay {
        method.allow_redisplay = redisplay;
    }
    if let Some(patch) = metadata {
        patch.apply(&mut method.metadata)?;
    }
    if let Some(cvc) = method.cvc.clone()
        && cx.world.known_cvcs.get(&method.number).is_none()
    {
        cx.world.known_cvcs.put(KnownCvc { number: method.number.clone(), cvc });
    }
    cx.world.payment_methods.put(method.clone());
    Ok(method)
}

/// `GET /v1/payment_methods/:id`
pub(crate) fn retrieve(cx: &mut Context<'_>, id: &str, params: Params) -> Answer {
    params.finish()?;
    at_path(cx, id).map(|method| method.view())
}

/// `POST /v1/payment_methods/:id`
pub(crate) fn update(cx: &mut Context<'_>, id: &str, mut params: Params) -> Answer {
    let mut method = at_path(cx, id)?;
    let metadata = params.metadata()?;
    if let Some(fields) = params.object("billing_details")? {
        method.billing_details.update(fields)?;
    }
    if let Some(mut card) = params.object("card")? {
        method.exp_month = card.integer("exp_month")?.unwrap_or(method.exp_month);
        method.exp_year = card.integer("exp_year")?.unwrap_or(method.exp_year);
        card.finish()?;
    }
    params.finish()?;
    if method.customer.is_none() {
        return Err(ApiError::refused(
            None,
            "You must save this PaymentMethod to a customer before you can update it.",
        ));
    }
    if let Some(patch) = metadata {
        patch.apply(&mut method.metadata)?;
    }
    let view = method.view();
    cx.world.payment_methods.put(method);
    cx.emit("payment_method.updated", view.clone());
    Ok(view)
}

/// `POST /v1/payment_methods/:id/attach`
pub(crate) fn attach(cx: &mut Context<'_>, id: &str, mut params: Params) -> Answer {
    let customer = params.required("customer")?;
    params.finish()?;
    customers::named(cx, &customer)?;
    let method = at_path(cx, id)?;
    attach_to(cx, method, &customer).map(|method| method.view())
}

/// `POST /v1/payment_methods/:id/detach`: it can never be used again.
pub(crate) fn detach(cx: &mut Context<'_>, id: &str, params: Params) -> Answer {
    params.finish()?;
    let mut method = at_path(cx, id)?;
    if method.usage != Use::Attached {
        let message = "The payment method you provided is not attached to a customer so detachment is impossible.";
        return Err(ApiError::refused(None, message));
    }
    method.customer = None;
    method.usage = Use::Consumed;
    let view = method.view();
    cx.world.payment_methods.put(method);
    cx.emit("payment_method.detached", view.clone());
    Ok(view)
}

/// `GET /v1/payment_methods?customer=`
pub(crate) fn list(cx: &mut Context<'_>, _id: &str, mut params: Params) -> Answer {
    let customer = params.required("customer")?;
    customers::named(cx, &customer)?;
    page(cx, &customer, "/v1/payment_methods", params)
}

/// `GET /v1/customers/:id/payment_methods`
pub(crate) fn list_of_customer(cx: &mut Context<'_>, id: &str, params: Params) -> Answer {
    let url = format!("/v1/customers/{id}/payment_methods");
    customers::named(cx, id).map_err(|error| ApiError { status: 404, ..error })?;
    page(cx, id, &url, params)
}

fn page(cx: &Context<'_>, customer: &str, url: &str, mut params: Params) -> Answer {
    let kind = params.text("type")?;
    let page = Page::take(&mut params)?;
    params.finish()?;
    page.of(
        &cx.world.payment_methods,
        (url, "PaymentMethod"),
        |method| {
            method.customer.as_deref() == Some(customer)
                && kind.as_ref().is_none_or(|kind| kind == "card")
        },
        PaymentMethod::view,
    )
}

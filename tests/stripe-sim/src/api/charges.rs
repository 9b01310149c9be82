//! `/v1/charges`: made by PaymentIntents only. Source: docs.stripe.com/api/charges.

use crate::context::{Answer, Context};
use crate::error::ApiError;
use crate::list::Page;
use crate::objects::charge::Charge;
use crate::params::Params;

/// `GET /v1/charges/:id`
pub(crate) fn retrieve(cx: &mut Context<'_>, id: &str, params: Params) -> Answer {
    params.finish()?;
    cx.world.charges.get(id).map(Charge::view).ok_or_else(|| ApiError::no_such("charge", id, "id"))
}

/// `GET /v1/charges`
pub(crate) fn list(cx: &mut Context<'_>, _id: &str, mut params: Params) -> Answer {
    let customer = params.text("customer")?;
    let intent = params.text("payment_intent")?;
    let created = params.created()?;
    let page = Page::take(&mut params)?;
    params.finish()?;
    page.of(
        &cx.world.charges,
        ("/v1/charges", "charge"),
        |charge| {
            created.contains(charge.created)
                && customer.as_ref().is_none_or(|id| charge.customer.as_ref() == Some(id))
                && intent.as_ref().is_none_or(|id| charge.payment_intent == *id)
        },
        Charge::view,
    )
}

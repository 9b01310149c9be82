//! `/v1/shared_payment/granted_tokens` and its test helpers, in preview versions only.
//! Source: docs.stripe.com/agentic-commerce/concepts/shared-payment-tokens and …/agentic-commerce/testing.

use crate::api::payment_methods;
use crate::context::{Answer, Context};
use crate::currency;
use crate::error::ApiError;
use crate::ids;
use crate::objects::granted_token::{GrantedToken, Reason};
use crate::objects::payment_method::{CvcCheck, PaymentMethod, Use};
use crate::params::Params;

/// For so long a token is good that says nothing of it.
const USUAL_LIFE: i64 = 24 * 3600;
/// The longest life, from now.
const LONGEST_LIFE: i64 = 90 * 24 * 3600;
/// From this version on the helpers do not take `seller_details`.
const WITHOUT_SELLER: &str = "2026-07";

/// Other versions do not have these addresses.
fn in_preview(cx: &Context<'_>, call: &str) -> Result<(), ApiError> {
    if cx.caller.is_preview() {
        return Ok(());
    }
    let message = format!(
        "Unrecognized request URL ({call}). Please see https://stripe.com/docs or we can help at https://support.stripe.com/."
    );
    Err(ApiError { status: 404, ..ApiError::malformed(message) })
}

/// `POST /v1/test_helpers/shared_payment/granted_tokens`
pub(crate) fn create(cx: &mut Context<'_>, _id: &str, mut params: Params) -> Answer {
    in_preview(cx, "POST: /v1/test_helpers/shared_payment/granted_tokens")?;
    let method = params.required("payment_method")?;
    let mut limits =
        params.object("usage_limits")?.ok_or_else(|| ApiError::missing("usage_limits"))?;
    let currency = currency::parse(&limits.required("currency")?)?;
    let max_amount = limits
        .positive("max_amount")?
        .ok_or_else(|| ApiError::missing("usage_limits[max_amount]"))?;
    let now = cx.now();
    let expires_at =
        limits.integer("expires_at")?.unwrap_or_else(|| now.saturating_add(USUAL_LIFE));
    limits.finish(&[])?;
    if expires_at <= now || expires_at > now.saturating_add(LONGEST_LIFE) {
        let message = "The expires_at must be in the future, and at most 90 days ahead.";
        return Err(ApiError::parameter("usage_limits[expires_at]", None, message));
    }
    if cx.caller.version.as_deref().is_some_and(|version| version < WITHOUT_SELLER)
        && let Some(mut seller) = params.object("seller_details")?
    {
        let network = seller.text("network_id")?;
        seller.text("external_id")?;
        seller.finish(&[])?;
        check_network(network.as_deref())?;
    }
    let shared_metadata = params.metadata_at("shared_metadata")?;
    params.finish(&["customer"])?;
    let method = payment_methods::named(cx, &method)?;
    let token = GrantedToken {
        id: ids::new("spt"),
        agent: cx.caller.profile.clone(),
        created: now,
        deactivated: None,
        method,
        concealed: false,
        shared_metadata,
        currency,
        expires_at,
        max_amount,
        captured: 0,
    };
    cx.world.granted_tokens.put(token.clone());
    Ok(token.view())
}

/// A token is for one seller: here there is only one, in test mode.
fn check_network(network: Option<&str>) -> Result<(), ApiError> {
    let own = |id: &str| id == "internal" || id.starts_with("profile_test_");
    if network.is_none_or(own) {
        return Ok(());
    }
    let id = network.unwrap_or_default();
    let message = format!("The livemode of the API request and the network_id {id} do not match.");
    Err(ApiError::refused(None, message).param("seller_details[network_id]"))
}

fn at_path(cx: &Context<'_>, id: &str) -> Result<GrantedToken, ApiError> {
    let found = cx.world.granted_tokens.get(id).cloned();
    found.ok_or_else(|| ApiError::no_such("shared_payment_granted_token", id, "id"))
}

/// `GET /v1/shared_payment/granted_tokens/:id`
pub(crate) fn retrieve(cx: &mut Context<'_>, id: &str, params: Params) -> Answer {
    in_preview(cx, &format!("GET: /v1/shared_payment/granted_tokens/{id}"))?;
    params.finish(&[])?;
    let token = at_path(cx, id)?;
    Ok(expire(cx, token).view())
}

/// `POST /v1/test_helpers/shared_payment/granted_tokens/:id/revoke`
pub(crate) fn revoke(cx: &mut Context<'_>, id: &str, params: Params) -> Answer {
    in_preview(cx, &format!("POST: /v1/test_helpers/shared_payment/granted_tokens/{id}/revoke"))?;
    params.finish(&[])?;
    let token = at_path(cx, id)?;
    check_active(&token)?;
    Ok(deactivate(cx, token, Reason::Revoked).view())
}

/// Keeps a token's card from its seller, as Stripe may.
pub(crate) fn conceal(cx: &mut Context<'_>, id: &str) -> Answer {
    let token = GrantedToken { concealed: true, ..at_path(cx, id)? };
    cx.world.granted_tokens.put(token.clone());
    Ok(token.view())
}

fn deactivate(cx: &mut Context<'_>, mut token: GrantedToken, reason: Reason) -> GrantedToken {
    token.deactivated = Some((cx.now(), reason));
    cx.world.granted_tokens.put(token.clone());
    if reason != Reason::Consumed {
        cx.emit("shared_payment.granted_token.deactivated", token.view());
    }
    token
}

/// A token whose time is over is noticed when it is looked at.
fn expire(cx: &mut Context<'_>, token: GrantedToken) -> GrantedToken {
    if token.deactivated.is_none() && token.expires_at <= cx.now() {
        return deactivate(cx, token, Reason::Expired);
    }
    token
}

fn check_active(token: &GrantedToken) -> Result<(), ApiError> {
    if token.deactivated.is_none() {
        return Ok(());
    }
    Err(ApiError::refused(
        None,
        "The shared payment granted token cannot be used because it is already in a deactivated state.",
    ))
}

/// The PaymentMethod that a charge of a token makes in the seller's account.
pub(crate) fn clone_method(
    cx: &mut Context<'_>,
    id: &str,
    amount: i64,
    currency: &str,
) -> Result<PaymentMethod, ApiError> {
    let token = at_path(cx, id)?;
    let token = expire(cx, token);
    check_active(&token)?;
    if token.currency != currency {
        let message = format!(
            "The currency {currency} does not match the currency of the shared payment granted token, {}.",
            token.currency
        );
        return Err(ApiError::refused(None, message));
    }
    if amount > token.max_amount.saturating_sub(token.captured) {
        return Err(ApiError::refused(
            None,
            "The requested amount is greater than the remaining amount capturable with this shared payment granted token.",
        ));
    }
    let method = PaymentMethod {
        id: ids::new("pm"),
        created: cx.now(),
        customer: None,
        usage: Use::Fresh,
        cvc_check: CvcCheck::Unchecked,
        ..token.method
    };
    cx.world.payment_methods.put(method.clone());
    Ok(method)
}

/// A charge succeeded: a token is good for one, whatever it leaves.
pub(crate) fn consume(cx: &mut Context<'_>, id: &str, amount: i64) {
    if let Some(mut token) = cx.world.granted_tokens.get(id).cloned() {
        token.captured = token.captured.saturating_add(amount);
        deactivate(cx, token, Reason::Consumed);
    }
}

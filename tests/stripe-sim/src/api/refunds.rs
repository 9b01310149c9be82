//! `/v1/refunds`. Source: docs.stripe.com/api/refunds, docs.stripe.com/refunds.

use crate::api::payment_intents::WRONG_STATE;
use crate::context::{Answer, Context};
use crate::currency;
use crate::error::ApiError;
use crate::ids;
use crate::list::Page;
use crate::objects::charge::Charge;
use crate::objects::dispute::DisputeStatus;
use crate::objects::payment_intent::Status;
use crate::objects::refund::Refund;
use crate::params::Params;

/// What Stripe takes for a new refund besides.
const BESIDES: &[&str] = &[
    "charge",
    "currency",
    "customer",
    "instructions_email",
    "origin",
    "refund_application_fee",
    "reverse_transfer",
];

/// `POST /v1/refunds`
pub(crate) fn create(cx: &mut Context<'_>, _id: &str, mut params: Params) -> Answer {
    let intent = params.text("payment_intent")?;
    let amount = params.positive("amount")?;
    let reason = params.choice("reason", &["duplicate", "fraudulent", "requested_by_customer"])?;
    let metadata = params.metadata()?;
    params.finish(BESIDES)?;

    let intent = intent.ok_or_else(|| {
        let message = "One of the following params should be provided for this request: payment_intent or charge.";
        ApiError::parameter("payment_intent", Some("parameter_missing"), message)
    })?;
    let mut charge = charge_of(cx, &intent)?;
    let disputed = cx.world.disputes.newest_first().any(|dispute| {
        dispute.charge == charge.id
            && matches!(dispute.status, DisputeStatus::NeedsResponse | DisputeStatus::Lost)
    });
    if disputed {
        let message = format!("Charge {} has been charged back; cannot issue a refund.", charge.id);
        return Err(ApiError::refused(Some("charge_disputed"), message));
    }
    let amount = check_amount(&charge, amount)?;
    let refund = Refund {
        id: ids::new("re"),
        amount,
        balance_transaction: ids::new("txn"),
        charge: charge.id.clone(),
        created: cx.now(),
        currency: charge.currency.clone(),
        failure_balance_transaction: None,
        metadata,
        payment_intent: intent,
        reason,
    };
    let before = charge.amount_refunded;
    charge.amount_refunded = before.saturating_add(amount);
    cx.world.charges.put(charge.clone());
    cx.world.refunds.put(refund.clone());
    cx.emit("refund.created", refund.view());
    cx.emit_change(
        "charge.refunded",
        charge.view(),
        Some(serde_json::json!({"amount_refunded": before})),
    );
    Ok(refund.view())
}

fn charge_of(cx: &Context<'_>, id: &str) -> Result<Charge, ApiError> {
    let found = cx.world.payment_intents.get(id);
    let intent =
        found.ok_or_else(|| ApiError::no_such_param("payment_intent", id, "payment_intent"))?;
    let charge = intent.latest_charge.as_ref().filter(|_| intent.status == Status::Succeeded);
    charge.and_then(|id| cx.world.charges.get(id)).cloned().ok_or_else(|| {
        let message =
            format!("This PaymentIntent ({id}) does not have a successful charge to refund.");
        ApiError::refused(WRONG_STATE, message).param("payment_intent")
    })
}

/// The amount to refund, if the charge has that much left.
fn check_amount(charge: &Charge, amount: Option<i64>) -> Result<i64, ApiError> {
    let left = charge.refundable();
    if left == 0 {
        let message = format!("Charge {} has already been refunded.", charge.id);
        return Err(ApiError::refused(Some("charge_already_refunded"), message));
    }
    let amount = amount.unwrap_or(left);
    currency::check_step(amount, &charge.currency)?;
    if amount > left {
        // Without a code, as Stripe has it.
        let message = format!(
            "Refund amount ({}) is greater than unrefunded amount on charge ({})",
            currency::spell(amount, &charge.currency),
            currency::spell(left, &charge.currency)
        );
        return Err(ApiError::refused(None, message).param("amount"));
    }
    Ok(amount)
}

/// `GET /v1/refunds`
pub(crate) fn list(cx: &mut Context<'_>, _id: &str, mut params: Params) -> Answer {
    let intent = params.text("payment_intent")?;
    let since = params.created_since()?;
    let page = Page::take(&mut params)?;
    params.finish(&["charge"])?;
    page.of(
        &cx.world.refunds,
        ("/v1/refunds", "refund"),
        |refund| {
            refund.created >= since && intent.as_ref().is_none_or(|id| refund.payment_intent == *id)
        },
        Refund::view,
    )
}

/// Plays a refund that the bank sends back: the money is the merchant's again.
/// Source: docs.stripe.com/refunds#failed-refunds.
pub(crate) fn fail(cx: &mut Context<'_>, id: &str) -> Answer {
    let found = cx.world.refunds.get(id).cloned();
    let mut refund = found.ok_or_else(|| ApiError::no_such("refund", id, "id"))?;
    if refund.failed() {
        return Err(ApiError::refused(None, format!("Refund {id} has failed already.")));
    }
    refund.failure_balance_transaction = Some(ids::new("txn"));
    if let Some(mut charge) = cx.world.charges.get(&refund.charge).cloned() {
        charge.amount_refunded = charge.amount_refunded.saturating_sub(refund.amount);
        cx.world.charges.put(charge);
    }
    let view = refund.view();
    cx.world.refunds.put(refund);
    for kind in ["refund.updated", "charge.refund.updated", "refund.failed"] {
        cx.emit(kind, view.clone());
    }
    Ok(view)
}

//! `/v1/disputes`. Source: docs.stripe.com/api/disputes, docs.stripe.com/disputes/how-disputes-work.

use crate::context::{Answer, Context};
use crate::error::ApiError;
use crate::ids;
use crate::list::Page;
use crate::number;
use crate::objects::charge::Charge;
use crate::objects::dispute::{Dispute, DisputeStatus};
use crate::params::Params;

/// `GET /v1/disputes/:id`
pub(crate) fn retrieve(cx: &mut Context<'_>, id: &str, params: Params) -> Answer {
    params.finish()?;
    cx.world
        .disputes
        .get(id)
        .map(Dispute::view)
        .ok_or_else(|| ApiError::no_such("dispute", id, "id"))
}

/// `GET /v1/disputes`
pub(crate) fn list(cx: &mut Context<'_>, _id: &str, mut params: Params) -> Answer {
    let charge = params.text("charge")?;
    let intent = params.text("payment_intent")?;
    let created = params.created()?;
    let page = Page::take(&mut params)?;
    params.finish()?;
    page.of(
        &cx.world.disputes,
        ("/v1/disputes", "dispute"),
        |dispute| {
            created.contains(dispute.created)
                && charge.as_ref().is_none_or(|id| dispute.charge == *id)
                && intent.as_ref().is_none_or(|id| dispute.payment_intent == *id)
        },
        Dispute::view,
    )
}

/// Opens a dispute of a charge. An inquiry withdraws no money yet.
pub(crate) fn open(
    cx: &mut Context<'_>,
    mut charge: Charge,
    reason: &str,
    amount: Option<i64>,
    inquiry: bool,
) {
    let now = cx.now();
    let dispute = Dispute {
        id: ids::new("dp"),
        amount: amount.unwrap_or(charge.amount_captured),
        charge: charge.id.clone(),
        created: now,
        currency: charge.currency.clone(),
        brand: number::brand(&charge.payment_method.number).name.to_owned(),
        payment_intent: charge.payment_intent.clone(),
        reason: reason.to_owned(),
        status: if inquiry {
            DisputeStatus::WarningNeedsResponse
        } else {
            DisputeStatus::NeedsResponse
        },
        withdrawn: (!inquiry).then(|| (ids::new("txn"), now)),
        reinstated: None,
    };
    charge.disputed = true;
    cx.world.charges.put(charge.clone());
    cx.world.disputes.put(dispute.clone());
    cx.emit("charge.updated", charge.view());
    cx.emit("charge.dispute.created", dispute.view());
    if !inquiry {
        cx.emit("charge.dispute.funds_withdrawn", dispute.view());
    }
}

/// The reasons that a dispute can have.
const REASONS: &[&str] = &[
    "bank_cannot_process",
    "check_returned",
    "credit_not_processed",
    "customer_initiated",
    "debit_not_authorized",
    "duplicate",
    "fraudulent",
    "general",
    "incorrect_account_details",
    "insufficient_funds",
    "noncompliant",
    "product_not_received",
    "product_unacceptable",
    "subscription_canceled",
    "unrecognized",
];

/// Plays a holder who disputes a charge, named by its id or its PaymentIntent's.
pub(crate) fn play_open(
    cx: &mut Context<'_>,
    id: &str,
    reason: &str,
    amount: Option<i64>,
    inquiry: bool,
) -> Answer {
    let latest = cx.world.payment_intents.get(id).and_then(|intent| intent.latest_charge.clone());
    let found = cx.world.charges.get(latest.as_deref().unwrap_or(id)).cloned();
    let charge = found.ok_or_else(|| ApiError::no_such("charge", id, "charge"))?;
    if !REASONS.contains(&reason) {
        return Err(ApiError::parameter(
            "reason",
            None,
            format!("Invalid reason: must be one of {}", REASONS.join(", ")),
        ));
    }
    if charge.disputed
        || !charge.captured
        || amount.is_some_and(|amount| amount < 1 || amount > charge.amount_captured)
    {
        let message = format!(
            "Charge {} cannot be disputed: it was not captured, is disputed already, or is smaller.",
            charge.id
        );
        return Err(ApiError::refused(None, message));
    }
    open(cx, charge, reason, amount, inquiry);
    let newest = cx.world.disputes.newest_first().next().map(Dispute::view);
    newest.ok_or_else(|| ApiError::no_such("dispute", id, "id"))
}

/// Plays the end of a dispute: `won`, `lost` or `warning_closed`.
pub(crate) fn play_close(cx: &mut Context<'_>, id: &str, status: DisputeStatus) -> Answer {
    let found = cx.world.disputes.get(id).cloned();
    let mut dispute = found.ok_or_else(|| ApiError::no_such("dispute", id, "id"))?;
    let fits = match dispute.status {
        DisputeStatus::NeedsResponse => matches!(status, DisputeStatus::Won | DisputeStatus::Lost),
        DisputeStatus::WarningNeedsResponse => status == DisputeStatus::WarningClosed,
        _ => false,
    };
    if !fits {
        return Err(ApiError::refused(None, format!("Dispute {id} cannot be closed like that.")));
    }
    dispute.status = status;
    if status == DisputeStatus::Won {
        dispute.reinstated = Some((ids::new("txn"), cx.now()));
    }
    let view = dispute.view();
    cx.world.disputes.put(dispute);
    cx.emit("charge.dispute.updated", view.clone());
    cx.emit("charge.dispute.closed", view.clone());
    if status == DisputeStatus::Won {
        cx.emit("charge.dispute.funds_reinstated", view.clone());
    }
    Ok(view)
}

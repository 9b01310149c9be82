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
    params.finish(&[])?;
    at_path(cx, id).map(|dispute| dispute.view())
}

fn at_path(cx: &Context<'_>, id: &str) -> Result<Dispute, ApiError> {
    let found = cx.world.disputes.get(id).cloned();
    found.ok_or_else(|| ApiError::no_such("dispute", id, "id"))
}

/// `GET /v1/disputes`
pub(crate) fn list(cx: &mut Context<'_>, _id: &str, mut params: Params) -> Answer {
    let since = params.created_since()?;
    let page = Page::take(&mut params)?;
    params.finish(&["charge", "payment_intent"])?;
    let wanted = |dispute: &Dispute| dispute.created >= since;
    page.of(&cx.world.disputes, ("/v1/disputes", "dispute"), wanted, Dispute::view)
}

/// Opens a dispute of a charge. An inquiry withdraws no money yet.
pub(crate) fn open(
    cx: &mut Context<'_>,
    mut charge: Charge,
    reason: &str,
    inquiry: bool,
) -> Dispute {
    let now = cx.now();
    let dispute = Dispute {
        id: ids::new("dp"),
        amount: charge.amount,
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
    dispute
}

/// Plays a holder who disputes the charge of a PaymentIntent.
pub(crate) fn play_open(cx: &mut Context<'_>, intent: &str, inquiry: bool) -> Answer {
    let latest = cx.world.payment_intents.get(intent).and_then(|it| it.latest_charge.clone());
    let found = cx.world.charges.get(&latest.unwrap_or_default()).cloned();
    let charge = found.ok_or_else(|| ApiError::no_such("charge", intent, "payment_intent"))?;
    if charge.disputed || charge.failure.is_some() {
        let message = format!("Charge {} failed, or is disputed already.", charge.id);
        return Err(ApiError::refused(None, message));
    }
    Ok(open(cx, charge, if inquiry { "general" } else { "fraudulent" }, inquiry).view())
}

/// Plays the end of a dispute.
pub(crate) fn play_close(cx: &mut Context<'_>, id: &str, won: bool) -> Answer {
    let mut dispute = at_path(cx, id)?;
    if dispute.status != DisputeStatus::NeedsResponse {
        return Err(ApiError::refused(None, format!("Dispute {id} cannot be closed like that.")));
    }
    dispute.status = if won { DisputeStatus::Won } else { DisputeStatus::Lost };
    dispute.reinstated = won.then(|| (ids::new("txn"), cx.now()));
    let view = dispute.view();
    cx.world.disputes.put(dispute);
    cx.emit("charge.dispute.updated", view.clone());
    cx.emit("charge.dispute.closed", view.clone());
    if won {
        cx.emit("charge.dispute.funds_reinstated", view.clone());
    }
    Ok(view)
}

//! What is held for refunds, by the movements of an account: pure.

use std::collections::BTreeSet;

use stripe402_protocol::{PaymentIntentId, Units};

use super::{Refunded, hold_name::HoldName, plan::Plan};
use crate::accounting::{Kind, Movement, Posting};

/// Holds of refunds that are neither captured nor released.
pub(crate) fn open_holds(movements: &[Movement]) -> Vec<(HoldName, Units)> {
    let settled = |hold: &str| {
        movements.iter().any(|movement| {
            matches!(movement.posting.kind, Kind::Capture | Kind::Release)
                && movement.posting.reference == hold
        })
    };
    let open = |posting: &Posting| {
        let hold = posting.reference.parse().ok().filter(|_| posting.kind == Kind::Hold)?;
        (!settled(&posting.reference)).then_some((hold, posting.amount))
    };
    movements.iter().filter_map(|movement| open(&movement.posting)).collect()
}

/// What was refunded under this name, and stayed so. A hold that was released because its refund had been
/// taken from the balance before was refunded, too.
pub(super) fn captured(movements: &[Movement], refund: &str) -> Vec<Refunded> {
    let postings = || movements.iter().map(|movement| &movement.posting);
    let is_there = |kind: Kind, reference: &str| {
        postings().any(|other| other.kind == kind && other.reference == reference)
    };
    let went = |posting: &&Posting| {
        let at_stripe = posting.note.as_deref().unwrap_or_default();
        let back = match posting.kind {
            Kind::Capture => true,
            Kind::Release => is_there(Kind::Refund, at_stripe),
            _ => false,
        };
        back && !is_there(Kind::RefundFailed, at_stripe)
    };
    let part = |posting: &Posting| {
        let hold: HoldName = posting.reference.parse().ok()?;
        (hold.refund == refund).then(|| Refunded::to(&hold.intent, posting.amount))
    };
    postings().filter(went).filter_map(part).collect()
}

/// Refunds at Stripe that the books have, by whatever name.
pub(super) fn refunds_in(movements: &[Movement]) -> BTreeSet<String> {
    let known = movements.iter().filter_map(|movement| match movement.posting.kind {
        Kind::Refund => Some(movement.posting.reference.clone()),
        Kind::Capture => movement.posting.note.clone(),
        _ => None,
    });
    known.collect()
}

/// What was planned under this name, if anything was.
pub(super) fn planned(movements: &[Movement], refund: &str) -> Option<Plan> {
    let mut plans = movements.iter().filter_map(|movement| Plan::read(&movement.posting));
    plans.find(|plan| plan.refund == refund)
}

/// A hold of a refund of this PaymentIntent and amount that is open.
pub(super) fn waiting_hold(
    movements: &[Movement],
    intent: &PaymentIntentId,
    amount: Units,
) -> Option<HoldName> {
    let mut open = open_holds(movements).into_iter();
    open.find(|(hold, of)| hold.intent == *intent && *of == amount).map(|(hold, _)| hold)
}

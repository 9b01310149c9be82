//! What is held for refunds, by the names of its movements: pure.

use std::collections::BTreeSet;

use stripe402_protocol::{PaymentIntentId, Units};

use super::Refunded;
use crate::accounting::{Kind, Movement, Posting};

/// What the name of a refund's hold begins with; the PaymentIntent follows.
const HOLD: &str = "refund:";
/// What the name of a refund's plan begins with.
const PLAN: &str = "refund-plan:";
/// A plan of all that was available.
const ALL: &str = "all";
/// Holds of refunds that are neither captured nor released.
pub(crate) fn open_holds(movements: &[Movement]) -> Vec<(String, Units)> {
    let settled = |hold: &str| {
        movements.iter().any(|movement| {
            matches!(movement.posting.kind, Kind::Capture | Kind::Release)
                && movement.posting.reference == hold
        })
    };
    let holds = movements.iter().map(|movement| &movement.posting).filter(|posting| {
        posting.kind == Kind::Hold
            && posting.reference.starts_with(HOLD)
            && !settled(&posting.reference)
    });
    holds.map(|posting| (posting.reference.clone(), posting.amount)).collect()
}

/// What went back by these holds, and stayed there. A hold that was released because its refund had been
/// taken from the balance before went back, too.
pub(super) fn captured(movements: &[Movement], named: impl Fn(&str) -> bool) -> Vec<Refunded> {
    let postings = || movements.iter().map(|movement| &movement.posting);
    let is_there = |kind: Kind, reference: &str| {
        postings().any(|other| other.kind == kind && other.reference == reference)
    };
    let went = |posting: &&Posting| {
        let refund = posting.note.as_deref().unwrap_or_default();
        let back = match posting.kind {
            Kind::Capture => true,
            Kind::Release => is_there(Kind::Refund, refund),
            _ => false,
        };
        back && named(&posting.reference) && !is_there(Kind::RefundFailed, refund)
    };
    let part = |posting: &Posting| {
        let payment_intent = intent_of(&posting.reference)?.as_str().to_owned();
        Some(Refunded { payment_intent, amount: posting.amount })
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

/// What is held for a refund of this name to a card charge.
pub(crate) fn hold_for(intent: &PaymentIntentId, name: &str) -> String {
    format!("{HOLD}{}:{name}:0", intent.as_str())
}

/// The movement that says that a refund of this name was planned, and of how much. It holds nothing.
pub(super) fn plan(name: &str, asked: Option<Units>) -> Posting {
    let note = asked.map_or_else(|| ALL.to_owned(), |asked| asked.to_string());
    let (reference, amount) = (format!("{PLAN}{name}"), Units::ZERO);
    Posting { kind: Kind::Hold, reference, amount, note: Some(note) }
}

/// How much was asked for under this name, if it was.
pub(super) fn planned(movements: &[Movement], name: &str) -> Option<Option<Units>> {
    let reference = format!("{PLAN}{name}");
    let known = movements
        .iter()
        .map(|movement| &movement.posting)
        .find(|posting| posting.kind == Kind::Hold && posting.reference == reference)?;
    let note = known.note.as_deref().unwrap_or(ALL);
    Some(note.parse().ok().and_then(|units| Units::new(units).ok()))
}

/// `refund:<PaymentIntent>:<name>:<number>`.
pub(super) fn name_of(hold: &str) -> Option<&str> {
    hold.strip_prefix(HOLD)?.split(':').nth(1)
}

/// Whether a hold is one of a refund of this PaymentIntent.
pub(crate) fn is_about(hold: &str, intent: &PaymentIntentId) -> bool {
    intent_of(hold).as_ref() == Some(intent)
}

pub(super) fn intent_of(hold: &str) -> Option<PaymentIntentId> {
    hold.strip_prefix(HOLD)?.split(':').next()?.parse().ok()
}

/// A hold of a refund of this PaymentIntent and amount that is open.
pub(super) fn waiting_hold(
    movements: &[Movement],
    intent: &PaymentIntentId,
    amount: Units,
) -> Option<String> {
    let open = open_holds(movements).into_iter();
    open.filter(|(hold, of)| is_about(hold, intent) && *of == amount).map(|(hold, _)| hold).next()
}

//! How a card's issuer answers. Source: docs.stripe.com/testing.

use crate::cards::Outcome;
use crate::context::Context;
use crate::declines::{self, Decline};
use crate::objects::payment_method::PaymentMethod;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To keep the card with a customer, without an intent.
    Attach,
    /// To set the card up for later.
    SetUp,
    /// To pay, with the holder there.
    Charge,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Approved,
    /// The holder has to authenticate first.
    NeedsHolder,
    Declined(&'static Decline),
    /// Stripe's fraud prevention did not ask the issuer.
    Blocked,
}

/// Asks the issuer. `authenticated`: the holder has just gone through 3D Secure.
pub(crate) fn ask(
    cx: &Context<'_>,
    method: &PaymentMethod,
    purpose: Purpose,
    authenticated: bool,
) -> Verdict {
    let Some(card) = method.card() else { return Verdict::Declined(&declines::GENERIC) };
    let charging = purpose == Purpose::Charge;
    if charging && card.outcome == Outcome::Blocked {
        return Verdict::Blocked;
    }
    if has_wrong_cvc(cx, method) {
        return Verdict::Declined(&declines::INCORRECT_CVC);
    }
    if card.asks && !authenticated && purpose != Purpose::Attach {
        return Verdict::NeedsHolder;
    }
    match card.outcome {
        Outcome::Declines(decline) => Verdict::Declined(decline),
        Outcome::DeclinesCharges(decline) if charging => Verdict::Declined(decline),
        _ => Verdict::Approved,
    }
}

/// Whether the PaymentMethod was made with another security code than the number was first seen with:
/// the stand-in's way to play a thief who knows the number only.
fn has_wrong_cvc(cx: &Context<'_>, method: &PaymentMethod) -> bool {
    match (&method.cvc, cx.world.known_cvcs.get(&method.number)) {
        (Some(given), Some(known)) => *given != known.cvc,
        _ => false,
    }
}

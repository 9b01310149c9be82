//! How a card's issuer answers. Source: docs.stripe.com/testing.

use crate::cards::{Authentication, Outcome};
use crate::context::Context;
use crate::declines::{self, Decline};
use crate::objects::payment_method::PaymentMethod;

/// What is asked of the issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To keep the card with a customer, without an intent.
    Attach,
    /// To set the card up for later.
    SetUp,
    /// To pay.
    Charge {
        /// The holder is away.
        off_session: bool,
    },
}

/// What the issuer is asked, and what is known by then.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question {
    pub(crate) purpose: Purpose,
    /// The holder has just gone through 3D Secure.
    pub(crate) authenticated: bool,
    /// The merchant asked for 3D Secure.
    pub(crate) three_d_secure_requested: bool,
}

/// The issuer's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Approved,
    /// The holder has to authenticate first.
    NeedsHolder,
    Declined(&'static Decline),
    /// Stripe's fraud prevention did not ask the issuer.
    Blocked,
}

/// Asks the issuer.
pub(crate) fn ask(cx: &Context<'_>, method: &PaymentMethod, question: Question) -> Verdict {
    let Some(card) = method.card() else { return Verdict::Declined(&declines::GENERIC) };
    let charging = matches!(question.purpose, Purpose::Charge { .. });
    if charging && card.outcome == Outcome::Blocked {
        return Verdict::Blocked;
    }
    if has_wrong_cvc(cx, method) {
        return Verdict::Declined(&declines::INCORRECT_CVC);
    }
    if !question.authenticated && wants_holder(card.authentication, method.set_up, question) {
        return match question.purpose {
            Purpose::Charge { off_session: true } => {
                Verdict::Declined(&declines::AUTHENTICATION_REQUIRED)
            }
            _ => Verdict::NeedsHolder,
        };
    }
    match card.outcome {
        Outcome::Declines(decline) => Verdict::Declined(decline),
        Outcome::DeclinesCharges(decline) if charging => Verdict::Declined(decline),
        _ => Verdict::Approved,
    }
}

fn wants_holder(authentication: Authentication, set_up: bool, question: Question) -> bool {
    let off_session = match question.purpose {
        Purpose::Attach => return false,
        Purpose::SetUp => false,
        Purpose::Charge { off_session } => off_session,
    };
    match authentication {
        Authentication::Unsupported | Authentication::NotEnrolled => false,
        Authentication::Optional => question.three_d_secure_requested,
        Authentication::UnlessSetUp => !(off_session && set_up),
        Authentication::AlreadySetUp => !off_session,
        Authentication::Always => true,
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

//! How issuers refuse. Source: docs.stripe.com/declines/codes, docs.stripe.com/testing#declined-payments.

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decline {
    /// `error.code`
    pub(crate) code: &'static str,
    /// `error.decline_code`
    pub(crate) decline_code: &'static str,
    pub(crate) message: &'static str,
    /// The field of the card to blame.
    pub(crate) param: Option<&'static str>,
}

const fn declined(decline_code: &'static str, message: &'static str) -> Decline {
    Decline { code: "card_declined", decline_code, message, param: None }
}

pub(crate) static GENERIC: Decline = declined("generic_decline", "Your card was declined.");
pub(crate) static INSUFFICIENT_FUNDS: Decline =
    declined("insufficient_funds", "Your card has insufficient funds.");
pub(crate) static LOST: Decline = declined("lost_card", "Your card was declined.");
pub(crate) static STOLEN: Decline = declined("stolen_card", "Your card was declined.");
pub(crate) static FRAUDULENT: Decline = declined("fraudulent", "Your card was declined.");
pub(crate) static VELOCITY: Decline = declined(
    "card_velocity_exceeded",
    "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
);
/// While nobody is there to authenticate.
pub(crate) static AUTHENTICATION_REQUIRED: Decline = Decline {
    code: "authentication_required",
    decline_code: "authentication_required",
    message: "Your card was declined. This transaction requires authentication.",
    param: None,
};
pub(crate) static EXPIRED: Decline = Decline {
    code: "expired_card",
    decline_code: "expired_card",
    message: "Your card has expired.",
    param: Some("exp_month"),
};
pub(crate) static INCORRECT_CVC: Decline = Decline {
    code: "incorrect_cvc",
    decline_code: "incorrect_cvc",
    message: "Your card's security code is incorrect.",
    param: Some("cvc"),
};
pub(crate) static PROCESSING_ERROR: Decline = Decline {
    code: "processing_error",
    decline_code: "processing_error",
    message: "An error occurred while processing your card. Try again in a little bit.",
    param: None,
};
/// A card of the real world, in test mode.
pub(crate) static LIVE_CARD: Decline = declined(
    "test_mode_live_card",
    "Your card was declined. Your request was in test mode, but used a non test (live) card. For a list of valid test cards, visit: https://stripe.com/docs/testing.",
);

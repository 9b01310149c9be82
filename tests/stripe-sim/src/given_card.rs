//! A card as it is given to make a PaymentMethod, and what Stripe sees to be wrong with it by itself.

use crate::cards;
use crate::clock;
use crate::context::Context;
use crate::declines;
use crate::error::ApiError;
use crate::number::{self, BadNumber};
use crate::params::Params;

/// The farthest year of expiry, from now.
const EXPIRY_YEARS: i64 = 50;

pub(crate) struct GivenCard {
    pub(crate) number: String,
    pub(crate) exp_month: i64,
    pub(crate) exp_year: i64,
    pub(crate) cvc: Option<String>,
}

/// The card that a test name stands for, with an expiry a year ahead and no security code.
pub(crate) fn test_card(cx: &Context<'_>, number: &str) -> GivenCard {
    let (year, month) = clock::year_month(cx.now());
    GivenCard {
        number: number.to_owned(),
        exp_month: month,
        exp_year: year.saturating_add(1),
        cvc: None,
    }
}

pub(crate) fn take(mut card: Params) -> Result<GivenCard, ApiError> {
    if card.has("token") {
        return Err(ApiError::not_done("take card[token]: give the card's number"));
    }
    let number = number::normalise(&card.required("number")?);
    let mut date = |key: &str| card.integer(key)?.ok_or_else(|| ApiError::missing(&card.name(key)));
    let exp_month = date("exp_month")?;
    let exp_year = date("exp_year")?;
    let cvc = card.text("cvc")?;
    card.finish(&["card[networks]"])?;
    let exp_year =
        if (0..100).contains(&exp_year) { exp_year.saturating_add(2000) } else { exp_year };
    Ok(GivenCard { number, exp_month, exp_year, cvc })
}

/// Refuses a card that Stripe sees to be wrong by itself. Source: docs.stripe.com/testing#invalid-data.
pub(crate) fn check(cx: &Context<'_>, card: GivenCard) -> Result<GivenCard, ApiError> {
    let refused = |code, message, param| Err(ApiError::card(code, message, Some(param)));
    match number::check(&card.number) {
        Ok(()) => {}
        Err(BadNumber::Form) => {
            return refused(
                "invalid_number",
                "The card number is not a valid credit card number.",
                "number",
            );
        }
        Err(BadNumber::CheckDigit) => {
            return refused("incorrect_number", "Your card number is incorrect.", "number");
        }
    }
    let (year, month) = clock::year_month(cx.now());
    if !(1..=12).contains(&card.exp_month) || (card.exp_year == year && card.exp_month < month) {
        return refused(
            "invalid_expiry_month",
            "Your card's expiration month is invalid.",
            "exp_month",
        );
    }
    if card.exp_year < year || card.exp_year > year.saturating_add(EXPIRY_YEARS) {
        return refused(
            "invalid_expiry_year",
            "Your card's expiration year is invalid.",
            "exp_year",
        );
    }
    if let Some(cvc) = &card.cvc {
        let brand = number::brand(&card.number);
        let digits = cvc.chars().all(|letter| letter.is_ascii_digit());
        if !digits || cvc.len() != brand.cvc_len {
            return refused("invalid_cvc", "Your card's security code is invalid.", "cvc");
        }
    }
    if cards::by_number(&card.number).is_none() {
        return Err(ApiError::declined(&declines::LIVE_CARD));
    }
    Ok(card)
}

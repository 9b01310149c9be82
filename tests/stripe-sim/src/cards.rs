//! Stripe's test cards: what each number does.
//!
//! Source: docs.stripe.com/testing.

use crate::declines::{self, Decline};

/// What happens after, or without, authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Succeeds,
    /// Refused when attached, set up or charged.
    Declines(&'static Decline),
    /// Attached and set up, then refused when charged.
    DeclinesCharges(&'static Decline),
    /// Stripe's fraud prevention stops every charge.
    Blocked,
    /// Charged, then disputed by its holder for this reason.
    Disputed(&'static str),
    /// Charged, then questioned by its holder: an inquiry, with no money withdrawn.
    Inquired,
}

#[derive(Debug)]
pub(crate) struct TestCard {
    pub(crate) number: &'static str,
    pub(crate) funding: &'static str,
    /// Whether its holder has to authenticate (3D Secure) whenever it is charged or set up on session.
    pub(crate) asks: bool,
    pub(crate) outcome: Outcome,
}

/// A card without surprises.
const fn good(number: &'static str, funding: &'static str) -> TestCard {
    TestCard { number, funding, asks: false, outcome: Outcome::Succeeds }
}

const fn does(number: &'static str, outcome: Outcome) -> TestCard {
    TestCard { number, funding: "credit", asks: false, outcome }
}

const fn declines(number: &'static str, decline: &'static Decline) -> TestCard {
    does(number, Outcome::Declines(decline))
}

/// A card whose holder has to authenticate.
const fn asks(number: &'static str, outcome: Outcome) -> TestCard {
    TestCard { asks: true, ..does(number, outcome) }
}

pub(crate) static CARDS: &[TestCard] = &[
    good("4242424242424242", "credit"),
    good("4000056655665556", "debit"),
    good("5555555555554444", "credit"),
    good("2223003122003222", "credit"),
    good("5200828282828210", "debit"),
    good("5105105105105100", "prepaid"),
    good("378282246310005", "credit"),
    good("371449635398431", "credit"),
    good("6011111111111117", "credit"),
    good("6011000990139424", "credit"),
    good("3056930009020004", "credit"),
    good("36227206271667", "credit"),
    good("3566002020360505", "credit"),
    good("6200000000000005", "credit"),
    // 3D Secure if the merchant asks for it, which needs a parameter that the stand-in does not take.
    good("4000000000003055", "credit"),
    declines("4000000000000002", &declines::GENERIC),
    declines("4000000000009995", &declines::INSUFFICIENT_FUNDS),
    declines("4000000000009987", &declines::LOST),
    declines("4000000000009979", &declines::STOLEN),
    declines("4000000000000069", &declines::EXPIRED),
    declines("4000000000000127", &declines::INCORRECT_CVC),
    declines("4000000000000119", &declines::PROCESSING_ERROR),
    declines("4000000000006975", &declines::VELOCITY),
    does("4000000000000341", Outcome::DeclinesCharges(&declines::GENERIC)),
    asks("4000002500003155", Outcome::Succeeds),
    asks("4000002760003184", Outcome::Succeeds),
    asks("4000003800000446", Outcome::Succeeds),
    asks("4000000000003220", Outcome::Succeeds),
    asks("4000008260003178", Outcome::DeclinesCharges(&declines::INSUFFICIENT_FUNDS)),
    asks("4000008400001629", Outcome::DeclinesCharges(&declines::GENERIC)),
    does("4000000000000259", Outcome::Disputed("fraudulent")),
    does("4000000000002685", Outcome::Disputed("product_not_received")),
    does("4000000000001976", Outcome::Inquired),
    does("4100000000000019", Outcome::Blocked),
];

/// Of those that ask, the cards that were set up once and are then charged without their holder.
pub(crate) const OFF_SESSION: [&str; 2] = ["4000002500003155", "4000003800000446"];

/// Any other Visa number that Stripe's own first test card begins.
static ANY_4242: TestCard = good("4242", "credit");

/// The card with this number, if charging it means anything in test mode.
pub(crate) fn by_number(number: &str) -> Option<&'static TestCard> {
    CARDS
        .iter()
        .find(|card| card.number == number)
        .or_else(|| number.starts_with("4242").then_some(&ANY_4242))
}

/// The card number that a test PaymentMethod such as `pm_card_visa` stands for.
pub(crate) fn by_method_name(id: &str) -> Option<&'static str> {
    match id {
        "pm_card_visa" => Some("4242424242424242"),
        "pm_card_mastercard" => Some("5555555555554444"),
        "pm_card_visa_chargeDeclined" => Some("4000000000000002"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number;

    #[test]
    fn every_number_is_valid() {
        for card in CARDS {
            assert_eq!(number::check(card.number), Ok(()), "{}", card.number);
        }
    }

    #[test]
    fn only_test_numbers_are_cards() {
        assert_eq!(by_number("4242420000000000").unwrap().outcome, Outcome::Succeeds);
        assert!(by_number("4111111111111111").is_none());
    }
}

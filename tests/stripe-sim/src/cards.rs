//! Stripe's test cards: what each number does, and its `pm_card_…` and `tok_…` names.
//!
//! Source: docs.stripe.com/testing.

use crate::declines::{self, Decline};

/// The prefix of a test PaymentMethod's name.
const METHOD_PREFIX: &str = "pm_card_";
/// The prefix of a test token's name.
const TOKEN_PREFIX: &str = "tok_";

/// When a card wants its holder to authenticate (3D Secure).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Authentication {
    /// The card does not have 3D Secure.
    Unsupported,
    /// Supported, but the holder is not enrolled: never asked for.
    NotEnrolled,
    /// Never asked for by the issuer; the merchant may ask.
    Optional,
    /// Always, except for off-session payments after it was set up.
    UnlessSetUp,
    /// Only on session: it counts as set up already.
    AlreadySetUp,
    /// On every payment, set up or not.
    Always,
}

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

/// One test card.
#[derive(Debug)]
pub(crate) struct TestCard {
    pub(crate) number: &'static str,
    /// Its names, without the prefix.
    names: &'static [&'static str],
    pub(crate) funding: &'static str,
    pub(crate) authentication: Authentication,
    pub(crate) outcome: Outcome,
}

const fn card(
    number: &'static str,
    names: &'static [&'static str],
    funding: &'static str,
    authentication: Authentication,
    outcome: Outcome,
) -> TestCard {
    TestCard { number, names, funding, authentication, outcome }
}

/// A card without surprises.
const fn good(
    number: &'static str,
    names: &'static [&'static str],
    funding: &'static str,
) -> TestCard {
    card(number, names, funding, Authentication::NotEnrolled, Outcome::Succeeds)
}

/// A card that its issuer refuses.
const fn bad(
    number: &'static str,
    names: &'static [&'static str],
    decline: &'static Decline,
) -> TestCard {
    card(number, names, "credit", Authentication::NotEnrolled, Outcome::Declines(decline))
}

/// The cards that are modelled.
pub(crate) static CARDS: &[TestCard] = &[
    good("4242424242424242", &["visa"], "credit"),
    good("4000056655665556", &["visa_debit"], "debit"),
    good("5555555555554444", &["mastercard"], "credit"),
    good("2223003122003222", &["mastercard_2series"], "credit"),
    good("5200828282828210", &["mastercard_debit"], "debit"),
    good("5105105105105100", &["mastercard_prepaid"], "prepaid"),
    card(
        "378282246310005",
        &["amex", "amex_threeDSecureNotSupported"],
        "credit",
        Authentication::Unsupported,
        Outcome::Succeeds,
    ),
    card("371449635398431", &["amex_2"], "credit", Authentication::Unsupported, Outcome::Succeeds),
    good("6011111111111117", &["discover"], "credit"),
    good("6011000990139424", &["discover_2"], "credit"),
    good("3056930009020004", &["diners"], "credit"),
    good("36227206271667", &["diners_14digits"], "credit"),
    good("3566002020360505", &["jcb"], "credit"),
    good("6200000000000005", &["unionpay"], "credit"),
    bad("4000000000000002", &["visa_chargeDeclined", "chargeDeclined"], &declines::GENERIC),
    bad(
        "4000000000009995",
        &["visa_chargeDeclinedInsufficientFunds", "chargeDeclinedInsufficientFunds"],
        &declines::INSUFFICIENT_FUNDS,
    ),
    bad(
        "4000000000009987",
        &["visa_chargeDeclinedLostCard", "chargeDeclinedLostCard"],
        &declines::LOST,
    ),
    bad(
        "4000000000009979",
        &["visa_chargeDeclinedStolenCard", "chargeDeclinedStolenCard"],
        &declines::STOLEN,
    ),
    bad("4000000000000069", &["chargeDeclinedExpiredCard"], &declines::EXPIRED),
    bad("4000000000000127", &["chargeDeclinedIncorrectCvc"], &declines::INCORRECT_CVC),
    bad("4000000000000119", &["chargeDeclinedProcessingError"], &declines::PROCESSING_ERROR),
    bad(
        "4000000000006975",
        &["visa_chargeDeclinedVelocityLimitExceeded", "chargeDeclinedVelocityLimitExceeded"],
        &declines::VELOCITY,
    ),
    card(
        "4000000000000341",
        &["chargeCustomerFail"],
        "credit",
        Authentication::NotEnrolled,
        Outcome::DeclinesCharges(&declines::GENERIC),
    ),
    card(
        "4000002500003155",
        &["authenticationRequiredOnSetup"],
        "credit",
        Authentication::UnlessSetUp,
        Outcome::Succeeds,
    ),
    card(
        "4000002760003184",
        &["authenticationRequired"],
        "credit",
        Authentication::Always,
        Outcome::Succeeds,
    ),
    card(
        "4000003800000446",
        &["authenticationRequiredSetupForOffSession"],
        "credit",
        Authentication::AlreadySetUp,
        Outcome::Succeeds,
    ),
    card(
        "4000008260003178",
        &["authenticationRequiredChargeDeclinedInsufficientFunds"],
        "credit",
        Authentication::Always,
        Outcome::DeclinesCharges(&declines::INSUFFICIENT_FUNDS),
    ),
    card(
        "4000000000003220",
        &["threeDSecure2Required"],
        "credit",
        Authentication::Always,
        Outcome::Succeeds,
    ),
    card(
        "4000008400001629",
        &["threeDSecureRequiredChargeDeclined"],
        "credit",
        Authentication::Always,
        Outcome::DeclinesCharges(&declines::GENERIC),
    ),
    card(
        "4000000000003055",
        &["threeDSecureOptional"],
        "credit",
        Authentication::Optional,
        Outcome::Succeeds,
    ),
    card(
        "4000000000000259",
        &["createDispute"],
        "credit",
        Authentication::NotEnrolled,
        Outcome::Disputed("fraudulent"),
    ),
    card(
        "4000000000002685",
        &["createDisputeProductNotReceived"],
        "credit",
        Authentication::NotEnrolled,
        Outcome::Disputed("product_not_received"),
    ),
    card(
        "4000000000001976",
        &["createDisputeInquiry"],
        "credit",
        Authentication::NotEnrolled,
        Outcome::Inquired,
    ),
    card(
        "4100000000000019",
        &["radarBlock"],
        "credit",
        Authentication::NotEnrolled,
        Outcome::Blocked,
    ),
];

/// Any other Visa number that Stripe's own first test card begins.
static ANY_4242: TestCard = good("4242", &[], "credit");

/// The card with this number, if charging it means anything in test mode.
pub(crate) fn by_number(number: &str) -> Option<&'static TestCard> {
    CARDS
        .iter()
        .find(|card| card.number == number)
        .or_else(|| number.starts_with("4242").then_some(&ANY_4242))
}

/// The card that a name such as `pm_card_visa` stands for.
pub(crate) fn by_method_name(id: &str) -> Option<&'static TestCard> {
    by_name(id.strip_prefix(METHOD_PREFIX)?)
}

/// The card that a token such as `tok_visa` stands for.
pub(crate) fn by_token(token: &str) -> Option<&'static TestCard> {
    by_name(token.strip_prefix(TOKEN_PREFIX)?)
}

fn by_name(name: &str) -> Option<&'static TestCard> {
    CARDS.iter().find(|card| card.names.contains(&name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::number;

    #[test]
    fn every_number_is_valid_and_every_name_is_one_cards() {
        let mut names = BTreeSet::new();
        for card in CARDS {
            assert_eq!(number::check(card.number), Ok(()), "{}", card.number);
            assert!(!card.names.is_empty(), "{}", card.number);
            for name in card.names {
                assert!(names.insert(*name), "{name} is named twice");
                assert_eq!(by_method_name(&format!("pm_card_{name}")).unwrap().number, card.number);
                assert_eq!(by_token(&format!("tok_{name}")).unwrap().number, card.number);
            }
        }
    }

    #[test]
    fn only_test_numbers_are_cards() {
        assert_eq!(by_number("4242420000000000").unwrap().outcome, Outcome::Succeeds);
        assert!(by_number("4111111111111111").is_none());
        assert!(by_method_name("pm_card_nosuch").is_none());
        assert!(by_method_name("pm_1234").is_none());
    }
}

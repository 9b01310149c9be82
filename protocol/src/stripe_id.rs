//! Ids that Stripe gives: a prefix and 1–255 of `[A-Za-z0-9_]`, checked before they reach a URL.

use alloc::string::String;
use core::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Not the prefix followed by 1–255 of `[A-Za-z0-9_]`. Retrying does not help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id of this kind is `{prefix}` and 1 to 255 letters, digits or underscores")]
pub struct ParseStripeIdError {
    prefix: &'static str,
}

macro_rules! stripe_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub struct $name(String);

        impl $name {
            /// The whole id. A PaymentMethod's is a bearer credential: never log it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = ParseStripeIdError;

            fn from_str(text: &str) -> Result<Self, ParseStripeIdError> {
                let wrong = ParseStripeIdError { prefix: $prefix };
                let rest = text.strip_prefix($prefix).ok_or(wrong)?;
                let legal = rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
                if legal && (1..=255).contains(&rest.len()) { Ok(Self(text.into())) } else { Err(wrong) }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let end = self.0.len().min($prefix.len().saturating_add(4));
                write!(f, "{}…", self.0.get(..end).unwrap_or($prefix))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = alloc::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

stripe_id!(
    /// `pm_…`: a PaymentMethod, the card that an agent offers.
    PaymentMethodId,
    "pm_"
);
stripe_id!(
    /// `pi_…`: a PaymentIntent, one attempt to charge a card.
    PaymentIntentId,
    "pi_"
);

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn ids_that_could_leave_their_path_segment_are_refused() {
        let longest = format!("pm_{}", "a".repeat(255));
        for right in ["pm_1", "pm_card_visa", "pm_1N_aZ9", &longest] {
            assert!(right.parse::<PaymentMethodId>().is_ok(), "{right}");
        }
        for wrong in
            ["", "pm_", "pi_1", "pm_a/b", "pm_a?b", "pm_a b", "pm_ü", &format!("{longest}a")]
        {
            assert!(wrong.parse::<PaymentMethodId>().is_err(), "{wrong}");
        }
        assert!("pi_1".parse::<PaymentIntentId>().is_ok());
    }
}

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

stripe_id!(
    /// `spt_…`: a Shared Payment Token, by which a buyer's account lets this seller charge once.
    GrantedTokenId,
    "spt_"
);

/// What is charged.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Instrument {
    /// A PaymentMethod.
    PaymentMethod(PaymentMethodId),
    /// A Shared Payment Token.
    Token(GrantedTokenId),
}

impl Instrument {
    /// The whole id. It is a bearer credential: never log it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::PaymentMethod(id) => id.as_str(),
            Self::Token(id) => id.as_str(),
        }
    }

    /// Whether it is a Shared Payment Token.
    #[must_use]
    pub const fn is_token(&self) -> bool {
        matches!(self, Self::Token(_))
    }
}

impl From<PaymentMethodId> for Instrument {
    fn from(id: PaymentMethodId) -> Self {
        Self::PaymentMethod(id)
    }
}

impl From<GrantedTokenId> for Instrument {
    fn from(id: GrantedTokenId) -> Self {
        Self::Token(id)
    }
}

impl FromStr for Instrument {
    type Err = ParseStripeIdError;

    /// What is no token's id is a PaymentMethod's, or wrong.
    fn from_str(text: &str) -> Result<Self, ParseStripeIdError> {
        match text.parse::<GrantedTokenId>() {
            Ok(token) => Ok(Self::Token(token)),
            Err(_) => text.parse().map(Self::PaymentMethod),
        }
    }
}

impl fmt::Debug for Instrument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PaymentMethod(id) => id.fmt(f),
            Self::Token(id) => id.fmt(f),
        }
    }
}

impl Serialize for Instrument {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Instrument {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = alloc::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

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

    #[test]
    fn an_instrument_is_one_text() {
        for (text, is_token) in [("pm_1", false), ("spt_1", true)] {
            let instrument: Instrument = text.parse().unwrap();
            assert_eq!((instrument.as_str(), instrument.is_token()), (text, is_token));
            let json = serde_json::to_string(&instrument).unwrap();
            assert_eq!(json, format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<Instrument>(&json).unwrap(), instrument);
            let id: Option<PaymentMethodId> = text.parse().ok();
            // The same bytes as before there were tokens: stores keep these.
            if let Some(id) = id {
                let compact = postcard::to_allocvec(&id).unwrap();
                assert_eq!(compact, postcard::to_allocvec(&instrument).unwrap());
                assert_eq!(postcard::from_bytes::<Instrument>(&compact).unwrap(), instrument);
            }
        }
        assert_eq!(format!("{:?}", "spt_1abcdefg".parse::<Instrument>().unwrap()), "spt_1abc…");
        assert!("pi_1".parse::<Instrument>().is_err());
    }
}

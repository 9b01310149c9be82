//! The name of a refund's hold: in the books, at Stripe in the metadata, and in the idempotency key.

use std::{fmt, str::FromStr};

use stripe402_protocol::PaymentIntentId;

/// What names of refunds' holds begin with.
const PREFIX: &str = "refund:";

/// Which refund holds units, for which card charge: `refund:<PaymentIntent>:<refund>:<number>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HoldName {
    /// The card charge that the money goes back to.
    pub(crate) intent: PaymentIntentId,
    /// The name of the refund: an operator's, or the ledger's own.
    pub(crate) refund: String,
    /// 0 by now; books of earlier versions have others, or none.
    number: Option<u32>,
}

/// Not the name of a refund's hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a refund's hold")]
pub(crate) struct ParseHoldNameError;

impl HoldName {
    /// Of this refund to this card charge.
    pub(crate) fn new(intent: PaymentIntentId, refund: &str) -> Self {
        Self { intent, refund: refund.to_owned(), number: Some(0) }
    }
}

impl fmt::Display for HoldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}:{}", self.intent.as_str(), self.refund)?;
        self.number.map_or(Ok(()), |number| write!(f, ":{number}"))
    }
}

impl FromStr for HoldName {
    type Err = ParseHoldNameError;

    fn from_str(text: &str) -> Result<Self, ParseHoldNameError> {
        let wrong = ParseHoldNameError;
        let mut parts = text.strip_prefix(PREFIX).ok_or(wrong)?.split(':');
        let (Some(intent), Some(refund), number, None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong);
        };
        let number = number.map(str::parse).transpose().map_err(|_| wrong)?;
        let intent = intent.parse().map_err(|_| wrong)?;
        let name = Self { intent, refund: refund.to_owned(), number };
        // `+1` and `01` are numbers, and no names.
        if name.to_string() == text { Ok(name) } else { Err(wrong) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_there_and_back() {
        let intent: PaymentIntentId = "pi_1".parse().unwrap();
        let name = HoldName::new(intent.clone(), "r-17");
        assert_eq!(name.to_string(), "refund:pi_1:r-17:0", "it is stored so");
        for (text, refund) in [
            ("refund:pi_1:r-17:0", "r-17"),
            ("refund:pi_1:charged~twice:0", "charged~twice"),
            ("refund:pi_1:x:12", "x"),
            ("refund:pi_1:x", "x"),
        ] {
            let read: HoldName = text.parse().unwrap();
            assert_eq!((&read.intent, read.refund.as_str()), (&intent, refund), "{text}");
            assert_eq!(read.to_string(), text);
        }
        for wrong in [
            "",
            "refund:",
            "refund:pi_1",
            "refund:ch_1:x:0",
            "refund:pi_1:x:",
            "refund:pi_1:x:+1",
            "refund:pi_1:x:01",
            "refund:pi_1:x:0:1",
            "refund-plan:x",
            "hold",
        ] {
            assert_eq!(wrong.parse::<HoldName>(), Err(ParseHoldNameError), "{wrong}");
        }
    }
}

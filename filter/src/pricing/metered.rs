//! Prices: a number, or one that is known only after the request was served.

use std::{rc::Rc, time::Duration};

use stripe402_protocol::{
    DeductionId, Pricing, Units,
    message::{HoldTerms, LONGEST_HOLD_MS},
};

use super::Pointer;

/// Bytes of a name in a table, at the most. A name of a pointer in other letter case is no longer.
pub const LONGEST_NAME: usize = 256;

/// What one request costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Price {
    /// So many units.
    Flat(Units),
    /// What was used, as the answer tells.
    Metered(Rc<MeteredPrice>),
}

/// A price that is known only afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeteredPrice {
    /// Units that are held before the request is forwarded.
    pub most: Units,
    /// Units that are captured at the least, if the API was reached; never above `most`.
    pub least: Units,
    /// Where usage is read. The first source that gives a number is used.
    pub usage: Vec<UsageSource>,
    /// What chooses the unit prices of `json` and `sse`.
    pub by: Option<Rc<By>>,
    /// What is captured if no source gives a number.
    pub unknown: Unknown,
    /// For how long units are held: at the end what `unknown` says is captured.
    pub hold_for: Duration,
    /// Whether more is held while an answer goes on.
    pub extend: Option<Extend>,
}

/// How what is held grows while an answer goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extend {
    /// Per cent of the last hold that are used up when more is asked for: 1 to 99.
    pub at: u32,
    /// Units that are held then.
    pub by: Units,
    /// What happens where there is no more.
    pub then: Then,
}

/// What happens to an answer that has used all that can be held for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Then {
    /// It ends.
    #[default]
    End,
    /// It goes on, at the seller's expense.
    Continue,
}

/// Where usage is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UsageSource {
    /// A header or a trailer of the answer, in units. The name is in lower case.
    Header(Box<str>),
    /// Numbers in the answer's body, which is one JSON document.
    Json(Counted),
    /// Numbers in the last server-sent event that has them all.
    Sse(Counted),
    /// A trailer of a gRPC answer, in units. The name is in lower case.
    GrpcTrailer(Box<str>),
    /// Numbers that other filters of Envoy's wrote into the request's dynamic metadata.
    Metadata(Written),
    /// The size of the answer's body.
    Bytes {
        /// Units for 1,048,576 bytes.
        per_mib: Units,
    },
    /// The time from forwarding to the answer's end.
    Seconds {
        /// Units for a second.
        each: Units,
    },
}

/// Numbers that are counted, and their unit prices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The numbers' names, in the order of their pointers.
    pub names: Vec<Box<str>>,
    /// Where they are.
    pub pointers: Rc<[Pointer]>,
    /// The unit prices; `None` if [`By`] chooses them.
    pub per_1000: Option<Rates>,
}

/// Numbers in dynamic metadata, and their unit prices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The numbers' names, in the order of their keys.
    pub names: Vec<Box<str>>,
    /// Where they are: the namespace and the keys below it, with a zero byte between them.
    pub keys: Vec<Box<str>>,
    /// The unit prices; `None` if [`By`] chooses them.
    pub per_1000: Option<Rates>,
}

/// Units per 1,000, by the names of what is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rates(pub Vec<(Box<str>, Units)>);

/// What chooses the unit prices: a text in a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// Whose body.
    pub body: Body,
    /// Where the text is: one pointer.
    pub pointer: Rc<[Pointer]>,
    /// The texts, and the unit prices for each.
    pub table: Vec<(Box<str>, Rates)>,
    /// What holds if there is no such text, or it is not in the table.
    pub other: Other,
}

/// A body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// What the client sends.
    Request,
    /// What the API sends.
    Answer,
}

/// What holds for a text that is not in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Other {
    /// The request is refused. Only the request's body can choose so.
    Refuse,
    /// The unit prices of this row of the table hold.
    Row(usize),
}

/// What is captured if no source gives a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unknown {
    /// All that was held.
    #[default]
    Most,
    /// The least.
    Least,
    /// Nothing.
    Void,
}

impl Price {
    /// Units that a request may cost at the most: what its challenge says.
    #[must_use]
    pub fn most(&self) -> Units {
        match self {
            Self::Flat(units) => *units,
            Self::Metered(price) => price.most,
        }
    }

    /// How its challenge tells it; `None` where the amount says all.
    #[must_use]
    pub fn told(&self) -> Option<Pricing> {
        match self {
            Self::Flat(_) => None,
            Self::Metered(price) => Some(price.told()),
        }
    }
}

impl MeteredPrice {
    /// What is captured if no source gives a number.
    #[must_use]
    pub const fn if_unknown(&self) -> Units {
        match self.unknown {
            Unknown::Most => self.most,
            Unknown::Least => self.least,
            Unknown::Void => Units::ZERO,
        }
    }

    /// The terms of the hold that is minted with this id, and may be opened so long after it: a card
    /// may have to be charged first.
    #[must_use]
    pub fn terms(&self, id: &DeductionId, opened_within: Duration) -> HoldTerms {
        let lasts = self.hold_for.saturating_add(opened_within).as_millis();
        let lasts = u64::try_from(lasts).unwrap_or(u64::MAX).min(LONGEST_HOLD_MS);
        let ends_ms = id.minted_ms().saturating_add(lasts);
        HoldTerms { ends_ms, at_end: self.if_unknown(), lease: None }
    }

    /// The terms of one more hold, by its id and amount: at its end only what is not known costs something, since the
    /// least is in the first hold.
    pub fn extension_terms(&self) -> impl Fn(&DeductionId, Units) -> HoldTerms + 'static {
        let lasts = u64::try_from(self.hold_for.as_millis()).unwrap_or(u64::MAX);
        let unknown = self.unknown;
        move |id, amount| {
            let at_end = if unknown == Unknown::Most { amount } else { Units::ZERO };
            HoldTerms { ends_ms: id.minted_ms().saturating_add(lasts), at_end, lease: None }
        }
    }

    /// Whether the answer's body is read: then it must not be compressed, nor a part of it.
    #[must_use]
    pub fn reads_body(&self) -> bool {
        let reads =
            |source: &UsageSource| matches!(source, UsageSource::Json(_) | UsageSource::Sse(_));
        self.usage.iter().any(reads)
    }

    /// Whether what was used is known while the answer goes on.
    #[must_use]
    pub fn counts_on_the_way(&self) -> bool {
        let counts = |source: &UsageSource| {
            matches!(
                source,
                UsageSource::Sse(_) | UsageSource::Bytes { .. } | UsageSource::Seconds { .. }
            )
        };
        self.usage.iter().any(counts)
    }
}

impl By {
    /// The row of a text; the names are compared to the letter.
    #[must_use]
    pub fn row(&self, text: &[u8]) -> Option<usize> {
        self.table.iter().position(|(name, _)| name.as_bytes() == text)
    }

    /// The row for a text that is not in the table; `None` if it is refused.
    #[must_use]
    pub const fn other_row(&self) -> Option<usize> {
        match self.other {
            Other::Refuse => None,
            Other::Row(row) => Some(row),
        }
    }

    /// The unit prices of a row.
    #[must_use]
    pub fn rates(&self, row: usize) -> Option<&Rates> {
        self.table.get(row).map(|(_, rates)| rates)
    }
}

impl Rates {
    /// Units for these numbers, in the order of their names. The sum is exact, and rounded up once.
    /// `None` if a name has no price, or if the sum is beyond all amounts.
    #[must_use]
    pub fn units(&self, names: &[Box<str>], numbers: &[u64]) -> Option<u128> {
        let mut sum = 0_u128;
        for (name, number) in names.iter().zip(numbers) {
            let (_, rate) = self.0.iter().find(|(priced, _)| priced == name)?;
            let rate = u128::try_from(rate.get()).ok()?;
            sum = sum.checked_add(rate.checked_mul(u128::from(*number))?)?;
        }
        Some(sum.div_ceil(1_000))
    }
}

/// Units for `used` of something that costs `rate` units per `size`, rounded up once.
#[must_use]
pub fn proportion(rate: Units, used: u64, size: u32) -> Option<u128> {
    let rate = u128::try_from(rate.get()).ok()?;
    let size = u128::from(size).max(1);
    rate.checked_mul(u128::from(used)).map(|product| product.div_ceil(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact_and_rounded_up_once() {
        let rates = |prices: &[(&str, u32)]| {
            let named =
                prices.iter().map(|(name, units)| ((*name).into(), Units::from_u32(*units)));
            Rates(named.collect())
        };
        let names: Vec<Box<str>> = vec!["in".into(), "out".into()];
        let prices = rates(&[("in", 25), ("out", 100)]);
        for (numbers, expected) in [
            ([0, 0], 0),
            ([1, 0], 1),
            ([1_000, 1_000], 125),
            // Each by itself would be rounded up to 1.
            ([1, 1], 1),
            ([41, 10], 3),
            ([40, 10], 2),
        ] {
            assert_eq!(prices.units(&names, &numbers), Some(expected), "{numbers:?}");
        }
        assert_eq!(rates(&[("in", 25)]).units(&names, &[1, 1]), None);
        let most = u64::try_from(Units::MAX.get()).unwrap();
        let dear = Rates(names.iter().map(|name| (name.clone(), Units::MAX)).collect());
        let expected = (2 * u128::from(most) * u128::from(most)).div_ceil(1_000);
        assert_eq!(dear.units(&names, &[most, most]), Some(expected));
    }

    #[test]
    fn a_part_of_a_unit_is_a_unit() {
        for (rate, used, size, expected) in [
            (500, 0, 1 << 20, 0),
            (500, 1, 1 << 20, 1),
            (500, 1 << 20, 1 << 20, 500),
            (10, 1_001, 1_000, 11),
        ] {
            assert_eq!(proportion(Units::from_u32(rate), used, size), Some(expected), "{used}");
        }
        assert!(proportion(Units::MAX, u64::MAX, 1).is_some());
    }
}

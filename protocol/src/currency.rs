//! Currencies that Stripe charges in, and what it can charge in them.

use core::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::Units;

/// A currency of Stripe's, by its lowercase ISO 4217 code.
///
/// Source: Stripe, "Supported currencies" (docs.stripe.com/currencies).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// Not the lowercase code of a currency that Stripe charges in. Retrying does not help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a currency that Stripe charges in; use a lowercase ISO 4217 code such as usd")]
pub struct UnknownCurrency;

/// How Stripe writes amounts of a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Minor {
    /// Cents.
    Two,
    /// The major unit itself.
    Zero,
    /// Thousandths whose last digit must be 0.
    Three,
    /// No minor unit, but written with two decimals that must be 00.
    ZeroWrittenAsTwo,
}

const TWO_DECIMAL: &str = "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl \
    bsd bwp byn bzd cad cdf chf cny cop crc cve czk dkk dop dzd egp etb eur fjd fkp gbp gel gip \
    gmd gtq gyd hkd hnl htg huf idr ils inr jmd kes kgs khr kyd kzt lak lbp lkr lrd lsl mad mdl \
    mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln qar \
    ron rsd rub sar sbd scr sek sgd shp sle sos srd std szl thb tjs top try ttd twd tzs uah usd \
    uyu uzs wst xcd yer zar zmw";
const ZERO_DECIMAL: &str = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf";
const THREE_DECIMAL: &str = "bhd jod kwd omr tnd";
const ZERO_WRITTEN_AS_TWO: &str = "isk ugx";

/// Stripe's least charge, in units. Currencies that are not listed have a least that depends on
/// the account's settlement currency; Stripe itself refuses what is below it. Stripe's stand-in has its own
/// copy, in minor units (`tests/stripe-sim/src/currency.rs`), and a test that compares the two.
///
/// Source: docs.stripe.com/currencies#minimum-and-maximum-charge-amounts.
const LEAST_CHARGE: [(&str, u32); 24] = [
    ("aed", 20_000),
    ("aud", 5_000),
    ("bgn", 10_000),
    ("brl", 5_000),
    ("cad", 5_000),
    ("chf", 5_000),
    ("czk", 150_000),
    ("dkk", 25_000),
    ("eur", 5_000),
    ("gbp", 3_000),
    ("hkd", 40_000),
    ("huf", 1_750_000),
    ("inr", 5_000),
    ("jpy", 500_000),
    ("mxn", 100_000),
    ("myr", 20_000),
    ("nok", 30_000),
    ("nzd", 5_000),
    ("pln", 20_000),
    ("ron", 20_000),
    ("sek", 30_000),
    ("sgd", 5_000),
    ("thb", 100_000),
    ("usd", 5_000),
];

impl Currency {
    /// US dollars, the default.
    pub const USD: Self = Self(*b"usd");

    /// The lowercase code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII codes are ever constructed.
        core::str::from_utf8(&self.0).unwrap_or("usd")
    }

    /// The code's bytes, as a store keeps them.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 3] {
        &self.0
    }

    /// Whether amounts have cents: only there do our default top-ups make sense.
    #[must_use]
    pub fn has_cents(self) -> bool {
        self.minor() == Minor::Two
    }

    /// The least that Stripe charges, where it is fixed.
    #[must_use]
    pub fn least_charge(self) -> Option<Units> {
        let (_, least) = LEAST_CHARGE.iter().find(|(code, _)| *code == self.as_str())?;
        Some(Units::from_u32(*least))
    }

    /// The most that Stripe charges at once: eight digits of minor units, twelve of rupiahs'.
    ///
    /// Source: docs.stripe.com/currencies#minimum-and-maximum-charge-amounts.
    #[must_use]
    pub fn most_charge(self) -> Units {
        let minor: i64 = if self.as_str() == "idr" { 999_999_999_999 } else { 99_999_999 };
        let (_, step_minor) = self.step();
        // What cannot be charged itself is rounded down to what can.
        let rest = minor.checked_rem(step_minor).unwrap_or(0);
        self.units(minor.saturating_sub(rest)).unwrap_or(Units::MAX)
    }

    /// The amount in Stripe's minor units that covers `units`, rounded up to what can be charged.
    #[must_use]
    pub fn minor_units(self, units: Units) -> i64 {
        let (step_units, step_minor) = self.step();
        // A step has fewer minor units than units: the product is below 2^53, and never saturates.
        div_ceil(units.get(), step_units).saturating_mul(step_minor)
    }

    /// The amount in Stripe's minor units that `units` cover, rounded down to what can be refunded.
    #[must_use]
    pub fn refundable_minor_units(self, units: Units) -> i64 {
        let (step_units, step_minor) = self.step();
        // As above.
        units.get().checked_div(step_units).unwrap_or(0).saturating_mul(step_minor)
    }

    /// The units that a charge of `minor` minor units is worth, or `None` beyond [`Units::MAX`]
    /// and for negative amounts.
    #[must_use]
    pub fn units(self, minor: i64) -> Option<Units> {
        let (step_units, step_minor) = self.step();
        // A step's units are a multiple of its minor units in every currency.
        Units::new(minor.checked_mul(step_units.checked_div(step_minor)?)?).ok()
    }

    /// `units` rounded up to what can be charged: what a top-up of `units` credits.
    #[must_use]
    pub fn chargeable(self, units: Units) -> Option<Units> {
        self.units(self.minor_units(units))
    }

    /// The smallest charge step: so many units are so many minor units.
    fn step(self) -> (i64, i64) {
        match self.minor() {
            Minor::Two => (100, 1),
            Minor::Zero => (10_000, 1),
            Minor::Three => (100, 10),
            Minor::ZeroWrittenAsTwo => (10_000, 100),
        }
    }

    fn minor(self) -> Minor {
        if listed(ZERO_DECIMAL, self.0) {
            Minor::Zero
        } else if listed(THREE_DECIMAL, self.0) {
            Minor::Three
        } else if listed(ZERO_WRITTEN_AS_TWO, self.0) {
            Minor::ZeroWrittenAsTwo
        } else {
            Minor::Two
        }
    }
}

/// Whether a code is in a list of codes in alphabetical order, one blank apart: every charge asks.
fn listed(list: &str, code: [u8; 3]) -> bool {
    let (codes, last) = list.as_bytes().as_chunks::<4>();
    let order = |[a, b, c, _]: &[u8; 4]| [*a, *b, *c].cmp(&code);
    codes.binary_search_by(order).is_ok() || last == code
}

/// `⌈amount / step⌉` for amounts that are not negative and steps above 0.
fn div_ceil(amount: i64, step: i64) -> i64 {
    let whole = amount.checked_div(step).unwrap_or(0);
    let rest = amount.checked_rem(step).unwrap_or(0);
    whole.saturating_add(i64::from(rest > 0))
}

impl FromStr for Currency {
    type Err = UnknownCurrency;

    fn from_str(text: &str) -> Result<Self, UnknownCurrency> {
        let code: [u8; 3] = text.as_bytes().try_into().map_err(|_| UnknownCurrency)?;
        Self(code).known()
    }
}

impl Currency {
    /// Itself, if Stripe knows it.
    fn known(self) -> Result<Self, UnknownCurrency> {
        let lists = [TWO_DECIMAL, ZERO_DECIMAL, THREE_DECIMAL, ZERO_WRITTEN_AS_TWO];
        let known = lists.iter().any(|list| listed(list, self.0));
        if known { Ok(self) } else { Err(UnknownCurrency) }
    }

    /// As `deserialize` does, and only one that Stripe knows: what binary formats hold is not checked by
    /// `deserialize`, so that a store can read what it wrote before a currency left the list.
    pub(crate) fn deserialize_known<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Self, D::Error> {
        Self::deserialize(deserializer)?.known().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(self.as_str())
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return Deserialize::deserialize(deserializer).map(Self);
        }
        let text = alloc::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_a_list_is_found_in_it() {
        for list in [TWO_DECIMAL, ZERO_DECIMAL, THREE_DECIMAL, ZERO_WRITTEN_AS_TWO] {
            for code in list.split(' ') {
                assert!(listed(list, code.as_bytes().try_into().unwrap()), "{code}");
            }
            assert!(!listed(list, *b"eux") && !listed(list, *b"   ") && !listed(list, *b"aaa"));
        }
    }

    #[test]
    fn codes_are_lowercase_and_known() {
        for right in ["usd", "jpy", "kwd", "isk", "aed", "zmw"] {
            assert!(right.parse::<Currency>().is_ok(), "{right}");
        }
        for wrong in ["USD", "us", "usdd", "xxx", "", "u d"] {
            assert_eq!(wrong.parse::<Currency>(), Err(UnknownCurrency), "{wrong}");
        }
    }

    #[test]
    fn the_largest_amount_is_exact_in_every_kind_of_currency() {
        for (code, up, down) in [
            ("usd", 90_071_992_547_410, 90_071_992_547_409),
            ("jpy", 900_719_925_475, 900_719_925_474),
            ("kwd", 900_719_925_474_100, 900_719_925_474_090),
            ("isk", 90_071_992_547_500, 90_071_992_547_400),
        ] {
            let currency: Currency = code.parse().unwrap();
            assert_eq!(currency.minor_units(Units::MAX), up, "{code}");
            assert_eq!(currency.refundable_minor_units(Units::MAX), down, "{code}");
        }
    }

    #[test]
    fn every_least_charge_is_one_that_can_be_charged() {
        for (code, least) in LEAST_CHARGE {
            let currency: Currency = code.parse().unwrap();
            let least = Units::from_u32(least);
            assert_eq!(currency.chargeable(least), Some(least), "{code}");
            assert_eq!(currency.least_charge(), Some(least));
        }
    }

    #[test]
    fn the_largest_amount_does_not_wrap() {
        let yen: Currency = "jpy".parse().unwrap();
        assert_eq!(yen.chargeable(Units::MAX), None);
        assert_eq!(yen.units(-1), None);
    }
}

//! Currencies: which Stripe knows, and what can be charged in them.
//!
//! Source: docs.stripe.com/currencies (presentment currencies, zero- and three-decimal currencies,
//! special cases, minimum and maximum charge amounts).

use crate::error::ApiError;

/// The presentment currencies.
const KNOWN: &str = "usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn \
    bzd cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl \
    hrk htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk \
    mnt mop mro mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf \
    sar sbd scr sek sgd shp sle sll sos srd std szl thb tjs tnd top try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf \
    xcd xcg xof xpf yer zar zmw";

const ZERO_DECIMAL: &[&str] = &[
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf",
    "xof", "xpf",
];
const THREE_DECIMAL: &[&str] = &["bhd", "jod", "kwd", "omr", "tnd"];
/// Without decimals in practice, but sent with two, which must be 00.
const WHOLE_HUNDREDS: &[&str] = &["isk", "ugx"];

/// The least charge, in minor units, where the documentation names one.
const MINIMUMS: &[(&str, i64)] = &[
    ("aed", 200),
    ("aud", 50),
    ("bgn", 100),
    ("brl", 50),
    ("cad", 50),
    ("chf", 50),
    ("czk", 1500),
    ("dkk", 250),
    ("eur", 50),
    ("gbp", 30),
    ("hkd", 400),
    ("huf", 17_500),
    ("inr", 50),
    ("jpy", 50),
    ("mxn", 1000),
    ("myr", 200),
    ("nok", 300),
    ("nzd", 50),
    ("pln", 200),
    ("ron", 200),
    ("sek", 300),
    ("sgd", 50),
    ("thb", 1000),
    ("usd", 50),
];

/// The least charge elsewhere. Stripe asks for about half a US dollar there, at the day's rate;
/// the stand-in does not follow rates.
const MINIMUM_ELSEWHERE: i64 = 50;

/// Eight digits in most currencies.
const MAXIMUM: i64 = 99_999_999;
/// Twelve digits in Indonesian rupiah.
const MAXIMUM_IDR: i64 = 999_999_999_999;

/// Reads a currency, in lower case as Stripe answers it.
pub(crate) fn parse(text: &str) -> Result<String, ApiError> {
    let currency = text.to_ascii_lowercase();
    if currency.len() == 3 && KNOWN.split_whitespace().any(|known| known == currency) {
        return Ok(currency);
    }
    let known = KNOWN.split_whitespace().collect::<Vec<_>>().join(", ");
    let message = format!(
        "Invalid currency: {currency}. Stripe currently supports these currencies: {known}"
    );
    Err(ApiError::parameter("currency", None, message))
}

/// Refuses an amount, in minor units, that cannot be charged.
pub(crate) fn check_charge(amount: i64, currency: &str) -> Result<(), ApiError> {
    let least = MINIMUMS
        .iter()
        .find(|(known, _)| *known == currency)
        .map_or(MINIMUM_ELSEWHERE, |(_, least)| *least);
    if amount < least {
        let message = format!("Amount must be at least {}", spell(least, currency));
        return Err(ApiError::parameter("amount", Some("amount_too_small"), message));
    }
    let most = if currency == "idr" { MAXIMUM_IDR } else { MAXIMUM };
    if amount > most {
        let message = format!("Amount must be no more than {}", spell(most, currency));
        return Err(ApiError::parameter("amount", Some("amount_too_large"), message));
    }
    check_step(amount, currency)
}

/// Refuses an amount with decimals that the currency does not have in practice.
pub(crate) fn check_step(amount: i64, currency: &str) -> Result<(), ApiError> {
    let step: i64 = if THREE_DECIMAL.contains(&currency) {
        10
    } else if WHOLE_HUNDREDS.contains(&currency) {
        100
    } else {
        1
    };
    if amount.rem_euclid(step) == 0 {
        return Ok(());
    }
    let message = format!(
        "Invalid amount: {amount}. Amounts in {} must be a multiple of {step}.",
        currency.to_ascii_uppercase()
    );
    Err(ApiError::parameter("amount", Some("parameter_invalid_integer"), message))
}

/// An amount for people, such as `$0.50 usd`.
pub(crate) fn spell(amount: i64, currency: &str) -> String {
    let sign = match currency {
        "usd" => "$",
        "eur" => "€",
        "gbp" => "£",
        "jpy" => "¥",
        _ => "",
    };
    let (scale, width): (i64, usize) = if ZERO_DECIMAL.contains(&currency) {
        (1, 0)
    } else if THREE_DECIMAL.contains(&currency) {
        (1000, 3)
    } else {
        (100, 2)
    };
    let whole = amount.div_euclid(scale);
    if width == 0 {
        return format!("{sign}{whole} {currency}");
    }
    format!("{sign}{whole}.{:0width$} {currency}", amount.rem_euclid(scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn least_and_greatest_charges() {
        for (amount, currency, code) in [
            (49, "usd", Some("amount_too_small")),
            (50, "usd", None),
            (99_999_999, "usd", None),
            (100_000_000, "usd", Some("amount_too_large")),
            (29, "gbp", Some("amount_too_small")),
            (30, "gbp", None),
            (49, "jpy", Some("amount_too_small")),
            (50, "jpy", None),
            (17_499, "huf", Some("amount_too_small")),
            (100_000_000, "idr", None),
            (1_001, "kwd", Some("parameter_invalid_integer")),
            (1_010, "kwd", None),
            (15_050, "isk", Some("parameter_invalid_integer")),
            (15_000, "isk", None),
            (15_001, "ugx", Some("parameter_invalid_integer")),
        ] {
            let answer = check_charge(amount, currency).map_err(|error| error.body.code);
            assert_eq!(answer.err().flatten().as_deref(), code, "{amount} {currency}");
        }
    }

    /// The ledger asks for what Stripe can charge: with another list here, its tests would prove little.
    #[test]
    fn least_charges_are_those_of_the_protocol() {
        let letters = 'a'..='z';
        let codes = letters.clone().flat_map(|a| {
            let letters = letters.clone();
            letters.clone().flat_map(move |b| letters.clone().map(move |c| format!("{a}{b}{c}")))
        });
        let mut compared = 0;
        for code in codes {
            let here = MINIMUMS.iter().find(|(known, _)| *known == code).map(|(_, least)| *least);
            let there = code.parse::<stripe402_protocol::Currency>().ok();
            assert!(there.is_none() || parse(&code).is_ok(), "the stand-in does not know {code}");
            let least = there.and_then(|currency| {
                currency.least_charge().map(|units| currency.minor_units(units))
            });
            assert_eq!(here, least, "{code}");
            compared += usize::from(here.is_some());
        }
        assert_eq!(compared, MINIMUMS.len());
    }

    #[test]
    fn amounts_for_people() {
        for (amount, currency, text) in [
            (50, "usd", "$0.50 usd"),
            (50, "jpy", "¥50 jpy"),
            (1010, "kwd", "1.010 kwd"),
            (305, "sek", "3.05 sek"),
        ] {
            assert_eq!(spell(amount, currency), text);
        }
    }

    #[test]
    fn unknown_currencies_are_refused() {
        for text in ["xyz", "us", "usdd", "usd eur"] {
            assert_eq!(parse(text).unwrap_err().body.param.as_deref(), Some("currency"), "{text}");
        }
        assert_eq!(parse("USD").unwrap(), "usd");
    }
}

//! A 402 for a person: a page that sells, pays, and then shows what was bought.
//!
//! It keeps the client id in local storage, which every script of this origin can read, as it could
//! read a cookie. A payment whose outcome is unknown is kept in session storage, so that a reload
//! finishes it under its key and does not begin another.

use stripe402_protocol::encode;

use super::{PricedRequest, Reply};
use crate::{
    config::{Discovery, Paywall},
    pricing::{EncodedChallenge, Offer},
};

const PAGE: &str = include_str!("paywall/page.html");
const STYLE: &str = include_str!("paywall/page.css");
const SCRIPT: &str = include_str!("paywall/page.js");
/// What the page says, by language.
const TEXTS: &str = include_str!("paywall/texts.json");
/// Nobody else's page may frame this one and have its button pressed. Nothing more: what was
/// bought is shown in this page's place, and may load what it likes.
const POLICY: &str = "frame-ancestors 'none'";

/// The page for one priced request. What is filled in is base64, digits, checked, or escaped.
pub(super) fn page(
    paywall: &Paywall,
    discovery: Option<&Discovery>,
    priced: &PricedRequest,
    challenge: EncodedChallenge,
) -> Reply {
    let offer = &priced.offer;
    let mut page = String::with_capacity(
        [PAGE.len(), STYLE.len(), SCRIPT.len(), TEXTS.len(), 4_096].iter().sum(),
    );
    let mut rest = PAGE;
    while let Some((before, behind)) = rest.split_once("{{") {
        let (name, behind) = behind.split_once("}}").unwrap_or((behind, ""));
        page.push_str(before);
        match name {
            "style" => page.push_str(STYLE),
            "script" => page.push_str(SCRIPT),
            "texts" => page.push_str(TEXTS),
            "challenge" => page.push_str(&challenge.header),
            "seller" => page.push_str(&encode(&paywall.seller)),
            "stripe" => page.push_str(&paywall.stripe_js),
            "balance" => {
                if let Some(discovery) = discovery {
                    page.push_str(&discovery.path);
                    page.push_str("/balance");
                }
            }
            "minor" => {
                page.push_str(&offer.currency.minor_units(offer.min_top_up).to_string());
            }
            "what" => escape(offer.description.as_deref().unwrap_or("Payment required"), &mut page),
            "where" => escape(&priced.path, &mut page),
            "price" => page.push_str(&price(offer)),
            _ => {}
        }
        rest = behind;
    }
    page.push_str(rest);
    Reply::page(challenge, page, POLICY)
}

/// What one request costs, for a browser that cannot write it as its reader does.
fn price(offer: &Offer) -> String {
    let most = if offer.price.told().is_some() { "at most " } else { "" };
    let (units, currency) = (offer.price().get(), offer.currency.as_str().to_ascii_uppercase());
    let part = format!("{:04}", units % 10_000);
    let part = part.trim_end_matches('0');
    let point = if part.is_empty() { "" } else { "." };
    format!("{most}{}{point}{part} {currency} per request", units / 10_000)
}

/// A text as HTML shows it.
fn escape(text: &str, page: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#39;"),
            other => page.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "all of this is tests")]

    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn every_language_says_all_that_english_says() {
        type Texts = BTreeMap<String, BTreeMap<String, String>>;
        let all: Texts = serde_json::from_str(TEXTS).unwrap();
        assert_eq!(all.len(), 6);
        let english = &all["en"];
        let names = |text: &str| -> BTreeSet<String> {
            let parts = text.split('{').skip(1);
            parts.map(|part| part.split('}').next().unwrap().to_owned()).collect()
        };
        for (language, texts) in &all {
            assert!(texts.keys().eq(english.keys()), "{language}");
            for (key, text) in texts {
                assert_eq!(names(text), names(&english[key]), "{language}: {key}");
            }
        }
        // The text of a script element ends at the first of these.
        assert!(!TEXTS.contains('<') && !SCRIPT.contains("</script"));
        for part in SCRIPT.split("words(").skip(1) {
            let keys = part.split(')').next().unwrap().split('"').skip(1).step_by(2);
            for key in keys.filter(|key| !["upto", "card_declined", "terms"].contains(key)) {
                assert!(english.contains_key(key), "nothing says {key}");
            }
        }
    }

    #[test]
    fn what_is_shown_is_escaped() {
        let mut page = String::new();
        escape("a <b c='\"'>&amp;", &mut page);
        assert_eq!(page, "a &lt;b c=&#39;&quot;&#39;&gt;&amp;amp;");
    }
}

//! `paywall`: the page that browsers get with a 402.

use serde::Serialize;

use super::fields::{Checked, Fields, wrong};

/// What may stand under `paywall`.
pub(super) const PAYWALL: [&str; 8] =
    ["enabled", "stripe_js", "seller", "logo", "support", "terms", "privacy", "accent"];
/// Characters of a seller's name.
const NAME: usize = 80;
/// Bytes of an address.
const ADDRESS: usize = 2_048;

/// The page that a browser gets with a 402.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paywall {
    /// Where Stripe.js is loaded from.
    pub stripe_js: String,
    /// Who sells.
    pub seller: Seller,
}

/// Who sells, as the page is told it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Seller {
    /// The name; the page's host if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seller: Option<String>,
    /// The address of a picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo: Option<String>,
    /// Where to ask for help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub support: Option<String>,
    /// The terms of sale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terms: Option<String>,
    /// What becomes of the buyer's data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privacy: Option<String>,
    /// The colour of buttons, `#rrggbb`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accent: Option<String>,
}

/// The page, if it is on.
pub(super) fn paywall(mut fields: Fields) -> Checked<Option<Paywall>> {
    let enabled: Option<bool> = fields.optional("enabled")?;
    let stripe_js: Option<String> = fields.optional("stripe_js")?;
    let stripe_js = stripe_js.unwrap_or_else(|| "https://js.stripe.com/v3/".to_owned());
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?=%".contains(&byte);
    if !is_web(&stripe_js) || !stripe_js.bytes().all(safe) {
        return wrong(
            "paywall.stripe_js",
            "must be the address of Stripe.js, such as https://js.stripe.com/v3/",
        );
    }
    let seller = Seller {
        seller: name(&mut fields)?,
        logo: address(&mut fields, "logo", &["https://", "http://", "/"])?,
        support: address(&mut fields, "support", &["https://", "http://", "/", "mailto:"])?,
        terms: address(&mut fields, "terms", &["https://", "http://", "/"])?,
        privacy: address(&mut fields, "privacy", &["https://", "http://", "/"])?,
        accent: accent(&mut fields)?,
    };
    Ok(enabled.unwrap_or(true).then_some(Paywall { stripe_js, seller }))
}

fn is_web(address: &str) -> bool {
    ["https://", "http://"].iter().any(|scheme| address.starts_with(scheme))
}

fn name(fields: &mut Fields) -> Checked<Option<String>> {
    let Some(name) = fields.optional::<String>("seller")? else { return Ok(None) };
    let fits = (1..=NAME).contains(&name.chars().count());
    if !fits || name.trim() != name || name.chars().any(char::is_control) {
        return wrong(fields.path("seller"), "must be a name of 1 to 80 characters, on one line");
    }
    Ok(Some(name))
}

/// An address that the page links to or shows. No other scheme than these: `javascript:` would run.
fn address(fields: &mut Fields, field: &str, begins: &[&str]) -> Checked<Option<String>> {
    let Some(address) = fields.optional::<String>(field)? else { return Ok(None) };
    let begun = begins.iter().any(|begin| address.starts_with(begin));
    if !begun || address.len() > ADDRESS || !address.bytes().all(|byte| byte.is_ascii_graphic()) {
        let problem = format!("must be an address that begins with {}", begins.join(" or "));
        return wrong(fields.path(field), problem);
    }
    Ok(Some(address))
}

fn accent(fields: &mut Fields) -> Checked<Option<String>> {
    let Some(accent) = fields.optional::<String>("accent")? else { return Ok(None) };
    let digits = accent.strip_prefix('#').unwrap_or_default();
    if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return wrong(fields.path("accent"), "must be a colour such as \"#3558e6\"");
    }
    Ok(Some(accent))
}

//! What an operation says of its price.
//!
//! `x-payment-info` has the shape of draft-payment-discovery, which knows no other fields; what only stripe402
//! knows is in `x-stripe402`.

use serde_norway::{Mapping, Value};
use stripe402_filter::{
    config::Config,
    pricing::{self, Offer, Tools},
};
use stripe402_protocol::{Pricing, VERSION};

use crate::money::money;

const PAYMENT_INFO: &str = "x-payment-info";
const OURS: &str = "x-stripe402";
/// How the draft names payments by card.
const METHOD: &str = "stripe";
const DESCRIPTION: &str = "Payment Required";

/// Writes the price of an operation, and that it answers 402.
///
/// # Errors
/// If the price cannot be written, in words.
pub(super) fn write(filter: &Config, offer: &Offer, operation: &mut Mapping) -> Result<(), String> {
    let mut offers = of_others(operation);
    offers.push(Value::Mapping(in_draft(offer)));
    let info = [("offers".into(), Value::Sequence(offers))].into_iter().collect();
    operation.insert(PAYMENT_INFO.into(), Value::Mapping(info));
    let ours = in_stripe402(filter, offer).map_err(|error| error.to_string())?;
    operation.insert(OURS.into(), Value::Mapping(ours));
    let responses = operation.entry("responses".into()).or_insert(Value::Null);
    if responses.is_null() {
        *responses = Value::Mapping(Mapping::new());
    }
    if let Some(responses) = responses.as_mapping_mut()
        // YAML writes a code as a number, too.
        && !["402".into(), Value::from(402)].iter().any(|code| responses.contains_key(code))
    {
        responses.insert("402".into(), payment_required());
    }
    Ok(())
}

/// Takes away a price that holds no longer; what others sell the operation for stays.
pub(super) fn remove(operation: &mut Mapping) {
    let had = operation.remove(OURS).is_some() | operation.contains_key(PAYMENT_INFO);
    let others = of_others(operation);
    if !others.is_empty() {
        let info = [("offers".into(), Value::Sequence(others))].into_iter().collect();
        operation.insert(PAYMENT_INFO.into(), Value::Mapping(info));
        return;
    }
    operation.remove(PAYMENT_INFO);
    if had && let Some(responses) = operation.get_mut("responses").and_then(Value::as_mapping_mut) {
        let written = responses.get("402") == Some(&payment_required());
        if written {
            responses.remove("402");
        }
    }
}

/// The offers of other methods, in both of the draft's forms.
fn of_others(operation: &Mapping) -> Vec<Value> {
    let Some(info) = operation.get(PAYMENT_INFO) else { return Vec::new() };
    let one = std::slice::from_ref(info);
    let offers = info.get("offers").and_then(Value::as_sequence).map_or(one, Vec::as_slice);
    let others = offers.iter().filter(|offer| match offer.get("method").and_then(Value::as_str) {
        Some(method) => method != METHOD,
        None => false,
    });
    others.cloned().collect()
}

fn payment_required() -> Value {
    Value::Mapping([("description".into(), DESCRIPTION.into())].into_iter().collect())
}

fn in_draft(offer: &Offer) -> Mapping {
    let pricing = offer.price.told();
    let price = offer.price();
    let minor = offer.currency.minor_units(price);
    // Amounts are in the currency's smallest unit; what is not a whole number of them is told in words.
    let whole = offer.currency.units(minor) == Some(price);
    let exact = pricing.is_none() && offer.tools.is_none() && whole;
    let amount = if exact { Value::String(minor.to_string()) } else { Value::Null };
    let in_words = match &pricing {
        _ if let Some(tools) = offer.tools.as_deref() => Some(by_tool(tools)),
        Some(pricing) => Some(metered(offer, pricing)),
        None if exact => None,
        None => Some(format!("{} per request", money(price.get(), offer.currency.as_str()))),
    };
    let words: Vec<String> = offer.description.clone().into_iter().chain(in_words).collect();
    let mut fields: Mapping = [
        ("intent".into(), "charge".into()),
        ("method".into(), METHOD.into()),
        ("amount".into(), amount),
        ("currency".into(), offer.currency.as_str().into()),
    ]
    .into_iter()
    .collect();
    if !words.is_empty() {
        fields.insert("description".into(), words.join("; ").into());
    }
    fields
}

fn metered(offer: &Offer, pricing: &Pricing) -> String {
    let currency = offer.currency.as_str();
    let (most, one) = (money(pricing.most.get(), currency), money(1, currency));
    format!("{} ({most}); a unit is {one}", pricing.description)
}

/// What each tool of MCP costs.
fn by_tool(tools: &Tools) -> String {
    let sold = |(name, pricing): &(Box<str>, pricing::Pricing)| match pricing {
        pricing::Pricing::Offer(offer) => {
            let most = if offer.price.told().is_some() { "at most " } else { "" };
            format!("{name} {most}{}", money(offer.price().get(), offer.currency.as_str()))
        }
        pricing::Pricing::Free | pricing::Pricing::Unlisted => format!("{name} free"),
    };
    let tools: Vec<String> = tools.tools.all().iter().map(sold).collect();
    format!("by the tool that is called: {}", tools.join(", "))
}

fn in_stripe402(filter: &Config, offer: &Offer) -> Result<Mapping, serde_norway::Error> {
    let mut fields: Mapping = [
        ("stripe402Version".into(), VERSION.into()),
        ("currency".into(), offer.currency.as_str().into()),
        ("minTopUp".into(), offer.min_top_up.get().into()),
        ("publishableKey".into(), filter.defaults.publishable_key.as_str().into()),
    ]
    .into_iter()
    .collect();
    match offer.tools.as_deref() {
        None => drop(fields.insert("price".into(), offer.price().get().into())),
        Some(tools) => {
            let price = |pricing: &pricing::Pricing| match pricing {
                pricing::Pricing::Offer(offer) => offer.price().get(),
                pricing::Pricing::Free | pricing::Pricing::Unlisted => 0,
            };
            let all = tools.tools.all().iter();
            let all = all.map(|(name, pricing)| ((&**name).into(), price(pricing).into()));
            fields.insert("tools".into(), Value::Mapping(all.collect()));
        }
    }
    for (name, text) in [("description", &offer.description), ("mimeType", &offer.mime_type)] {
        if let Some(text) = text {
            fields.insert(name.into(), text.as_str().into());
        }
    }
    if let Some(trial) = offer.trial_told() {
        fields.insert("trial".into(), serde_norway::to_value(trial)?);
    }
    if let Some(anonymous) = offer.anonymous_told() {
        fields.insert("anonymous".into(), serde_norway::to_value(anonymous)?);
    }
    if let Some(pricing) = offer.price.told() {
        fields.insert("pricing".into(), serde_norway::to_value(pricing)?);
    }
    Ok(fields)
}

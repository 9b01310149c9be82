//! Documents for registries and agents, which the gate serves at the root of the host.

use std::{fmt::Write as _, rc::Rc};

use stripe402_protocol::Anonymous;

use super::{discovery::MOST_LISTED, reply::Content};
use crate::{
    config::{Config, Discovery},
    pricing::{Match, Offer, Pricing, Rule},
};

/// The document at a path, if the operator has the gate serve one there.
pub(super) fn published(config: &Config, discovery: &Discovery, path: &str) -> Option<Content> {
    match path {
        "/openapi.json" => discovery.openapi.as_ref().map(|text| Content::Found(Rc::clone(text))),
        "/llms.txt" if discovery.llms => {
            let text = || llms(config, discovery).into_bytes().into();
            Some(Content::Text(Rc::clone(discovery.llms_text.get_or_init(text))))
        }
        _ => None,
    }
}

/// What is for sale, for a language model (llmstxt.org): Markdown.
fn llms(config: &Config, discovery: &Discovery) -> String {
    let path = &discovery.path;
    let mpp = config.mpp.as_ref().map_or("", |_| {
        " Clients of MPP pay, too: `www-authenticate: Payment`, method `stripe`, intent `charge`."
    });
    let mut text = format!(
        "# Paid API\n\n> Requests are paid for by card through stripe402: a request without payment is answered 402, \
         and its `payment-required` header says how to pay. 10,000 units are 1 of the currency.{mpp}\n\n\
         - [Prices as JSON]({path})\n"
    );
    if discovery.openapi.is_some() {
        text.push_str("- [OpenAPI document](/openapi.json)\n");
    }
    text.push_str("\n## Prices\n\n");
    let rules = config.routes.rules().iter().take(MOST_LISTED);
    for (rule, offer) in rules.filter_map(|rule| Some((rule, rule.offer.as_deref()?))) {
        line(&mut text, rule, offer);
    }
    text
}

fn line(text: &mut String, rule: &Rule, offer: &Offer) {
    let (place, rest) = match &rule.of {
        Match::Exact(path) | Match::Template(path) => (path, ""),
        Match::Prefix(path) => (path, "*"),
        // Its path is known to Envoy alone.
        Match::RouteName(_) => return,
    };
    let hosts: Vec<String> = rule.hosts.names().collect();
    let methods =
        if rule.methods.is_empty() { "any method".into() } else { rule.methods.join(", ") };
    let place = format!("- `{}{place}{rest}` ({methods})", hosts.join(","));
    let Some(tools) = offer.tools.as_deref() else { return sale(text, &place, offer) };
    for (name, pricing) in tools.tools.all() {
        if let Pricing::Offer(offer) = pricing {
            sale(text, &format!("{place}, tool `{name}` of MCP"), offer);
        }
    }
}

/// One line.
fn sale(text: &mut String, place: &str, offer: &Offer) {
    let (most, price, currency) =
        (if offer.price.told().is_some() { "at most " } else { "" }, offer.price(), offer.currency);
    // Writing to a String cannot fail.
    let _written = write!(text, "{place}: {most}{price} units of {currency}");
    let told = offer.price.told().map(|pricing| pricing.description);
    for words in offer.description.iter().cloned().chain(told) {
        // One line each: a description may have several.
        let words: Vec<&str> = words.split_whitespace().collect();
        let _written = write!(text, ". {}", words.join(" "));
    }
    if let Some(trial) = offer.trial_told() {
        let _written =
            write!(text, ". A card that never paid here gets {} units free", trial.units);
    }
    if let Some(Anonymous { requests }) = offer.anonymous_told() {
        let _written = write!(text, ". Free requests of an address in a day: {requests}");
    }
    text.push('\n');
}

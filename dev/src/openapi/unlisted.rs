//! What is for sale and in no operation of the document.

use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::Value;
use stripe402_filter::config::Config;
use stripe402_filter::pricing::{Match, Offer, Rule};

use crate::money::money;

/// The routes that operations lead to, each with a method.
#[derive(Default)]
pub(super) struct Listed(BTreeSet<(*const Rule, String)>);

impl Listed {
    /// An operation with this method, in capitals, leads to a route.
    pub(super) fn add(&mut self, rule: &Rc<Rule>, method: &str) {
        self.0.insert((Rc::as_ptr(rule), method.to_owned()));
    }

    /// One sentence for each priced route of the configuration that is not among them.
    pub(super) fn missing(&self, filter: &Config) -> Vec<String> {
        let rules = filter.routes.rules().iter();
        let priced = rules.filter_map(|rule| Some((rule, rule.offer.as_deref()?)));
        priced.flat_map(|(rule, offer)| self.missing_of(rule, offer)).collect()
    }

    fn missing_of(&self, rule: &Rc<Rule>, offer: &Offer) -> Vec<String> {
        let price = money(offer.price().get(), offer.currency.as_str());
        let place = match &rule.of {
            Match::RouteName(name) => {
                return vec![format!(
                    "Envoy's route {name} ({price}) has its price by its name: no operation says which path that is"
                )];
            }
            Match::Exact(path) | Match::Template(path) => path.clone(),
            Match::Prefix(path) => format!("{path}*"),
        };
        let hosts: Vec<String> = rule.hosts.names().collect();
        let place = format!("{}{place}", hosts.join(","));
        let has = |method: &str| self.0.contains(&(Rc::as_ptr(rule), method.to_owned()));
        let said = |what: String| format!("{what} ({price}) is in no operation");
        if rule.methods.is_empty() {
            let any = self.0.iter().any(|(listed, _)| *listed == Rc::as_ptr(rule));
            return if any { Vec::new() } else { vec![said(place)] };
        }
        // A HEAD costs what a GET does, and few documents name it.
        let prices_get = rule.methods.iter().any(|method| method == "GET");
        let covered = |method: &str| has(method) || method == "HEAD" && prices_get;
        let missing = rule.methods.iter().filter(|method| !covered(method));
        missing.map(|method| said(format!("{method} {place}"))).collect()
    }
}

/// One sentence for each price in the metadata of Envoy's routes and virtual hosts.
pub(super) fn in_metadata(envoy: &Value) -> Vec<String> {
    let mut found = Vec::new();
    look(envoy, &mut found);
    found
}

fn look(value: &Value, found: &mut Vec<String>) {
    let own = value.pointer("/metadata/filter_metadata/stripe402");
    if let Some(own) = own.filter(|own| own.get("price").is_some()) {
        let name = own.get("name").or_else(|| value.get("name")).and_then(Value::as_str);
        let place = name.map_or_else(
            || value.get("match").map_or_else(|| "without a name".to_owned(), Value::to_string),
            ToOwned::to_owned,
        );
        found.push(format!(
            "Envoy's route {place} has its price in its metadata: no operation says which path that is"
        ));
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| look(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| look(field, found)),
        _ => {}
    }
}

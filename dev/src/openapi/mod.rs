//! Prices in an OpenAPI document: `x-payment-info` for every operation that the gateway sells.
//!
//! The rules that read the configuration and find the price are the filter's own.

mod address;
mod document;
mod path_item;
mod sale;
mod unlisted;

use std::path::Path;
use std::rc::Rc;

use serde_norway::Value;
use stripe402_filter::config::Config;
use stripe402_filter::pricing::{Rule, Wanted};

use self::{address::Address, document::Document, unlisted::Listed};
use crate::envoy_config::EnvoyConfig;
use crate::{Error, Result};

/// The operations of a path item (OpenAPI 3.1, "Path Item Object").
const METHODS: [&str; 7] = ["get", "put", "post", "delete", "head", "patch", "trace"];

/// A document with prices.
#[derive(Debug)]
pub struct Priced {
    /// The document.
    pub text: String,
    /// What is for sale and not in it, and what could not be read: a sentence each.
    pub remarks: Vec<String>,
}

/// The document in `spec` (JSON or YAML), in its own form or as JSON, with the prices of the filter in
/// `config`, an Envoy configuration.
///
/// # Errors
/// If one of the files cannot be read, or the filter would not take its configuration.
pub fn with_prices(config: &Path, spec: &Path, json: bool) -> Result<Priced> {
    let mut envoy = EnvoyConfig::read(config)?;
    let filter = envoy.filter()?.to_string();
    let filter = Config::parse(filter.as_bytes())
        .map_err(|error| Error::Invalid(format!("{}: {error}", config.display())))?;
    let text = std::fs::read_to_string(spec)
        .map_err(Error::io(format!("cannot read {}", spec.display())))?;
    let unreadable = |error: String| {
        Error::Invalid(format!("{} is no OpenAPI document: {error}", spec.display()))
    };
    let mut document = Document::parse(&text).map_err(unreadable)?;
    let mut pricing = Pricing {
        filter: &filter,
        everywhere: address::of_document(&document.value),
        listed: Listed::default(),
        remarks: Vec::new(),
    };
    pricing.document(&mut document.value).map_err(unreadable)?;
    let mut remarks = pricing.remarks;
    remarks.extend(pricing.listed.missing(&filter));
    if filter.route_metadata {
        remarks.extend(unlisted::in_metadata(envoy.root()));
    }
    Ok(Priced { text: document.write(json).map_err(unreadable)?, remarks })
}

struct Pricing<'c> {
    filter: &'c Config,
    /// Where operations are that do not say otherwise.
    everywhere: Vec<Address>,
    listed: Listed,
    remarks: Vec<String>,
}

impl Pricing<'_> {
    fn document(&mut self, document: &mut Value) -> std::result::Result<(), String> {
        if document.get("swagger").is_some() {
            self.remarks.push("this is Swagger 2.0: registries read OpenAPI 3 only".to_owned());
        }
        let before = document.clone();
        let paths = document.get_mut("paths").and_then(Value::as_mapping_mut);
        for (path, item) in paths.into_iter().flatten() {
            let Some(path) = path.as_str().filter(|path| path.starts_with('/')) else { continue };
            match path_item::resolved(&before, item) {
                Ok(None) => {}
                Ok(Some(resolved)) => *item = resolved,
                Err(error) => self.remarks.push(format!("{path} has no price: {error}")),
            }
            self.item(path, item)?;
        }
        Ok(())
    }

    fn item(&mut self, path: &str, item: &mut Value) -> std::result::Result<(), String> {
        let own = address::of_servers(item);
        for (method, operation) in item.as_mapping_mut().into_iter().flatten() {
            let Some(method) = method.as_str().filter(|method| METHODS.contains(method)) else {
                continue;
            };
            let named = address::of_servers(operation).or_else(|| own.clone());
            let addresses = named.unwrap_or_else(|| self.everywhere.clone());
            let sold = self.dearest(method, path, &addresses);
            let Some(fields) = operation.as_mapping_mut() else { continue };
            match sold.as_ref().and_then(|rule| rule.offer.as_deref()) {
                Some(offer) => sale::write(self.filter, offer, fields)?,
                None => sale::remove(fields),
            }
        }
        Ok(())
    }

    /// What an operation costs: at the dearest of its addresses, if one of them is priced.
    fn dearest(&mut self, method: &str, path: &str, addresses: &[Address]) -> Option<Rc<Rule>> {
        let method = method.to_ascii_uppercase();
        let mut dearest: Option<Rc<Rule>> = None;
        for Address { host, base } in addresses {
            let path = format!("{base}{path}");
            let wanted = Wanted { method: Some(&method), host, path: &path, route_name: None };
            let Some(rule) = self.filter.routes.find(wanted).rule else { continue };
            // Of MCP's requests only a message costs something.
            let of_tools = rule.offer.as_deref().is_some_and(|offer| offer.tools.is_some());
            if of_tools && method != "POST" {
                continue;
            }
            self.listed.add(rule, &method);
            let price = |rule: &Rule| rule.offer.as_deref().map(|offer| offer.price().get());
            if dearest.as_deref().is_none_or(|other| price(other) < price(rule)) {
                dearest = Some(Rc::clone(rule));
            }
        }
        dearest
    }
}

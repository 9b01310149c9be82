//! Prices in an OpenAPI document: `x-payment-info` for every operation that the gateway sells.
//!
//! The rules that read the configuration and find the price are the filter's own.

use std::path::Path;

use serde_norway::Value;
use stripe402_filter::pricing::Wanted;
use stripe402_filter::{config::Config, pricing::Offer};

use crate::envoy_config::EnvoyConfig;
use crate::{Error, Result};

/// The operations of a path item (OpenAPI 3.1, "Path Item Object").
const METHODS: [&str; 7] = ["get", "put", "post", "delete", "head", "patch", "trace"];

/// The document in `spec` (JSON or YAML), as YAML or JSON again, with the prices of the filter in
/// `config`, an Envoy configuration.
///
/// # Errors
/// If one of the files cannot be read, or the filter would not take its configuration.
pub fn with_prices(config: &Path, spec: &Path) -> Result<String> {
    let filter = EnvoyConfig::read(config)?.filter()?.to_string();
    let filter = Config::parse(filter.as_bytes())
        .map_err(|error| Error::Invalid(format!("{}: {error}", config.display())))?;
    let text = std::fs::read_to_string(spec)
        .map_err(Error::io(format!("cannot read {}", spec.display())))?;
    let unreadable = |error: &dyn std::fmt::Display| {
        Error::Invalid(format!("{} is no OpenAPI document: {error}", spec.display()))
    };
    let mut document: Value = serde_norway::from_str(&text).map_err(|error| unreadable(&error))?;
    let paths = document.get_mut("paths").and_then(Value::as_mapping_mut);
    for (path, item) in paths.ok_or_else(|| unreadable(&"it has no paths"))? {
        let operations = item.as_mapping_mut().into_iter().flatten();
        for (method, operation) in operations {
            if let (Some(path), Some(method)) = (path.as_str(), method.as_str())
                && METHODS.contains(&method)
            {
                price(&filter, method, path, operation);
            }
        }
    }
    if text.trim_start().starts_with('{') {
        let text = serde_json::to_string_pretty(&document);
        return text.map(|text| text + "\n").map_err(|error| unreadable(&error));
    }
    serde_norway::to_string(&document).map_err(|error| unreadable(&error))
}

/// Writes the price of an operation, or takes away one that holds no longer.
fn price(filter: &Config, method: &str, path: &str, operation: &mut Value) {
    let wanted = Wanted { method: Some(method), host: "", path, route_name: None };
    let sale = filter.routes.find(wanted).rule.and_then(|rule| rule.offer.as_deref());
    let Some(fields) = operation.as_mapping_mut() else { return };
    let Some(sale) = sale else {
        fields.remove("x-payment-info");
        return;
    };
    fields.insert("x-payment-info".into(), info(filter, sale));
    if let Some(responses) = fields.get_mut("responses").and_then(Value::as_mapping_mut)
        && !responses.contains_key("402")
    {
        let described = [("description".into(), "Payment Required".into())];
        responses.insert("402".into(), Value::Mapping(described.into_iter().collect()));
    }
}

fn info(filter: &Config, sale: &Offer) -> Value {
    let mut fields: Vec<(Value, Value)> = vec![
        ("protocol".into(), "stripe402".into()),
        ("price".into(), sale.price().get().into()),
        ("currency".into(), sale.currency.as_str().into()),
        ("minTopUp".into(), sale.min_top_up.get().into()),
        ("publishableKey".into(), filter.defaults.publishable_key.as_str().into()),
    ];
    if let Some(description) = &sale.description {
        fields.push(("description".into(), description.as_str().into()));
    }
    Value::Mapping(fields.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::with_prices;

    const SPEC: &str = "
openapi: 3.1.0
info: { title: Demo, version: '1' }
paths:
  /api/joke:
    parameters: []
    get: { responses: { '200': { description: A joke } } }
    post: { x-payment-info: { price: 1 } }
  /api/weather:
    get: { summary: Weather }
  /api/health:
    get: {}
";

    fn priced(spec: &str, end: &str) -> Value {
        let file = tempfile::Builder::new().suffix(end).tempfile().unwrap();
        std::fs::write(file.path(), spec).unwrap();
        let config = crate::binary::workspace().join("envoy/envoy.yaml");
        let text = with_prices(&config, file.path()).unwrap();
        assert_eq!(text.starts_with('{'), end == ".json", "{text}");
        let order = ["openapi", "info", "paths", "/api/joke", "/api/weather", "/api/health"];
        let found: Vec<_> = order.iter().map(|key| text.find(key).unwrap()).collect();
        assert!(found.is_sorted(), "the document stays in its order: {text}");
        serde_norway::from_str(&text).unwrap()
    }

    #[test]
    fn every_operation_has_the_price_that_the_gateway_asks() {
        let document = priced(SPEC, ".yaml");
        let joke = &document["paths"]["/api/joke"];
        assert_eq!(
            joke["get"]["x-payment-info"],
            json!({
                "protocol": "stripe402", "price": 100, "currency": "usd", "minTopUp": 50_000,
                "publishableKey": "pk_test_standin",
            })
        );
        assert_eq!(joke["get"]["responses"]["402"]["description"], "Payment Required");
        assert_eq!(joke["post"], json!({}), "a price that holds no longer goes");
        let weather = &document["paths"]["/api/weather"]["get"];
        assert_eq!(weather["x-payment-info"]["description"], "Current weather for one city");
        assert_eq!(document["paths"]["/api/health"]["get"], json!({}));
        let value: serde_norway::Value = serde_norway::from_str(SPEC).unwrap();
        assert_eq!(priced(&serde_json::to_string(&value).unwrap(), ".json"), document);
    }

    #[test]
    fn what_is_no_document_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "openapi: 3.1.0").unwrap();
        let config = crate::binary::workspace().join("envoy/envoy.yaml");
        let error = with_prices(&config, file.path()).unwrap_err().to_string();
        assert!(error.contains("it has no paths"), "{error}");
    }
}

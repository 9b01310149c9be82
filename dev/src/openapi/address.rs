//! Under which hosts and base paths a document says that its operations are.

use serde_norway::Value;

/// So many addresses of one server are told apart at the most: variables multiply.
const MOST: usize = 64;

/// One place where the operations are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// The host, with its port; empty where any is meant.
    pub(super) host: String,
    /// What the paths are below; without a slash at its end.
    pub(super) base: String,
}

/// Where a document says that its operations are, unless one says otherwise (OpenAPI 3.1, "Server Object";
/// Swagger 2.0, `host` and `basePath`).
pub(super) fn of_document(document: &Value) -> Vec<Address> {
    if document.get("swagger").is_some() {
        let text = |name| document.get(name).and_then(Value::as_str).unwrap_or_default();
        return vec![Address { host: text("host").to_owned(), base: base(text("basePath")) }];
    }
    let everywhere = || vec![Address { host: String::new(), base: String::new() }];
    of_servers(document).unwrap_or_else(everywhere)
}

/// What the `servers` of a document, a path item or an operation say; `None` if it names none.
pub(super) fn of_servers(of: &Value) -> Option<Vec<Address>> {
    let servers = of.get("servers")?.as_sequence().filter(|servers| !servers.is_empty())?;
    Some(servers.iter().flat_map(urls).map(|url| read(&url)).collect())
}

/// The URLs of a server, one for each value of its variables.
fn urls(server: &Value) -> Vec<String> {
    let Some(url) = server.get("url").and_then(Value::as_str) else { return Vec::new() };
    let mut urls = vec![url.to_owned()];
    let variables = server.get("variables").and_then(Value::as_mapping);
    for (name, variable) in variables.into_iter().flatten() {
        let place = format!("{{{}}}", text(name).unwrap_or_default());
        let listed = variable.get("enum").and_then(Value::as_sequence).into_iter().flatten();
        let mut values: Vec<String> = listed.filter_map(text).collect();
        if values.is_empty() || values.len().saturating_mul(urls.len()) > MOST {
            values = variable.get("default").and_then(text).into_iter().collect();
        }
        let with = |url: &String| -> Vec<String> {
            values.iter().map(|value| url.replace(&place, value)).collect()
        };
        if !values.is_empty() {
            urls = urls.iter().flat_map(with).collect();
        }
    }
    urls
}

/// YAML's `1` where a text was meant.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn read(url: &str) -> Address {
    let (authority, path) = match url.split_once("//") {
        Some((scheme, rest)) if scheme.is_empty() || scheme.ends_with(':') => {
            rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()))
        }
        _ => ("", url),
    };
    // A variable without a value can be any host.
    let host = if authority.contains('{') { "" } else { authority };
    Address { host: host.to_owned(), base: base(path) }
}

fn base(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let path = path.trim_start_matches("./").trim_matches('/');
    if path.is_empty() { String::new() } else { format!("/{path}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_host_and_a_base_path() {
        for (url, host, base) in [
            ("https://api.example.com/v1/", "api.example.com", "/v1"),
            ("https://api.example.com:8443", "api.example.com:8443", ""),
            ("//api.example.com/v1?x=/y", "api.example.com", "/v1"),
            ("/", "", ""),
            ("v1/", "", "/v1"),
            ("./v1", "", "/v1"),
            ("/a//b", "", "/a//b"),
            ("https://{tenant}.example.com/v1", "", "/v1"),
        ] {
            assert_eq!(
                read(url),
                Address { host: host.to_owned(), base: base.to_owned() },
                "{url}"
            );
        }
    }

    #[test]
    fn every_value_of_a_variable_is_an_address() {
        let server: Value = serde_norway::from_str(
            "{url: 'https://{host}/{v}', variables: {host: {default: a.example}, v: {default: 1, enum: [1, 2]}}}",
        )
        .unwrap();
        assert_eq!(urls(&server), ["https://a.example/1", "https://a.example/2"]);
    }
}

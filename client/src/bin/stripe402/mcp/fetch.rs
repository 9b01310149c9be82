//! `fetch_paid`: a request that is paid for.

use std::collections::BTreeMap;

use reqwest::{
    Method,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use stripe402_client::{MaxPrice, paid};

use super::{body::Body, told, tools::Tools};
use crate::{address::address, exit::Exit};

/// What an agent asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fetch {
    url: String,
    method: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
    max_price: Option<Value>,
}

/// The headers of an answer that an agent can use. Cookies and receipts are not among them.
const SHOWN: [&str; 11] = [
    "allow",
    "cache-control",
    "content-disposition",
    "content-language",
    "content-type",
    "etag",
    "last-modified",
    "link",
    "location",
    "retry-after",
    "x-request-id",
];

/// How many of them an agent gets; `--max-body` is for the body.
const MOST_HEADERS: usize = 64;
/// In bytes; one that is longer is left out, because the part of it that is cut off could end in a credential's beginning.
const LONGEST_HEADER: usize = 1024;

/// The headers of a request that an agent may not set: they say where it goes (past `--allow-origin`), where it ends,
/// who pays, and in what parts or encoding the answer comes, which could show a credential in disguise.
const OURS: [&str; 12] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "payment",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

pub(super) async fn fetch(tools: &Tools, fetch: Fetch) -> Result<Value, Exit> {
    let url = address(&fetch.url).map_err(Exit::usage)?;
    let usual = if fetch.body.is_some() { "POST" } else { "GET" };
    let method = method(fetch.method.as_deref().unwrap_or(usual))?;
    let mut request = tools.client.request(method.clone(), url);
    request = request.headers(headers(&fetch.headers)?);
    if let Some(body) = fetch.body {
        request = request.body(body);
    }
    if let Some(most) = &fetch.max_price {
        request = request.with_extension(MaxPrice(told::amount(most, &tools.account.policy)?));
    }
    let begun = tools.account.begin()?;
    let sent = request.send().await.map_err(Exit::from);
    let response = sent.map_err(told::ask_the_cardholder)?;
    let paid = paid(&response).cloned();
    let (status, url) = (response.status().as_u16(), response.url().clone());
    let mut said = Map::from_iter([
        ("status".to_owned(), json!(status)),
        ("url".to_owned(), json!(url.as_str())),
        ("headers".to_owned(), shown(response.headers())),
    ]);
    let held = paid.as_ref().is_some_and(|paid| paid.hold.is_some());
    let secrets = tools.account.secrets()?;
    let body = Body::read(response, tools.max_body, held, &secrets).await;
    let receipt = match &paid {
        Some(paid) => begun.receipt(paid, &url, (method.as_str(), url.path())).await,
        None => Value::Null,
    };
    match body {
        Ok(body) => body.tell(&mut said),
        // It was paid for all the same, and that is said.
        Err(error) => {
            said.insert("bodyError".to_owned(), json!(format!("the body ended early: {error}")));
        }
    }
    said.insert("receipt".to_owned(), receipt);
    Ok(Value::Object(said))
}

pub(super) fn method(text: &str) -> Result<Method, Exit> {
    let method = text.to_ascii_uppercase().parse();
    method.map_err(|_| Exit::usage(format!("{text:?} is not a method of HTTP")))
}

fn headers(wanted: &BTreeMap<String, String>) -> Result<HeaderMap, Exit> {
    let mut headers = HeaderMap::new();
    for (name, value) in wanted {
        let wrong =
            || Exit::usage(format!("{name:?} is not a header of HTTP, or its value is none"));
        let name: HeaderName = name.parse().map_err(|_| wrong())?;
        if OURS.contains(&name.as_str()) || name.as_str().starts_with("proxy-") {
            return Err(Exit::usage(format!("the {name} header is this program's part")));
        }
        headers.append(name, value.parse().map_err(|_| wrong())?);
    }
    Ok(headers)
}

fn shown(headers: &HeaderMap<HeaderValue>) -> Value {
    let is_shown = |name: &str| SHOWN.contains(&name) || name.contains("ratelimit");
    let shown = headers.iter().filter(|(name, value)| {
        is_shown(name.as_str()) && name.as_str().len().max(value.len()) <= LONGEST_HEADER
    });
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let shown = shown.map(|(name, value)| (name.to_string(), json!(text(value))));
    shown.take(MOST_HEADERS).collect::<Map<_, _>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_are_shown_are_few_and_short() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "text/plain".parse().unwrap());
        headers.insert("set-cookie", "a=b".parse().unwrap());
        headers.insert("link", "l".repeat(1025).parse().unwrap());
        assert_eq!(shown(&headers), json!({"content-type": "text/plain"}));
        for number in 0..100 {
            let name: HeaderName = format!("x-ratelimit-{number}").parse().unwrap();
            headers.insert(name, HeaderValue::from(number));
        }
        assert_eq!(shown(&headers).as_object().unwrap().len(), 64);
    }
}

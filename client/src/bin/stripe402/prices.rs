//! What the tools of an MCP server cost, as its gateway lists it: an agent should know before it calls.

use std::{collections::BTreeMap, time::Duration};

use reqwest::Url;
use serde::Deserialize;
use stripe402_client::money;
use stripe402_protocol::{Currency, Units};

/// Where gateways list their prices.
const LIST: &str = "/.well-known/stripe402";
/// The longest list that is read, in bytes.
const LONGEST: usize = 1 << 20;
/// The longest time for it: tools are listed without prices, too.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Deserialize)]
struct List {
    routes: Vec<Route>,
}

#[derive(Deserialize)]
struct Route {
    path: Option<String>,
    mcp: Option<Mcp>,
}

#[derive(Deserialize)]
struct Mcp {
    tools: BTreeMap<String, Tool>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Tool {
    Priced {
        price: Units,
        currency: Currency,
        /// There where the price is known only afterwards.
        pricing: Option<serde::de::IgnoredAny>,
    },
    Free {
        free: bool,
    },
}

/// A sentence for each tool at this address; none where the gateway lists none.
pub(crate) async fn prices(client: &reqwest::Client, url: &Url) -> BTreeMap<String, String> {
    let listed = tokio::time::timeout(PATIENCE, list(client, url)).await.ok().flatten();
    let here = |route: &Route| route.path.as_deref() == Some(url.path());
    let route = listed.and_then(|list| list.routes.into_iter().find(here));
    let tools = route.and_then(|route| route.mcp).map(|mcp| mcp.tools).unwrap_or_default();
    tools.into_iter().filter_map(|(name, tool)| Some((name, sentence(&tool)?))).collect()
}

async fn list(client: &reqwest::Client, url: &Url) -> Option<List> {
    let response = client.get(url.join(LIST).ok()?).send().await.ok()?;
    let mut response = response.error_for_status().ok()?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST {
            return None;
        }
    }
    serde_json::from_slice(&body).ok()
}

fn sentence(tool: &Tool) -> Option<String> {
    match tool {
        Tool::Free { free } => free.then(|| "Free.".to_owned()),
        Tool::Priced { price, currency, pricing: None } => {
            Some(format!("Costs {} a call.", money(*price, *currency)))
        }
        Tool::Priced { price, currency, pricing: Some(_) } => {
            Some(format!("Costs at most {} a call.", money(*price, *currency)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_price_is_a_sentence() {
        let list = r#"{"routes": [{"prefix": "/x"}, {"path": "/mcp", "mcp": {"tools": {
            "echo": {"free": true}, "search": {"price": 100, "currency": "usd", "minTopUp": 50000},
            "report": {"price": 2500, "currency": "usd", "pricing": {"kind": "upto"}}}}}]}"#;
        let list: List = serde_json::from_str(list).unwrap();
        let tools = &list.routes[1].mcp.as_ref().unwrap().tools;
        let said: Vec<_> = tools.values().filter_map(sentence).collect();
        assert_eq!(said, ["Free.", "Costs at most $0.25 a call.", "Costs $0.01 a call."]);
    }
}

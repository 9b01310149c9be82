//! The tools of `stripe402 mcp`.

use std::time::Duration;

use reqwest_middleware::ClientWithMiddleware;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, ListToolsResult, PaginatedRequestParams,
        ServerCapabilities, ServerConfig, Tool, ToolAnnotations,
    },
    service::RequestContext,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{account::Account, ask, fetch, implementation, told};
use crate::{exit::Exit, network::NetworkArgs};

/// What an agent can call.
#[derive(Clone)]
pub(super) struct Tools {
    pub(super) account: Account,
    pub(super) client: ClientWithMiddleware,
    /// Whose certificates are trusted, for what is asked without paying.
    pub(super) network: NetworkArgs,
    /// Bytes of a body that the agent gets.
    pub(super) max_body: usize,
    /// The longest time for one request.
    pub(super) max_time: Duration,
}

const INSTRUCTIONS: &str = "\
Tools for HTTP APIs that cost money (402 Payment Required). fetch_paid pays within limits that a person has \
set; nothing here can raise them. Amounts are units: 10000 are one dollar. Each answer has a receipt that \
says what was paid and what is left. An error has a stable code and says whether something was paid.";

impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(implementation())
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let name = request.name.as_ref();
        if !tools().iter().any(|tool| tool.name == name) {
            return Err(ErrorData::invalid_params(format!("there is no tool {name}"), None));
        }
        let said = tokio::select! {
            said = self.call(name, arguments) => said,
            // Dropped where it is: a charge was written down before its card was sent.
            () = context.ct.cancelled() => Err(told::cancelled()),
        };
        Ok(told::result(&self.account, said).into())
    }
}

impl Tools {
    async fn call(&self, name: &str, arguments: Value) -> Result<Value, Exit> {
        match name {
            "fetch_paid" => fetch::fetch(self, read(arguments)?).await,
            "price" => ask::price(self, read(arguments)?).await,
            "balance" => ask::balance(self, read(arguments)?).await,
            _ => {
                let ask::BudgetOf {} = read(arguments)?;
                ask::budget(&self.account)
            }
        }
    }
}

fn read<T: DeserializeOwned>(arguments: Value) -> Result<T, Exit> {
    serde_json::from_value(arguments).map_err(|error| Exit::usage(error.to_string()))
}

fn tools() -> Vec<Tool> {
    let url = json!({"type": "string", "description": "URL with http:// or https://"});
    let method = |usual: &str| json!({"type": "string", "description": format!("Method of HTTP; {usual} unless given")});
    let max_price = json!({
        "type": ["string", "integer"],
        "description": "The most to pay for this call: units (500; 10000 are one dollar), or money with its \
                        currency (\"0.05usd\"). It can lower the limit that a person has set, never raise it.",
    });
    let fetched = json!({
        "url": url, "method": method("GET, or POST with a body,"),
        "headers": {
            "type": "object", "additionalProperties": {"type": "string"},
            "description": "Headers to send, such as content-type",
        },
        "body": {"type": "string", "description": "Body to send"},
        "max_price": max_price,
    });
    vec![
        tool(
            "fetch_paid",
            "Send an HTTP request, and pay for it if it costs something. Answers status, headers, body, and a \
             receipt: what was paid and what is left, in units. A receipt of null: nothing was paid.",
            &fetched,
            &["url"],
        )
        .annotate(ToolAnnotations::new().destructive(true).idempotent(false).open_world(true)),
        tool(
            "price",
            "Ask what a request costs, without paying. `notPaid` says why fetch_paid would refuse the price.",
            &json!({"url": url, "method": method("GET")}),
            &["url"],
        )
        .annotate(ToolAnnotations::new().read_only(true).open_world(true)),
        tool(
            "balance",
            "Show what is left at the server of a URL; without a URL, what the last receipt of each server said.",
            &json!({"url": url}),
            &[],
        )
        .annotate(ToolAnnotations::new().read_only(true).open_world(true)),
        tool(
            "budget",
            "Show what cards were charged, and the limits that a person has set.",
            &json!({}),
            &[],
        )
        .annotate(ToolAnnotations::new().read_only(true).open_world(false)),
    ]
}

fn tool(name: &'static str, does: &'static str, takes: &Value, required: &[&str]) -> Tool {
    let schema = json!({
        "type": "object", "properties": takes, "required": required, "additionalProperties": false,
    });
    Tool::new(name, does, schema.as_object().cloned().unwrap_or_default())
}

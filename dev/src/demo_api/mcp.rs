//! `/mcp`: an MCP server with three tools, of which the gateway sells two.

use std::sync::Arc;

use axum::{body::Body, extract::Request, response::Response};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation,
        ListToolsResult, MetaObject, PaginatedRequestParams, ServerCapabilities, ServerConfig,
        Tool,
    },
    service::RequestContext,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
    },
};
use serde_json::{Value, json};

/// The server, without sessions: each request is answered by itself.
#[derive(Clone)]
pub(super) struct Mcp(StreamableHttpService<Tools, NeverSessionManager>);

impl Mcp {
    pub(super) fn new() -> Self {
        let mut config = StreamableHttpServerConfig::default();
        config.legacy_session_mode = false;
        config.json_response = true;
        // The gateway in front is reached by any name.
        config.allowed_hosts = Vec::new();
        Self(StreamableHttpService::new(
            || Ok(Tools),
            Arc::new(NeverSessionManager::default()),
            config,
        ))
    }

    pub(super) async fn answer(&self, request: Request) -> Response {
        self.0.handle(request).await.map(Body::new)
    }
}

/// `echo`, `search` and `report`.
#[derive(Clone, Copy, Debug)]
struct Tools;

impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("stripe402-demo", env!("CARGO_PKG_VERSION")))
            .with_instructions("echo is free; search costs $0.01 a call, report $0.25.")
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(vec![
            tool("echo", "Says the same.", "text"),
            tool("search", "Finds three pages about something.", "query"),
            tool("report", "Writes a report about something.", "subject"),
        ]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let said = |field: &str| {
            let text = request.arguments.as_ref().and_then(|fields| fields.get(field)?.as_str());
            text.map(ToOwned::to_owned)
                .ok_or_else(|| ErrorData::invalid_params(format!("{field} must be a text"), None))
        };
        let text = match &*request.name {
            "echo" => said("text")?,
            "search" => {
                let query = said("query")?;
                (1..=3).map(|page| format!("{page}. A page about {query}\n")).collect()
            }
            "report" => format!("All that there is to say about {}.", said("subject")?),
            name => {
                return Err(ErrorData::invalid_params(format!("there is no tool {name}"), None));
            }
        };
        // By what some sell it.
        let words = text.split_whitespace().count();
        let mut meta = MetaObject::new();
        meta.0.insert("words".to_owned(), json!(words));
        Ok(CallToolResult::success(vec![ContentBlock::text(text)]).with_meta(Some(meta)).into())
    }
}

fn tool(name: &'static str, does: &'static str, takes: &str) -> Tool {
    let properties: Value = json!({takes: {"type": "string"}});
    let schema = json!({"type": "object", "properties": properties, "required": [takes]});
    Tool::new(name, does, schema.as_object().cloned().unwrap_or_default())
}

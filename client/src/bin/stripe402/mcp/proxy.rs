//! `stripe402 mcp proxy`: the tools of a remote server, whose calls are paid for.

use std::sync::Arc;

use reqwest::{
    Url,
    header::{HeaderName, HeaderValue},
};
use rmcp::{
    ErrorData, RoleClient, RoleServer, ServerHandler, ServiceExt as _,
    model::{
        CallToolRequest, CallToolRequestParams, CallToolResponse, CallToolResult,
        ClientCapabilities, ClientConfig, ClientRequest, ListToolsResult, MetaObject,
        PaginatedRequestParams, ServerCapabilities, ServerConfig, ServerPeerInfo, ServerResult,
    },
    service::{Peer, PeerRequestOptions, RequestContext, ServiceError},
    transport::{
        StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    USER_AGENT,
    account::Account,
    announce,
    arguments::ProxyArgs,
    implementation,
    outcomes::{Outcome, Outcomes},
    remote::Remote,
    secrets::for_agents,
    serve, told,
};
use crate::{curl, exit::Exit};

/// Under this name, `_meta` of a result says what the call cost.
const RECEIPT: &str = "stripe402/receipt";

pub(super) async fn proxy(arguments: ProxyArgs) -> Result<u8, Exit> {
    let ProxyArgs { url, headers, paying, kept } = arguments;
    let account = Account::open(paying.policy()?, &kept)?;
    let network = || reqwest::Client::builder().user_agent(USER_AGENT);
    let local = |error: reqwest::Error| Exit::local(error.to_string());
    let unpaid = network().redirect(reqwest::redirect::Policy::none()).build().map_err(local)?;
    let outcomes = Outcomes::default();
    let remote = Remote {
        paying: account.wallet.client(network()).map_err(local)?,
        unpaid,
        outcomes: outcomes.clone(),
        currency: account.policy.currency,
    };
    let config = StreamableHttpClientTransportConfig::with_uri(url.as_str())
        .custom_headers(curl::headers(&headers)?.iter().map(owned).collect());
    let transport = StreamableHttpClientTransport::with_client(remote, config);
    let client = ClientConfig::new(ClientCapabilities::default(), implementation());
    let running = client.serve(transport).await.map_err(|error| {
        outcomes
            .take_other()
            .unwrap_or_else(|| Exit::local(format!("the MCP server at {url}: {error}")))
    })?;
    announce(&account.policy, &format!(" for {url}"));
    let served = Proxy { account, url, outcomes, peer: running.peer().clone() };
    let ended = serve(served).await;
    // The remote server is told that the session has ended.
    let _reason = running.cancel().await;
    ended
}

fn owned((name, value): (&HeaderName, &HeaderValue)) -> (HeaderName, HeaderValue) {
    (name.clone(), value.clone())
}

/// What an agent sees of the remote server.
struct Proxy {
    account: Account,
    url: Url,
    outcomes: Outcomes,
    peer: Peer<RoleClient>,
}

impl ServerHandler for Proxy {
    fn get_info(&self) -> ServerConfig {
        let remote: Option<Arc<ServerPeerInfo>> = self.peer.peer_info();
        let (server, instructions) = match remote.as_deref() {
            Some(remote) => (remote.server_info.clone(), remote.instructions.clone()),
            None => (None, None),
        };
        let info = ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(server.unwrap_or_else(implementation));
        match instructions {
            Some(instructions) => info.with_instructions(instructions),
            None => info,
        }
    }

    async fn list_tools(
        &self,
        page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        match self.peer.list_tools(page).await {
            Ok(listed) => self.hide(listed).map_err(|exit| of_protocol(&exit)),
            Err(ServiceError::McpError(error)) => Err(error),
            Err(error) => {
                let exit = self.outcomes.take_other().unwrap_or_else(|| self.failure(&error));
                Err(of_protocol(&exit))
            }
        }
    }

    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let called = match self.call(params, context).await {
            Ok(called) => called,
            Err(exit) => return Ok(told::refused(&self.account, exit).into()),
        };
        let Called { answer, receipt } = called;
        match answer {
            Ok(mut result) => {
                if let Some(receipt) = receipt {
                    let meta = result.meta.get_or_insert_with(MetaObject::new);
                    meta.0.insert(RECEIPT.to_owned(), receipt);
                }
                match self.hide(result) {
                    Ok(result) => Ok(result.into()),
                    Err(exit) => Ok(told::refused(&self.account, exit).into()),
                }
            }
            // An error of the protocol has no `_meta`; its data says what it cost.
            Err(ServiceError::McpError(mut error)) => {
                if let Some(receipt) = receipt {
                    error.data = Some(json!({"data": error.data, RECEIPT: receipt}));
                }
                Err(error)
            }
            Err(error) => {
                let mut exit = self.failure(&error);
                if let (Some(receipt), Some(fields)) = (receipt, exit.error.as_object_mut()) {
                    fields.insert("receipt".to_owned(), receipt);
                }
                Ok(told::refused(&self.account, exit).into())
            }
        }
    }
}

/// A call that was sent, and what it cost.
struct Called {
    answer: Result<CallToolResult, ServiceError>,
    receipt: Option<Value>,
}

impl Proxy {
    /// An error here is that nothing came of the call, for a reason of this client's.
    async fn call(
        &self,
        params: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<Called, Exit> {
        let begun = self.account.begin()?;
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
        let sent = self.peer.send_request_with_option(request, PeerRequestOptions::default()).await;
        let mut handle = sent.map_err(|error| self.failure(&error))?;
        let id = handle.id.clone();
        let answered = tokio::select! {
            answered = &mut handle.rx => answered.unwrap_or(Err(ServiceError::TransportClosed)),
            () = context.ct.cancelled() => {
                // If the remote server cannot be told, it has no answer for anybody anyway.
                let _told = handle.cancel(None).await;
                return Err(told::cancelled());
            }
        };
        let receipt = match self.outcomes.take(&id) {
            Some(Outcome::Failed(exit)) => return Err(told::ask_the_cardholder(exit)),
            Some(Outcome::Paid(paid)) => Some(begun.receipt(&paid, &self.url, "POST").await),
            None => None,
        };
        let answer = answered.map(|result| match result {
            ServerResult::CallToolResult(result) => result,
            // Nothing that is known; it may have been paid for, so it is handed on as it is.
            other => CallToolResult::structured(json!(other)),
        });
        Ok(Called { answer, receipt })
    }

    /// The same without credentials.
    fn hide<T: Serialize + DeserializeOwned>(&self, value: T) -> Result<T, Exit> {
        let local = |error: serde_json::Error| Exit::local(error.to_string());
        let value = serde_json::to_value(value).map_err(local)?;
        serde_json::from_value(self.account.secrets()?.hide_json(value)).map_err(local)
    }

    fn failure(&self, error: &ServiceError) -> Exit {
        Exit::local(format!("the MCP server at {}: {error}", self.url))
    }
}

/// For requests whose results cannot be an error.
fn of_protocol(exit: &Exit) -> ErrorData {
    ErrorData::internal_error(exit.message.clone(), Some(for_agents(exit.error.clone())))
}

//! `stripe402 mcp proxy`: the tools of a remote server, whose calls are paid for.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

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
        Tool,
    },
    service::{Peer, PeerRequestOptions, RequestContext, ServiceError},
    transport::{
        StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use stripe402_client::Part;

use super::{
    account::Account,
    announce,
    arguments::ProxyArgs,
    implementation, input,
    outcomes::{Outcome, Outcomes},
    remote::{Answers, Expired, Remote},
    secrets::{self, for_agents},
    serve, told,
};
use crate::{curl, exit::Exit, prices::prices};

/// The longest time for the end of the remote session, and for the word that a call is cancelled.
const FAREWELL: Duration = Duration::from_secs(1);

/// Under this name, `_meta` of a result says what the call cost.
const RECEIPT: &str = "stripe402/receipt";

pub(super) async fn proxy(arguments: ProxyArgs) -> Result<u8, Exit> {
    let ProxyArgs { url, headers, max_time, paying, network, kept } = arguments;
    let max_time = Duration::from_secs(max_time);
    let headers = curl::headers(&headers)?;
    let account = Account::open(paying.policy()?, &kept, secrets::of_headers(&headers))?;
    let local = |error: reqwest::Error| Exit::local(error.to_string());
    let unpaid = network.builder()?.redirect(reqwest::redirect::Policy::none());
    let unpaid = unpaid.build().map_err(local)?;
    let outcomes = Outcomes::default();
    let prices = prices(&unpaid, &url).await;
    let remote = Remote {
        paying: account.wallet.client(network.builder()?).map_err(local)?,
        unpaid,
        outcomes: outcomes.clone(),
        answers: Answers::default(),
        expired: Expired::default(),
        max_time,
        currency: account.policy.currency,
    };
    let config = StreamableHttpClientTransportConfig::with_uri(url.as_str())
        .custom_headers(headers.iter().map(owned).collect());
    let transport = StreamableHttpClientTransport::with_client(remote, config);
    let client = ClientConfig::new(ClientCapabilities::default(), implementation());
    let (agent, ended) = input::start();
    let running = tokio::select! {
        running = client.serve(transport) => running,
        () = ended.clone().for_good() => return Ok(0),
    };
    let running = running.map_err(|error| {
        outcomes
            .take_other()
            .unwrap_or_else(|| Exit::local(format!("the MCP server at {url}: {error}")))
    })?;
    announce(&account.policy, &format!(" for {url}"));
    let peer = running.peer().clone();
    let served = Proxy { account, url, outcomes, max_time, peer, prices };
    let served = tokio::select! {
        served = serve(served, (agent, tokio::io::stdout())) => served,
        () = ended.for_good() => Ok(0),
    };
    // The remote server is told that the session has ended, if it listens.
    let _reason = tokio::time::timeout(FAREWELL, running.cancel()).await;
    served
}

fn owned((name, value): (&HeaderName, &HeaderValue)) -> (HeaderName, HeaderValue) {
    (name.clone(), value.clone())
}

/// What an agent sees of the remote server.
struct Proxy {
    account: Account,
    url: Url,
    outcomes: Outcomes,
    /// The longest time for one call.
    max_time: Duration,
    peer: Peer<RoleClient>,
    /// What tools cost, by their names.
    prices: BTreeMap<String, String>,
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
        let info = match instructions {
            Some(instructions) => info.with_instructions(instructions),
            None => info,
        };
        // If the credentials cannot be read, the remote server's words are not shown at all.
        self.hide(info).unwrap_or_else(|_| {
            ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
                .with_server_info(implementation())
        })
    }

    async fn list_tools(
        &self,
        page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let listed = tokio::time::timeout(self.max_time, self.peer.list_tools(page)).await;
        match listed.unwrap_or_else(|_| Err(self.late())) {
            Ok(mut listed) => {
                listed.tools.iter_mut().for_each(|tool| self.price(tool));
                self.hide(listed).map_err(|exit| self.of_protocol(&exit))
            }
            Err(ServiceError::McpError(error)) => Err(self.hide_error(error)),
            Err(error) => {
                let exit = self.outcomes.take_other().unwrap_or_else(|| self.failure(&error));
                Err(self.of_protocol(&exit))
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
                // The remote server's own word on what was paid is none.
                if let Some(meta) = &mut result.meta {
                    meta.0.remove(RECEIPT);
                }
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
                if let Some(Value::Object(data)) = &mut error.data {
                    data.remove(RECEIPT);
                }
                if let Some(receipt) = receipt {
                    error.data = Some(json!({"data": error.data, RECEIPT: receipt}));
                }
                Err(self.hide_error(error))
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
        let path = Part(params.name.to_string()).of(self.url.path());
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
        let over = tokio::time::sleep(self.max_time);
        tokio::pin!(over);
        let sent = tokio::select! {
            sent = self.peer.send_request_with_option(request, PeerRequestOptions::default()) => sent,
            () = &mut over => Err(self.late()),
        };
        let mut handle = sent.map_err(|error| self.failure(&error))?;
        let id = handle.id.clone();
        let answered = tokio::select! {
            answered = &mut handle.rx => answered.unwrap_or(Err(ServiceError::TransportClosed)),
            () = context.ct.cancelled() => {
                // If the remote server cannot be told, it has no answer for anybody anyway.
                let _told = tokio::time::timeout(FAREWELL, handle.cancel(None)).await;
                return Err(told::cancelled());
            }
            () = &mut over => {
                let _told = tokio::time::timeout(FAREWELL, handle.cancel(None)).await;
                Err(self.late())
            }
        };
        let receipt = match self.outcomes.take(&id) {
            Some(Outcome::Failed(exit)) => return Err(told::ask_the_cardholder(exit)),
            Some(Outcome::Paid(paid)) => {
                Some(begun.receipt(&paid, &self.url, ("POST", &path)).await)
            }
            None => None,
        };
        let answer = answered.map(|result| match result {
            ServerResult::CallToolResult(result) => result,
            // Nothing that is known; it may have been paid for, so it is handed on as it is.
            other => CallToolResult::structured(json!(other)),
        });
        Ok(Called { answer, receipt })
    }

    /// An agent reads what a tool costs where it reads what it does.
    fn price(&self, tool: &mut Tool) {
        if let Some(price) = self.prices.get(tool.name.as_ref()) {
            let does = tool.description.take().unwrap_or_default();
            tool.description = Some(format!("{does}\n\n{price}").trim().to_owned().into());
        }
    }

    /// The same without credentials.
    fn hide<T: Serialize + DeserializeOwned>(&self, value: T) -> Result<T, Exit> {
        let local = |error: serde_json::Error| Exit::local(error.to_string());
        let value = serde_json::to_value(value).map_err(local)?;
        serde_json::from_value(self.account.secrets()?.hide_json(value)).map_err(local)
    }

    fn hide_error(&self, error: ErrorData) -> ErrorData {
        self.hide(error).unwrap_or_else(|_| {
            ErrorData::internal_error(
                "an error that cannot be shown: credentials cannot be read",
                None,
            )
        })
    }

    /// For requests whose results cannot be an error.
    fn of_protocol(&self, exit: &Exit) -> ErrorData {
        let data = for_agents(exit.error.clone());
        self.hide_error(ErrorData::internal_error(exit.message.clone(), Some(data)))
    }

    fn late(&self) -> ServiceError {
        ServiceError::Timeout { timeout: self.max_time }
    }

    fn failure(&self, error: &ServiceError) -> Exit {
        // What a transport says begins with the names of types.
        let said = error.to_string();
        let said = said.rsplit("] error: ").next().unwrap_or_default();
        Exit::local(format!("the MCP server at {}: {said}", self.url))
    }
}

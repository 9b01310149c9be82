//! The remote MCP server, reached through the client that pays.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::stream::BoxStream;
use reqwest::{
    RequestBuilder, Response, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use reqwest_middleware::ClientWithMiddleware;
use rmcp::{
    model::{
        ClientJsonRpcMessage, ClientNotification, ClientRequest, JsonRpcMessage, JsonRpcRequest,
        RequestId, ServerJsonRpcMessage,
    },
    transport::streamable_http_client::{
        SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
        StreamableHttpResponseLimits,
    },
};
use sse_stream::Sse;
use stripe402_client::{Outcome as HowPaid, Paid, Part, outcome, paid};
use stripe402_protocol::Currency;
use tokio::sync::Semaphore;

use super::{
    events::events,
    outcomes::{Outcome, Outcomes},
};
use crate::{exit::Exit, show};

/// The headers of MCP's streamable HTTP.
const SESSION: &str = "mcp-session-id";
const LAST_EVENT: &str = "last-event-id";

/// Answers to the server's own requests that are under way at once; it gets no others meanwhile.
const MOST_ANSWERS: usize = 8;
/// The longest time for one of them, and for the end of a session.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the agent causes is posted and paid for. The stream of the server's own messages, answers to them, and
/// the end of a session are sent without payment: else a server could make its clients pay as often as it likes.
#[derive(Clone)]
pub(super) struct Remote {
    pub(super) paying: ClientWithMiddleware,
    pub(super) unpaid: reqwest::Client,
    pub(super) outcomes: Outcomes,
    pub(super) answers: Answers,
    pub(super) expired: Expired,
    /// The longest time for one request.
    pub(super) max_time: Duration,
    /// Of amounts in the log.
    pub(super) currency: Currency,
}

/// Room for answers to the server's own requests.
#[derive(Clone)]
pub(super) struct Answers(Arc<Semaphore>);

impl Default for Answers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST_ANSWERS)))
    }
}

/// The session that ended under a call that was paid for: that call is not sent again, and the next begins
/// another session.
#[derive(Clone, Default)]
pub(super) struct Expired(Arc<Mutex<Option<Arc<str>>>>);

impl Expired {
    /// An id is never left half changed.
    fn lock(&self) -> MutexGuard<'_, Option<Arc<str>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why there is no answer of the remote server.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Failed(String);

type Refusal = StreamableHttpError<Failed>;

fn failed(error: reqwest::Error) -> Refusal {
    StreamableHttpError::Client(Failed(Exit::from(reqwest_middleware::Error::from(error)).message))
}

impl Remote {
    /// What was paid is kept for a tool's caller, and else goes to the log.
    fn book(&self, message: &ClientJsonRpcMessage, paid: Option<&Paid>) {
        match (paid, call(message)) {
            (Some(paid), Some(id)) => self.outcomes.of_call(id, Outcome::Paid(paid.clone())),
            (Some(paid), None) => show::receipt(paid, self.currency),
            (None, _) => {}
        }
    }

    async fn send(
        &self,
        uri: &str,
        message: &ClientJsonRpcMessage,
        headers: HeaderMap,
    ) -> Result<Response, Refusal> {
        let body = serde_json::to_vec(message)?;
        let mut request = self.paying.post(uri).headers(headers).body(body).timeout(self.max_time);
        if let Some(tool) = tool(message) {
            request = request.with_extension(Part(tool.to_owned()));
        }
        match request.send().await {
            Ok(response) => Ok(response),
            Err(failure) => {
                let exit = Exit::from(failure);
                let said = exit.message.clone();
                match call(message) {
                    Some(id) => self.outcomes.of_call(id, Outcome::Failed(exit)),
                    None => self.outcomes.other_failed(exit),
                }
                Err(StreamableHttpError::Client(Failed(said)))
            }
        }
    }
}

impl Remote {
    /// Unpaid, and whatever becomes of it: the server asked on its own account.
    async fn answer(
        &self,
        uri: &str,
        message: &ClientJsonRpcMessage,
        headers: HeaderMap,
    ) -> Result<StreamableHttpPostResponse, Refusal> {
        if let Ok(_room) = self.answers.0.try_acquire() {
            let request = self.unpaid.post(uri).timeout(PATIENCE);
            let _sent = send(request.body(serde_json::to_vec(message)?), headers).await;
        }
        Ok(StreamableHttpPostResponse::Accepted)
    }
}

impl StreamableHttpClient for Remote {
    type Error = Failed;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        _auth: Option<String>,
        custom: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Refusal> {
        let limits = StreamableHttpResponseLimits::default();
        self.post_message_with_response_limits(uri, message, session, None, custom, limits).await
    }

    async fn post_message_with_response_limits(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        _auth: Option<String>,
        custom: HashMap<HeaderName, HeaderValue>,
        limits: StreamableHttpResponseLimits,
    ) -> Result<StreamableHttpPostResponse, Refusal> {
        let mut headers = head(custom, session.as_deref())?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if !may_cost(&message) {
            return self.answer(&uri, &message, headers).await;
        }
        if session.is_none() {
            *self.expired.lock() = None;
        } else if *self.expired.lock() == session {
            return Err(StreamableHttpError::SessionExpired);
        }
        let response = self.send(&uri, &message, headers).await?;
        let paid = paid(&response).cloned();
        self.book(&message, paid.as_ref());
        let status = response.status();
        if status == StatusCode::NOT_FOUND && session.is_some() {
            // The same message would be sent again in a new session, and paid for again; that there is no
            // receipt is only what the server says.
            if !matches!(outcome(&response), None | Some(HowPaid::Free)) {
                *self.expired.lock() = session;
                let said = "the remote server has ended its session; call again for a new one";
                return Err(StreamableHttpError::UnexpectedServerResponse(Cow::Borrowed(said)));
            }
            return Err(StreamableHttpError::SessionExpired);
        }
        if status.is_success() && !matches!(message, JsonRpcMessage::Request(_)) {
            return Ok(StreamableHttpPostResponse::Accepted);
        }
        let kind = text(&response, CONTENT_TYPE.as_str()).unwrap_or_default();
        let session = text(&response, SESSION);
        if status.is_success() && is(&kind, "text/event-stream") {
            let events = events(response, limits.max_sse_event_size);
            return Ok(StreamableHttpPostResponse::Sse(events, session));
        }
        let body = read(response, limits.max_json_response_size).await?;
        if is(&kind, "application/json")
            && let Ok(told) = serde_json::from_slice::<ServerJsonRpcMessage>(&body)
            && (status.is_success() || matches!(told, JsonRpcMessage::Error(_)))
        {
            return Ok(StreamableHttpPostResponse::Json(told, session));
        }
        let said = format!("the remote server answered {status} without a message of MCP");
        Err(StreamableHttpError::UnexpectedServerResponse(Cow::Owned(said)))
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session: Arc<str>,
        _auth: Option<String>,
        custom: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), Refusal> {
        let headers = head(custom, Some(&session))?;
        send(self.unpaid.delete(&*uri).timeout(PATIENCE), headers).await.map(drop)
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session: Option<Arc<str>>,
        last_event: Option<String>,
        _auth: Option<String>,
        custom: HashMap<HeaderName, HeaderValue>,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Refusal> {
        let most = StreamableHttpResponseLimits::default().max_sse_event_size;
        self.get_stream_with_max_sse_event_size(uri, session, last_event, None, custom, most).await
    }

    async fn get_stream_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        session: Option<Arc<str>>,
        last_event: Option<String>,
        _auth: Option<String>,
        custom: HashMap<HeaderName, HeaderValue>,
        most: usize,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Refusal> {
        let mut headers = head(custom, session.as_deref())?;
        if let Some(last_event) = last_event {
            headers.insert(HeaderName::from_static(LAST_EVENT), value(&last_event)?);
        }
        let response = send(self.unpaid.get(&*uri), headers).await?;
        let kind = text(&response, CONTENT_TYPE.as_str()).unwrap_or_default();
        // A server need not have this stream; where it costs something, it is done without.
        if !response.status().is_success() || !is(&kind, "text/event-stream") {
            return Err(StreamableHttpError::ServerDoesNotSupportSse);
        }
        Ok(events(response, most))
    }
}

/// The tool that is called.
fn tool(message: &ClientJsonRpcMessage) -> Option<&str> {
    match message {
        JsonRpcMessage::Request(JsonRpcRequest {
            request: ClientRequest::CallToolRequest(request),
            ..
        }) => Some(&request.params.name),
        _ => None,
    }
}

/// Whether an agent is the cause: it calls and lists tools, and gives calls up.
fn may_cost(message: &ClientJsonRpcMessage) -> bool {
    match message {
        JsonRpcMessage::Request(message) => matches!(
            message.request,
            ClientRequest::InitializeRequest(_)
                | ClientRequest::ListToolsRequest(_)
                | ClientRequest::CallToolRequest(_)
        ),
        JsonRpcMessage::Notification(message) => matches!(
            message.notification,
            ClientNotification::InitializedNotification(_)
                | ClientNotification::CancelledNotification(_)
        ),
        _ => false,
    }
}

/// The id, if a tool is called.
fn call(message: &ClientJsonRpcMessage) -> Option<&RequestId> {
    match message {
        JsonRpcMessage::Request(JsonRpcRequest {
            id,
            request: ClientRequest::CallToolRequest(_),
            ..
        }) => Some(id),
        _ => None,
    }
}

async fn send(request: RequestBuilder, headers: HeaderMap) -> Result<Response, Refusal> {
    request.headers(headers).send().await.map_err(failed)
}

fn head(
    custom: HashMap<HeaderName, HeaderValue>,
    session: Option<&str>,
) -> Result<HeaderMap, Refusal> {
    let mut headers: HeaderMap = custom.into_iter().collect();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    if let Some(session) = session {
        headers.insert(HeaderName::from_static(SESSION), value(session)?);
    }
    Ok(headers)
}

fn value(text: &str) -> Result<HeaderValue, Refusal> {
    let wrong = |_| StreamableHttpError::UnexpectedServerResponse("an id that is no header".into());
    text.parse().map_err(wrong)
}

fn text(response: &Response, name: &str) -> Option<String> {
    Some(response.headers().get(name)?.to_str().ok()?.to_owned())
}

/// Whether a `content-type` is of this kind, whatever its parameters.
fn is(content_type: &str, kind: &str) -> bool {
    content_type.split(';').next().is_some_and(|text| text.trim().eq_ignore_ascii_case(kind))
}

async fn read(mut response: Response, most: usize) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if bytes.len().saturating_add(chunk.len()) > most {
            return Err(StreamableHttpError::ResponseBodyTooLarge { max_size: most });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

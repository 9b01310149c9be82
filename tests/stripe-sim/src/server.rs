//! The server: its connections, which a call may close without an answer, and its end.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, DATE,
};
use axum::http::{HeaderValue, Method, Response, StatusCode};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::app::{App, State as AppState, lock};
use crate::call::{self, Incoming};
use crate::calls::Calls;
use crate::clock;
use crate::control;
use crate::faults::Faults;
use crate::journal::Journal;
use crate::stripe_js;
use crate::webhook;
use crate::world::{Record, WebhookEndpoint, World};

/// The largest body that is read, in bytes.
const MAX_BODY: usize = 1 << 20;
/// How long open calls have to end when the server stops.
const GRACE: Duration = Duration::from_secs(2);

/// How to run the stand-in.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where state is kept over restarts; in memory only where absent.
    pub state_dir: Option<PathBuf>,
    /// Where events are delivered; where absent, as it was before the restart.
    pub webhook: Option<WebhookEndpoint>,
}

/// A running stand-in; it stops when this is dropped.
#[derive(Debug)]
pub struct Handle {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

impl Handle {
    /// Where it listens, such as `http://127.0.0.1:8405`; API clients take it as their base address.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops it, and waits until open calls have ended.
    pub async fn shutdown(self) {
        // Fails only if the server has ended already.
        let _ = self.stop.send(true);
        if let Err(error) = self.server.await {
            tracing::error!(%error, "the server did not end by itself");
        }
    }
}

/// Serves the stand-in on a listener, until the handle is dropped or shut down.
///
/// # Errors
/// If the state directory cannot be read or written, or holds something else.
pub async fn serve(listener: TcpListener, options: Options) -> io::Result<Handle> {
    let address = listener.local_addr()?;
    let (deliveries, events) = mpsc::unbounded_channel();
    let app = Arc::new(open(options, deliveries)?);
    for event in lock(&app.state).world.events.newest_first().filter(|event| event.pending) {
        // The receiver lives as long as the server.
        let _ = app.deliveries.send(event.id.clone());
    }
    let (stop, stopped) = watch::channel(false);
    let router = Router::new()
        .fallback(entry)
        .with_state(Arc::clone(&app))
        .merge(control::router(Arc::clone(&app)))
        .merge(stripe_js::router(Arc::clone(&app)));
    let server = tokio::spawn(async move {
        let deliveries = tokio::spawn(webhook::deliver_all(app, events));
        accept(listener, router, stopped).await;
        deliveries.abort();
    });
    Ok(Handle { address, stop, server })
}

fn open(options: Options, deliveries: mpsc::UnboundedSender<String>) -> io::Result<App> {
    let mut world = World::default();
    let mut journal = match &options.state_dir {
        Some(dir) => Some(Journal::open(dir, &mut world)?),
        None => None,
    };
    if let Some(endpoint) = options.webhook
        && world.webhook.as_ref() != Some(&endpoint)
    {
        if let Some(journal) = &mut journal {
            journal.append(vec![Record::Webhook(Some(endpoint.clone()))])?;
        }
        world.webhook = Some(endpoint);
    }
    Ok(App {
        state: Mutex::new(AppState { world, journal }),
        faults: Mutex::new(Faults::default()),
        calls: Mutex::new(Calls::default()),
        in_flight: Mutex::default(),
        date_ahead: AtomicI64::default(),
        deliveries,
    })
}

async fn accept(listener: TcpListener, router: Router, mut stopped: watch::Receiver<bool>) {
    let graceful = GracefulShutdown::new();
    // Ends when told to, and when the handle is gone.
    let mut end = pin!(async move { stopped.wait_for(|stop| *stop).await.is_ok() });
    loop {
        tokio::select! {
            connection = listener.accept() => match connection {
                Ok((stream, _)) => connect(stream, &router, &graceful),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            _ = &mut end => break,
        }
    }
    drop(listener);
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("calls were still open when the server stopped");
    }
}

/// Marks a response in whose place the connection is to be closed.
#[derive(Debug, Clone, Copy)]
struct HangUp;

fn connect(stream: TcpStream, router: &Router, graceful: &GracefulShutdown) {
    // Small answers at once; a failure only makes them slower.
    let _ = stream.set_nodelay(true);
    let router = TowerToHyperService::new(router.clone());
    let service = service_fn(move |request| {
        let response = router.call(request);
        async move {
            match response.await {
                Ok(response) if response.extensions().get::<HangUp>().is_some() => {
                    Err(io::Error::other("the call is to get no answer"))
                }
                Ok(response) => Ok(response),
                Err(never) => match never {},
            }
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended early");
        }
    });
}

/// Serves what is not a test control. A call goes on when its client is gone, as Stripe's do.
async fn entry(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    if request.method() == Method::OPTIONS {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        allow_any_origin(&mut response);
        return response;
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return response;
    };
    let incoming = Incoming {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body: body.to_vec(),
    };
    let ahead = app.date_ahead.load(Ordering::Relaxed);
    let answer = tokio::spawn(call::serve(app, incoming)).await;
    let mut response = answer.ok().flatten().unwrap_or_else(|| {
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(HangUp);
        response
    });
    allow_any_origin(&mut response);
    if ahead != 0 {
        date(&mut response, ahead);
    }
    response
}

/// As a machine would date the answer whose clock is ahead by so many seconds, or behind.
fn date(response: &mut Response<Body>, ahead: i64) {
    let seconds = clock::seconds(clock::now_ms()).saturating_add(ahead);
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    let at = UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH);
    if let Ok(value) = HeaderValue::from_str(&httpdate::fmt_http_date(at)) {
        response.headers_mut().insert(DATE, value);
    }
}

/// A page of any origin may make a PaymentMethod.
fn allow_any_origin(response: &mut Response<Body>) {
    for (name, value) in [
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (ACCESS_CONTROL_ALLOW_METHODS, "POST"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
}

//! One listener: HTTP/1.1 and HTTP/2 on one port, and what nobody may take more of.
//!
//! axum routes, but its own server hides hyper's time-outs, so connections are accepted here. hyper
//! closes a connection whose head is slow, not one that sends nothing: that is counted here, too.
//! A connection is closed when it has sent no whole request head in time, or has had nothing under
//! way for long; what is slower or larger than its limit is refused. So strangers can hold
//! connections, up to their number, for no longer than [`ListenerLimits::header_time`] each.

use std::{io, pin::pin, sync::Arc, time::Duration};

use axum::{Router, serve::Listener as _};
use hyper::{Request, body::Incoming, service::Service as _};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};
use tokio_util::task::TaskTracker;

use super::{activity::Activity, tls::Listener};

/// How much of everything a listener gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerLimits {
    /// For the head of a request, from when the connection is made or the head begins.
    pub header_time: Duration,
    /// For the body of a request.
    pub body_time: Duration,
    /// For the answer to a request that is there.
    pub request_time: Duration,
    /// For a connection without a request.
    pub idle_time: Duration,
    /// The head of a request, in bytes.
    pub max_headers: usize,
    /// The body of a request, in bytes.
    pub max_body: usize,
    /// Connections at once; more wait until one is closed.
    pub connections: usize,
}

/// The least that hyper takes as the size of its buffer for a head.
const LEAST_BUFFER: usize = 8192;
/// HTTP/2 connections whose other end has gone without a word are found out within twice this.
const PING: Duration = Duration::from_secs(20);
/// How long a connection that is being closed may take to take its answer.
const LINGER: Duration = Duration::from_secs(1);

/// Serves until told to stop, then finishes what is under way.
///
/// # Errors
/// None at present: what a single connection does is its own affair.
pub async fn serve(
    mut listener: Listener,
    router: Router,
    limits: ListenerLimits,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    let room = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
    let http = Arc::new(builder(&limits));
    let connections = TaskTracker::new();
    loop {
        let next = async {
            // The semaphore is never closed.
            let place = Arc::clone(&room).acquire_owned().await.map_err(io::Error::other)?;
            Ok::<_, io::Error>((listener.accept().await.0, place))
        };
        let (stream, place) = tokio::select! {
            () = told(&mut stopped) => break,
            accepted = next => accepted?,
        };
        let (http, router, stopped) = (Arc::clone(&http), router.clone(), stopped.clone());
        connections.spawn(connection(stream, place, http, router, limits, stopped));
    }
    drop(listener);
    connections.close();
    connections.wait().await;
    Ok(())
}

fn builder(limits: &ListenerLimits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_buf_size(limits.max_headers.max(LEAST_BUFFER));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.max_headers).unwrap_or(u32::MAX))
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    place: OwnedSemaphorePermit,
    http: Arc<Builder<TokioExecutor>>,
    router: Router,
    limits: ListenerLimits,
    mut stopped: watch::Receiver<bool>,
) {
    let (activity, router) = (Activity::new(), TowerToHyperService::new(router));
    let of_requests = Arc::clone(&activity);
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let under_way = of_requests.begin();
        let answer = router.call(request);
        async move {
            let answer = answer.await;
            drop(under_way);
            answer
        }
    });
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    let why = tokio::select! {
        ended = connection.as_mut() => return log(ended),
        () = told(&mut stopped) => "the ledger stops",
        () = activity.idle(limits.header_time, limits.idle_time) => "nothing came in time",
    };
    tracing::debug!(why, "the ledger closes a connection");
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        ended = connection.as_mut() => return log(ended),
        () = activity.idle(LINGER, LINGER) => {}
    }
    drop(place);
}

async fn told(stopped: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone: stop, too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

fn log(ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection failed");
    }
}

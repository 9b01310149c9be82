//! APIs that do what the demo API does not, on a port of their own, inside the test.

use std::net::SocketAddr;

use axum::Router;
use serde_json::json;
use stripe402_tests::{envoy_config::EnvoyConfig, stack::StackOptions};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// Serves a router; it ends with the test.
pub(crate) async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

/// Takes every request and answers none.
pub(crate) async fn hanging() -> SocketAddr {
    serve(Router::new().fallback(std::future::pending::<()>)).await
}

/// Reads one request's head from each connection, and lets `answer` do what it likes with it.
pub(crate) async fn raw<F, A>(answer: F) -> SocketAddr
where
    F: Fn(String, TcpStream) -> A + Clone + Send + 'static,
    A: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let answer = answer.clone();
            tokio::spawn(async move {
                let head = head(&mut stream).await;
                answer(head, stream).await;
            });
        }
    });
    address
}

/// What came before the empty line.
pub(crate) async fn head(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => read.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&read).into_owned()
}

pub(crate) async fn write(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

/// A gateway before this API, where every path below `/api/` costs 1,000 units but the demo's.
pub(crate) fn before(api: SocketAddr) -> StackOptions {
    StackOptions::new()
        .filter(|filter| {
            let everything = json!({"name": "other", "prefix": "/other/", "price": 1_000});
            filter["routes"].as_array_mut().unwrap().push(everything);
        })
        .config(move |config| {
            add_cluster(config, "other", api)?;
            let route = json!({
                "match": {"prefix": "/other/"}, "route": {"cluster": "other", "timeout": "1s"},
            });
            config.routes()?.as_array_mut().unwrap().insert(0, route);
            Ok(())
        })
}

/// Whether Envoy shows the gate a request's body before the gate has decided about its head.
pub(crate) fn shows_bodies(config: &mut EnvoyConfig, shows: bool) -> stripe402_tests::Result<()> {
    let filters = config.connection_manager()?["http_filters"].as_array_mut().unwrap();
    let gate = filters.iter_mut().find(|filter| filter["name"] == "stripe402").unwrap();
    gate["typed_config"]["config"]["allow_on_headers_stop_iteration"] = json!(shows);
    Ok(())
}

/// One more cluster, of one host.
pub(crate) fn add_cluster(
    config: &mut EnvoyConfig,
    name: &str,
    address: SocketAddr,
) -> stripe402_tests::Result<()> {
    let mut other = config.cluster("api")?.clone();
    other["name"] = json!(name);
    other["load_assignment"]["cluster_name"] = json!(name);
    other["load_assignment"]["endpoints"] = json!([{"lb_endpoints": [{"endpoint": {
        "address": {"socket_address": {
            "address": address.ip().to_string(), "port_value": address.port(),
        }},
    }}]}]);
    let clusters = config.root().pointer_mut("/static_resources/clusters").unwrap();
    clusters.as_array_mut().unwrap().push(other);
    Ok(())
}

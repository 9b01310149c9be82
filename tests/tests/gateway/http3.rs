//! The same gate over HTTP/3: the wheel's Envoy speaks it.

use std::{net::SocketAddr, path::Path, process::Command, sync::Arc, time::Duration};

use serde_json::json;
use stripe402_tests::{
    ports::{self, local},
    stack::{Stack, StackOptions},
    wire,
};

use crate::{
    answer::paid_client,
    bypass::{METHODS, TARGETS, configurations, is_leak},
};

type Requests = h3::client::SendRequest<h3_quinn::OpenStreams, axum::body::Bytes>;

/// A certificate for `localhost` that vouches for itself.
fn certificate(folder: &Path) {
    let config = "[req]\ndistinguished_name = dn\nx509_extensions = v3\nprompt = no\n\
                  [dn]\nCN = localhost\n[v3]\nsubjectAltName = DNS:localhost\n\
                  basicConstraints = CA:FALSE\n";
    std::fs::write(folder.join("req.cnf"), config).unwrap();
    let made = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    made(&[
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-config", "req.cnf",
        "-keyout", "key.pem", "-out", "cert.pem",
    ]);
    made(&["x509", "-in", "cert.pem", "-outform", "DER", "-out", "cert.der"]);
}

/// The gateway with a second listener, whose connection manager is the first one's.
fn with_http3(options: StackOptions, folder: &Path, port: u16) -> StackOptions {
    let file = |name: &str| json!({"filename": folder.join(name)});
    let pair = json!({"certificate_chain": file("cert.pem"), "private_key": file("key.pem")});
    options.config(move |config| {
        let mut manager = config.connection_manager()?.clone();
        manager["codec_type"] = json!("HTTP3");
        manager["http3_protocol_options"] = json!({});
        // Other protocols' business.
        manager.as_object_mut().unwrap().remove("upgrade_configs");
        let quic = "type.googleapis.com/envoy.extensions.transport_sockets.quic.v3.QuicDownstreamTransport";
        let listener = json!({
            "name": "http3",
            "address": {"socket_address": {
                "protocol": "UDP", "address": "127.0.0.1", "port_value": port,
            }},
            "udp_listener_config": {"quic_options": {}},
            "filter_chains": [{
                "transport_socket": {"name": "quic", "typed_config": {
                    "@type": quic,
                    "downstream_tls_context": {"common_tls_context": {"tls_certificates": [pair]}},
                }},
                "filters": [{
                    "name": "envoy.filters.network.http_connection_manager",
                    "typed_config": manager,
                }],
            }],
        });
        let listeners = config.root().pointer_mut("/static_resources/listeners").unwrap();
        listeners.as_array_mut().unwrap().push(listener);
        Ok(())
    })
}

async fn connect(address: SocketAddr, folder: &Path) -> (Requests, quinn::Endpoint) {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(std::fs::read(folder.join("cert.der")).unwrap().into()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let tls = quinn::crypto::rustls::QuicClientConfig::try_from(tls).unwrap();
    let mut endpoint = quinn::Endpoint::client(local(0)).unwrap();
    endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(tls)));
    let connection = endpoint.connect(address, "localhost").unwrap().await.unwrap();
    let (mut driver, requests) =
        h3::client::new(h3_quinn::Connection::new(connection)).await.unwrap();
    tokio::spawn(async move { std::future::poll_fn(|cx| driver.poll_close(cx)).await });
    (requests, endpoint)
}

/// The answer's head; `None` if the stream was reset.
async fn ask(requests: &mut Requests, request: http::Request<()>) -> Option<http::Response<()>> {
    let exchange = async {
        let mut stream = requests.send_request(request).await.ok()?;
        stream.finish().await.ok()?;
        stream.recv_response().await.ok()
    };
    tokio::time::timeout(Duration::from_secs(3), exchange).await.ok().flatten()
}

#[tokio::test]
async fn no_shape_of_a_request_gets_a_priced_resource_for_free_over_http_3() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path());
    let (mut count, mut answered) = (0, 0);
    for options in configurations() {
        let port = ports::free().unwrap();
        let stack = Stack::start(with_http3(options, folder.path(), port)).await.unwrap();
        let (mut requests, mut _endpoint) = connect(local(port), folder.path()).await;
        let plain = TARGETS.iter().map(|target| ("GET", *target));
        let methods = METHODS.iter().map(|method| (*method, "/api/joke"));
        for (method, target) in plain.chain(methods) {
            let Ok(target) = target.parse::<http::uri::PathAndQuery>() else { continue };
            let uri = http::Uri::builder().scheme("https").authority("localhost");
            let uri = uri.path_and_query(target).build().unwrap();
            let before = stack.upstream.recorder().count();
            let request = http::Request::builder().method(method).uri(uri).body(()).unwrap();
            let answer = ask(&mut requests, request).await;
            for received in &stack.upstream.recorder().requests()[before..] {
                assert!(!is_leak(received), "{method} {received:?}: {answer:?}");
            }
            count += 1;
            if answer.is_none() {
                // Envoy ends a connection on which something is written that may not be.
                (requests, _endpoint) = connect(local(port), folder.path()).await;
            } else {
                answered += 1;
            }
        }
        // What is free is served, and what is paid for, too.
        let client = paid_client(&stack).await;
        let payment = wire::encode(&json!({"clientId": client}));
        for (path, header) in [("/api/health", ""), ("/api/joke", payment.as_str())] {
            let request = http::Request::builder().uri(format!("https://localhost{path}"));
            let request = request.header(wire::PAYMENT, header).body(()).unwrap();
            let answer = ask(&mut requests, request).await.expect(path);
            assert_eq!(answer.status(), 200, "{path}");
            assert_eq!(answer.headers().contains_key(wire::PAYMENT_RESPONSE), !header.is_empty());
        }
    }
    println!("{count} shapes over HTTP/3: none was served without a charge");
    assert!(count >= 150 && answered >= count - 20, "{answered} were answered");
}

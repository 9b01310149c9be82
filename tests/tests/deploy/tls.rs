//! TLS between gateway and ledger: both show certificates, strangers are refused, renewed files are taken up.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use stripe402_tests::{
    envoy_config::EnvoyConfig,
    stack::{Stack, StackOptions},
    wire,
};
use tempfile::TempDir;
use tokio_rustls::TlsConnector;

use crate::certificates::{Authority, LEDGER, Signed, client, connect, folder, put};

/// A gateway and a ledger with certificates of one authority.
pub(crate) struct Known {
    pub(crate) dir: TempDir,
    pub(crate) authority: Authority,
    pub(crate) gateway: Signed,
    pub(crate) shown: Signed,
}

impl Known {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        let (gateway, shown) = (authority.sign("gateway"), authority.sign(LEDGER));
        folder(dir.path(), "gateway", &gateway, &authority);
        folder(dir.path(), "ledger", &shown, &authority);
        Self { dir, authority, gateway, shown }
    }

    /// A file of the gateway's or the ledger's.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Lets the stack's ledger ask for certificates.
    pub(crate) fn ledger(&self, options: StackOptions) -> StackOptions {
        let file = |name: &str| self.path(name).to_str().unwrap().to_owned();
        options
            .ledger_env("LEDGER_TLS_CERTIFICATE", &file("ledger/tls.crt"))
            .ledger_env("LEDGER_TLS_KEY", &file("ledger/tls.key"))
            .ledger_env("LEDGER_TLS_CLIENT_CA", &file("ledger/ca.crt"))
            .ledger_env("LEDGER_TLS_RELOAD", "100ms")
    }
}

/// Lets the gateway of `envoy/envoy.yaml` show what is in its folder, or nothing.
fn upstream_tls(
    config: &mut EnvoyConfig,
    folder: &Path,
    shows: bool,
) -> stripe402_tests::Result<()> {
    let file = |name: &str| json!({"filename": folder.join(name)});
    let mut context = json!({
        "validation_context": {
            "trusted_ca": file("ca.crt"),
            "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": LEDGER}}],
        },
    });
    if shows {
        context["tls_certificates"] =
            json!([{"certificate_chain": file("tls.crt"), "private_key": file("tls.key")}]);
    }
    config.cluster("stripe402_ledger")?["transport_socket"] = json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": LEDGER,
            "common_tls_context": context,
        },
    });
    Ok(())
}

async fn stack(known: &Known, shows: bool) -> Stack {
    let folder = known.path("gateway");
    let options = known
        .ledger(StackOptions::new())
        .config(move |config| upstream_tls(config, &folder, shows));
    Stack::start(options).await.unwrap()
}

async fn status(stack: &Stack, payment: &Value) -> (u16, Option<Value>) {
    let answer = stack.pay("/api/joke", payment).send().await.unwrap();
    (answer.status().as_u16(), wire::header(answer.headers(), wire::PAYMENT_RESPONSE).ok())
}

/// The first line of the answer to a request over this connection; nothing if there is no connection.
pub(crate) async fn ask(client: &TlsConnector, address: SocketAddr, path: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let Ok(mut stream) = connect(client, address).await else { return String::new() };
    let request = format!("GET {path} HTTP/1.1\r\nhost: ledger\r\nconnection: close\r\n\r\n");
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    // In TLS 1.3 a client learns that its certificate is refused when it reads.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

/// The same client, which speaks no HTTP/2.
pub(crate) fn over_http1(client: &TlsConnector) -> TlsConnector {
    let mut config = (**client.config()).clone();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsConnector::from(Arc::new(config))
}

async fn shown_by(client: &TlsConnector, address: SocketAddr) -> CertificateDer<'static> {
    let stream = connect(client, address).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

async fn within(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < Duration::from_secs(10), "not within 10 s: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn gateway_and_ledger_know_each_other() {
    let known = Known::new();
    let stack = stack(&known, true).await;
    let card = stack.sim.fresh_card().await.unwrap();
    let (code, receipt) = status(&stack, &json!({"paymentMethodId": card})).await;
    let client_id = receipt.unwrap()["clientId"].clone();
    assert_eq!(code, 200);
    let (_, receipt) = status(&stack, &json!({"clientId": client_id})).await;
    assert_eq!(receipt.unwrap()["creditsRemaining"], 49_800);
    assert!(stack.envoy.stat("cluster.stripe402_ledger.ssl.handshake").await.unwrap() > 0);
    // Health checks go the same way.
    stack.healthy_ledgers(1).await.unwrap();
    assert!(stack.envoy.stat("cluster.stripe402_ledger.health_check.success").await.unwrap() > 0);

    let ledger = &stack.ledgers[0];
    let gateway = client(&known.authority, Some(&known.gateway));
    let connection = connect(&gateway, ledger.address()).await.unwrap();
    assert_eq!(connection.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    assert_eq!(connection.get_ref().1.protocol_version().unwrap().as_str(), Some("TLSv1_3"));
}

#[tokio::test]
async fn strangers_are_refused_and_probes_are_not() {
    let known = Known::new();
    let stack = stack(&known, true).await;
    let ledger = &stack.ledgers[0];
    let (internal, admin) = (ledger.address(), ledger.admin_address());
    let foreign = Authority::new().sign("gateway");
    let own = over_http1(&client(&known.authority, Some(&known.gateway)));
    let nobody = over_http1(&client(&known.authority, None));
    let stranger = over_http1(&client(&known.authority, Some(&foreign)));
    let ok = "HTTP/1.1 200 OK";
    assert_eq!(ask(&own, internal, "/readyz").await, ok);
    assert_eq!(ask(&nobody, internal, "/readyz").await, "");
    assert_eq!(ask(&stranger, internal, "/readyz").await, "");
    // Operators and Stripe have other ways to show who they are.
    assert_eq!(ask(&nobody, admin, "/metrics").await, ok);
    let hooks = ledger.webhook_address();
    assert_eq!(ask(&nobody, hooks, "/webhooks/stripe").await, "HTTP/1.1 405 Method Not Allowed");
    // Without TLS nothing is said.
    for address in [internal, admin, hooks] {
        let plain = stack.client.get(format!("http://{address}/healthz")).send().await;
        assert!(plain.is_err(), "{plain:?}");
    }
}

#[tokio::test]
async fn a_gateway_without_a_certificate_charges_nobody() {
    let known = Known::new();
    let stack = stack(&known, false).await;
    let card = stack.sim.fresh_card().await.unwrap();
    assert_eq!(status(&stack, &json!({"paymentMethodId": card})).await, (503, None));
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 0);
    assert_eq!(stack.upstream.recorder().count(), 0);
}

#[tokio::test]
async fn renewed_files_are_taken_up_without_a_restart() {
    let known = Known::new();
    let mut stack = stack(&known, true).await;
    let address = stack.ledgers[0].address();
    let gateway = client(&known.authority, Some(&known.gateway));
    assert_eq!(shown_by(&gateway, address).await, known.shown.der());
    let card = stack.sim.fresh_card().await.unwrap();
    let (_, receipt) = status(&stack, &json!({"paymentMethodId": card})).await;
    let payment = json!({"clientId": receipt.unwrap()["clientId"]});

    // First the key alone: they do not go together, and the old ones stay.
    let renewed = known.authority.sign(LEDGER);
    put(&known.path("ledger/tls.key"), &renewed.key);
    let log = |stack: &mut Stack| stack.ledger().unwrap().process().log_tail();
    within("a word about the key", async || {
        log(&mut stack).contains("tls_key: ")
            && shown_by(&gateway, address).await == known.shown.der()
    })
    .await;
    assert!(log(&mut stack).contains("is not the key of tls_certificate"), "{}", log(&mut stack));
    put(&known.path("ledger/tls.crt"), &renewed.certificate);
    within("the renewed certificate", async || shown_by(&gateway, address).await == renewed.der())
        .await;
    // The connection of before goes on.
    let handshakes = stack.envoy.stat("cluster.stripe402_ledger.ssl.handshake").await.unwrap();
    assert_eq!(status(&stack, &payment).await.0, 200);
    let after = stack.envoy.stat("cluster.stripe402_ledger.ssl.handshake").await.unwrap();
    assert_eq!(after, handshakes);

    // Another authority, beside the old one at first.
    let newer = Authority::new();
    put(&known.path("ledger/ca.crt"), &format!("{}{}", known.authority.pem, newer.pem));
    let successor = client(&known.authority, Some(&newer.sign("gateway")));
    let served = async |client: &TlsConnector| {
        let Ok(stream) = connect(client, address).await else { return false };
        // A server that lets one in speaks first in HTTP/2; one that refuses says so in place of that.
        let handshake = h2::client::handshake(stream).await;
        let Ok((mut requests, connection)) = handshake else { return false };
        let driving = tokio::spawn(connection);
        let request = http::Request::get(format!("https://{LEDGER}/readyz")).body(()).unwrap();
        let answered = match requests.send_request(request, true) {
            Ok((answer, _)) => answer.await.is_ok_and(|answer| answer.status() == 200),
            Err(_) => false,
        };
        driving.abort();
        answered
    };
    within("both authorities", async || served(&successor).await).await;
    assert!(served(&gateway).await);
    // Then alone: who was known before is a stranger now.
    put(&known.path("ledger/ca.crt"), &newer.pem);
    within("the new authority alone", async || !served(&gateway).await).await;
    assert!(served(&successor).await);
}

//! TLS towards clients: `envoy/minimal/https.yaml`, paid by our client over HTTPS.

use std::path::Path;

use serde_json::Value;
use stripe402_tests::{
    binary, envoy,
    envoy_config::EnvoyConfig,
    ports::{self, local},
    stack::{Stack, StackOptions},
};
use tokio::process::Command;

use crate::certificates::{Authority, folder};

const FILE: &str = "envoy/minimal/https.yaml";

/// The files that a configuration names, in this folder.
pub(crate) fn certificates_in(config: &mut EnvoyConfig, shipped: &str, own: &Path) {
    let text = config.root().to_string();
    assert!(text.contains(shipped), "{shipped} is not named");
    let text = text.replace(shipped, own.to_str().unwrap());
    *config.root() = serde_json::from_str(&text).unwrap();
}

/// What our client prints, and how it ends.
async fn said(dir: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(binary::client().unwrap());
    command.args(arguments).env("STRIPE402_CREDENTIALS", dir.join("credentials.json"));
    let output = command.env("NO_PROXY", "*").output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn our_client_pays_over_https_and_plain_http_leads_there() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let shown = folder(dir.path(), "shown", &authority.sign("localhost"), &authority);
    let (ca, plain) = (shown.join("ca.crt"), ports::free().unwrap());
    let options = StackOptions::new().file(FILE).config(move |config| {
        certificates_in(config, "envoy/minimal/certificates", &shown);
        config.listener("redirect", local(plain))
    });
    let stack = Stack::start(options).await.unwrap();
    let url = stack.url("/api/joke").replace("http://127.0.0.1", "https://localhost");
    let ca = ca.to_str().unwrap();
    let card = stack.sim.fresh_card().await.unwrap();

    let (code, out, error) = said(dir.path(), &["explain", &url, "--ca", ca]).await;
    assert!(code == Some(0) && out.contains("$0.01"), "{out}{error}");
    let pay = ["curl", &url, "--payment-method", &card];
    let (code, _, error) = said(dir.path(), &pay).await;
    assert!(code == Some(1) && error.contains("UnknownIssuer"), "{code:?} {error}");
    let (code, out, error) = said(dir.path(), &[&pay[..], &["-i", "--ca", ca]].concat()).await;
    assert!(code == Some(0) && out.starts_with("HTTP/2.0 200 OK"), "{out}{error}");
    assert!(error.contains("$4.99 left"), "{error}");
    // The balance is asked for by the same way.
    let (code, out, error) = said(dir.path(), &["balance", &url, "--ca", ca, "--json"]).await;
    assert_eq!(code, Some(0), "{error}");
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&told["now"], &told["creditsRemaining"]), (&true.into(), &49_900.into()), "{out}");

    let asked = format!("http://{}/api/joke?a=b", local(plain));
    let answer = stack.client.get(asked).send().await.unwrap();
    assert_eq!(answer.status(), 301);
    let location = answer.headers()["location"].to_str().unwrap();
    assert_eq!(location, "https://127.0.0.1:10443/api/joke?a=b");
}

/// A misspelt field in what is new is refused by Envoy; as it is shipped, it is taken.
#[test]
fn envoy_takes_the_listener_for_https() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let shown = folder(dir.path(), "shown", &authority.sign("localhost"), &authority);
    let mut config = EnvoyConfig::read(&binary::workspace().join(FILE)).unwrap();
    certificates_in(&mut config, "envoy/minimal/certificates", &shown);
    assert_eq!(envoy::validate(&config.to_yaml().unwrap()), Ok(()));
    let socket = "/static_resources/listeners/0/filter_chains/0/transport_socket/typed_config";
    let tls = config.root().pointer_mut(socket).unwrap();
    tls["common_tls_contextx"] = serde_json::json!({});
    let refused = envoy::validate(&config.to_yaml().unwrap()).unwrap_err();
    assert!(refused.contains("common_tls_contextx"), "{refused}");
}

//! TLS on the listeners of a ledger alone: who may connect to which, and what stops the start.

use std::{collections::BTreeMap, path::Path, time::Duration};

use stripe402_tests::{
    binary,
    ledger::{Ledger, LedgerOptions},
    ports,
    process::Inherit,
    secrets::Secrets,
    stripe_sim::SECRET_KEY,
};

use crate::{
    certificates::{LEDGER, client, put},
    tls::{Known, ask, over_http1},
};

/// A ledger with these settings and nobody around it.
fn alone(dir: &Path, more: BTreeMap<String, String>) -> Ledger {
    Ledger::spawn(&LedgerOptions {
        name: "ledger".to_owned(),
        port: ports::free().unwrap(),
        admin_port: ports::free().unwrap(),
        webhook_port: ports::free().unwrap(),
        store: format!("file:{}", dir.join("ledger.redb").display()),
        secrets: Secrets::random().unwrap(),
        stripe_secret_key: SECRET_KEY.to_owned(),
        stripe_api_base: None,
        more,
        inherit: Inherit::Bare,
        log: dir.join("ledger.log"),
    })
    .unwrap()
}

#[tokio::test]
async fn operators_can_be_asked_for_certificates_too() {
    let known = Known::new();
    let file = |name: &str| known.path(name).to_str().unwrap().to_owned();
    let more = BTreeMap::from([
        ("LEDGER_TLS_CERTIFICATE".to_owned(), file("ledger/tls.crt")),
        ("LEDGER_TLS_KEY".to_owned(), file("ledger/tls.key")),
        ("LEDGER_ADMIN_TLS_CLIENT_CA".to_owned(), file("ledger/ca.crt")),
    ]);
    let mut ledger = alone(known.dir.path(), more);
    ledger.ready().await.unwrap();
    let operator = over_http1(&client(&known.authority, Some(&known.gateway)));
    let nobody = over_http1(&client(&known.authority, None));
    let ok = "HTTP/1.1 200 OK";
    assert_eq!(ask(&operator, ledger.admin_address(), "/metrics").await, ok);
    assert_eq!(ask(&nobody, ledger.admin_address(), "/metrics").await, "");
    // Gateways are not, unless that is asked for by its own setting.
    assert_eq!(ask(&nobody, ledger.address(), "/readyz").await, ok);
}

/// A command trusts the authority that it is given, and else the public ones.
#[tokio::test]
async fn a_command_trusts_the_authority_that_it_is_given() {
    let known = Known::new();
    let here = known.authority.sign("localhost");
    put(&known.path("ledger/here.crt"), &here.certificate);
    put(&known.path("ledger/here.key"), &here.key);
    let file = |name: &str| known.path(name).to_str().unwrap().to_owned();
    let more = BTreeMap::from([
        ("LEDGER_TLS_CERTIFICATE".to_owned(), file("ledger/here.crt")),
        ("LEDGER_TLS_KEY".to_owned(), file("ledger/here.key")),
    ]);
    let mut ledger = alone(known.dir.path(), more);
    ledger.ready().await.unwrap();
    let url = format!("https://localhost:{}", ledger.admin_address().port());
    let verify = |ca: Option<String>| {
        let mut command = std::process::Command::new(binary::ledger().unwrap());
        command.args(["verify", "--url", &url]).env_clear();
        command.env("LEDGER_ADMIN_TOKEN", ledger.admin_token());
        command.envs(ca.map(|ca| ("LEDGER_ADMIN_CA", ca)));
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    // The books are empty: that is what it found.
    assert_eq!(verify(Some(file("ledger/ca.crt"))).0, Some(3));
    let (code, said) = verify(None);
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("UnknownIssuer"), "{said}");
    let (code, said) = verify(Some(file("ledger/missing")));
    assert!(code == Some(2) && said.contains("LEDGER_ADMIN_CA: "), "{code:?} {said}");
}

/// Handshakes do not wait for one another.
#[tokio::test]
async fn who_connects_and_says_nothing_holds_up_nobody() {
    let known = Known::new();
    let file = |name: &str| known.path(name).to_str().unwrap().to_owned();
    let more = BTreeMap::from([
        ("LEDGER_TLS_CERTIFICATE".to_owned(), file("ledger/tls.crt")),
        ("LEDGER_TLS_KEY".to_owned(), file("ledger/tls.key")),
    ]);
    let mut ledger = alone(known.dir.path(), more);
    ledger.ready().await.unwrap();
    let mut silent = Vec::new();
    // Fewer than a kernel keeps for a listener that takes none.
    for _ in 0..100 {
        silent.push(tokio::net::TcpStream::connect(ledger.address()).await.unwrap());
    }
    let honest = over_http1(&client(&known.authority, None));
    let answer = ask(&honest, ledger.address(), "/readyz");
    let answer = tokio::time::timeout(Duration::from_secs(5), answer).await;
    assert_eq!(answer.as_deref(), Ok("HTTP/1.1 200 OK"));
    // And is let go in the end.
    let mut left = silent.pop().unwrap();
    let mut byte = [0];
    let closed = tokio::io::AsyncReadExt::read(&mut left, &mut byte);
    let closed = tokio::time::timeout(Duration::from_secs(15), closed).await;
    assert!(matches!(closed, Ok(Ok(0) | Err(_))), "{closed:?}");
}

#[tokio::test]
async fn wrong_files_stop_the_start_and_are_named() {
    let known = Known::new();
    let other = known.authority.sign(LEDGER);
    put(&known.path("ledger/other.key"), &other.key);
    put(&known.path("ledger/empty"), "");
    let cases = [
        ("LEDGER_TLS_CERTIFICATE", "ledger/missing", "tls_certificate: ", "No such file"),
        ("LEDGER_TLS_CERTIFICATE", "ledger/empty", "tls_certificate: ", "no certificate as PEM"),
        ("LEDGER_TLS_KEY", "ledger/other.key", "tls_key: ", "is not the key of tls_certificate"),
        ("LEDGER_TLS_CLIENT_CA", "ledger/empty", "tls_client_ca: ", "no certificate as PEM"),
        ("LEDGER_ADMIN_TLS_CLIENT_CA", "ledger/empty", "admin_tls_client_ca: ", "no certificate"),
    ];
    for (variable, file, setting, problem) in cases {
        let file_of = |name: &str| known.path(name).to_str().unwrap().to_owned();
        let mut more = BTreeMap::from([
            ("LEDGER_TLS_CERTIFICATE".to_owned(), file_of("ledger/tls.crt")),
            ("LEDGER_TLS_KEY".to_owned(), file_of("ledger/tls.key")),
        ]);
        more.insert(variable.to_owned(), file_of(file));
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = alone(dir.path(), more);
        let error = ledger.ready().await.unwrap_err().to_string();
        assert!(error.contains("ended by itself (exit status: 2)"), "{error}");
        assert!(error.contains(setting) && error.contains(problem), "{error}");
        assert!(error.contains(file), "{error}");
    }
}

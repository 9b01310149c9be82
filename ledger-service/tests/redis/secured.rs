//! TLS with an authority of one's own, and a user who may do no more than the ledger needs.

use std::{path::Path, process::Command};

use super::server::{Server, free_port};

/// What the ledger's user must be allowed, as in `docs/`.
pub const RIGHTS: &[&str] = &[
    "~stripe402:*",
    "~{stripe402:*",
    "+@read",
    "+@write",
    "+@connection",
    "+eval",
    "+evalsha",
    "+time",
    "+wait",
    "+info",
];

/// An authority, and a certificate of `localhost` by it.
fn certificates(folder: &Path) {
    let run = |arguments: &str| {
        let mut command = Command::new("openssl");
        let output =
            command.current_dir(folder).args(arguments.split_whitespace()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost\n").unwrap();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    run(&format!("req -x509 {key} -keyout ca.key -out ca.crt -days 2 -subj /CN=ca"));
    run(&format!("req -new {key} -keyout server.key -out server.csr -subj /CN=localhost"));
    run("x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 \
         -extfile names -out server.crt");
}

#[test]
fn tls_and_a_user_of_few_rights() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let tls_port = free_port();
    let server = Server::start(&[
        "--tls-port",
        &tls_port.to_string(),
        "--tls-cert-file",
        &file("server.crt"),
        "--tls-key-file",
        &file("server.key"),
        "--tls-ca-cert-file",
        &file("ca.crt"),
        "--tls-auth-clients",
        "no",
    ]);
    let user = [&["acl", "setuser", "ledger", "on", ">secret", "resetchannels"], RIGHTS].concat();
    server.cli(&user);
    let client = "0".repeat(64);
    let record = format!("stripe402:client:{client}");
    // The Express middleware's; the ledger never saw it.
    server.cli(&["hset", &record, "balance", "100", "currency", "usd"]);
    let ledger = |arguments: &[&str], store: &str, authority: &str| {
        Command::new(env!("CARGO_BIN_EXE_stripe402-ledger"))
            .args(arguments)
            .args(["--store", store])
            .env("SSL_CERT_FILE", authority)
            .output()
            .unwrap()
    };
    let adjust = ["client", "adjust", &client, "--units=500", "--reason=test", "--reference=r"];
    let store = format!("rediss://ledger:secret@localhost:{tls_port}");
    let done = ledger(&adjust, &store, &file("ca.crt"));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let verified = ledger(&["verify"], &store, &file("ca.crt"));
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    assert_eq!(server.cli(&["hget", &record, "balance"]), "600");

    let wrong_password = store.replace("secret", "hunter2");
    for (store, authority) in [(&store, file("server.key")), (&wrong_password, file("ca.crt"))] {
        let refused = ledger(&["verify"], store, &authority);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(5), "{said}");
        assert!(!said.contains("secret") && !said.contains("hunter2"), "{said}");
    }
}

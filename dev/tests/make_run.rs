//! `stripe402-run` with all its real parts: up, used, down, and up again with what it knew.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "all of this file is a test, its helpers too"
)]

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use stripe402_dev::{card, http, ports, run::port_variables, stripe_sim, wire};

/// The parts by the variables of their ports.
struct Ports {
    all: Vec<(&'static str, u16)>,
}

impl Ports {
    fn free() -> Self {
        Self { all: port_variables().map(|variable| (variable, ports::free().unwrap())).to_vec() }
    }

    fn of(&self, variable: &str) -> u16 {
        self.all.iter().find(|(name, _)| *name == variable).unwrap().1
    }

    fn set(&self, command: &mut Command) {
        command.envs(self.all.iter().map(|(name, port)| (name, port.to_string())));
    }

    fn url(&self, variable: &str, path: &str) -> String {
        format!("http://{}{path}", ports::local(self.of(variable)))
    }
}

/// A runner that is stopped also where the test fails.
struct Runner {
    child: Child,
    log: std::path::PathBuf,
}

impl Runner {
    /// Starts it and waits for its banner.
    fn up(dir: &Path, ports: &Ports) -> Self {
        Self::up_with(dir, ports, &[])
    }

    /// The same, with more variables.
    fn up_with(dir: &Path, ports: &Ports, more: &[(&str, &Path)]) -> Self {
        let log = dir.join("run.log");
        let out = std::fs::File::create(&log).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_stripe402-run"));
        ports.set(&mut command);
        for name in
            ["STRIPE_SECRET_KEY", "STRIPE_PUBLISHABLE_KEY", "STRIPE_API_BASE", "LEDGER_STORE"]
        {
            command.env_remove(name);
        }
        command.envs(more.iter().copied());
        command.env("STATE_DIR", dir.join("state")).stdin(Stdio::null());
        let child = command.stdout(out.try_clone().unwrap()).stderr(out).spawn().unwrap();
        let mut runner = Self { child, log };
        let start = Instant::now();
        while !runner.said().contains("stripe402 is running") {
            assert!(runner.child.try_wait().unwrap().is_none(), "{}", runner.said());
            assert!(start.elapsed() < Duration::from_secs(120), "{}", runner.said());
            std::thread::sleep(Duration::from_millis(20));
        }
        runner
    }

    fn said(&self) -> String {
        let mut text = String::new();
        std::fs::File::open(&self.log).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    fn ended(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "{}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn down(mut self) -> String {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        let status = self.ended();
        assert_eq!(status.code(), Some(0), "{}", self.said());
        self.said()
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        let _already = self.child.kill();
        let _status = self.child.wait();
    }
}

fn assert_free(ports: &Ports) {
    for (name, port) in &ports.all {
        assert!(ports::is_free(*port), "{name}={port} is still held by {:?}", ports::holder(*port));
    }
}

async fn joke(ports: &Ports, payment: &Value) -> reqwest::Response {
    let url = ports.url("GATEWAY_PORT", "/api/joke");
    http::client()
        .unwrap()
        .get(url)
        .header(wire::PAYMENT, wire::encode(payment))
        .send()
        .await
        .unwrap()
}

/// Our client pays over HTTPS, trusting the authority in the folder of state, and nothing without it.
async fn over_https(dir: &Path, ports: &Ports, card: &str) {
    let url = format!("https://localhost:{}/api/joke", ports.of("GATEWAY_TLS_PORT"));
    let pay = |ca: Option<std::path::PathBuf>| {
        let mut command = Command::new(stripe402_dev::binary::client().unwrap());
        command.args(["curl", "--payment-method", card, &url, "-i"]);
        command.args(ca.iter().flat_map(|ca| [std::ffi::OsStr::new("--ca"), ca.as_os_str()]));
        command.env("STRIPE402_CREDENTIALS", dir.join("credentials.json")).env("NO_PROXY", "*");
        async move {
            let output = tokio::task::spawn_blocking(move || command.output().unwrap());
            output.await.unwrap()
        }
    };
    let state = dir.join("state");
    let output = pay(Some(state.join("ca.pem"))).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.starts_with("HTTP/2.0 200 OK") && said.contains("\"joke\""), "{said}\n{error}");
    assert!(error.contains("$4.98 left"), "{error}");
    // As the README says it, by each name of this machine.
    for name in ["localhost", "127.0.0.1"] {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--noproxy", "*", "--cacert"]);
        curl.arg(state.join("ca.pem")).arg(url.replace("localhost", name));
        let output = tokio::task::spawn_blocking(move || curl.output().unwrap()).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "402", "{name}: {output:?}");
    }
    let stranger = pay(None).await;
    let error = String::from_utf8_lossy(&stranger.stderr).into_owned();
    assert!(stranger.status.code() == Some(1) && error.contains("UnknownIssuer"), "{error}");
    let wrong = pay(Some(state.join("lock"))).await;
    let error = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(wrong.status.code() == Some(2) && error.contains("no certificate as PEM"), "{error}");
}

#[tokio::test]
async fn up_paid_down_and_up_again_with_the_balance() {
    let dir = tempfile::tempdir().unwrap();
    let ports = Ports::free();
    let runner = Runner::up(dir.path(), &ports);
    let asked = joke(&ports, &json!({})).await;
    let asks = asked.headers()["www-authenticate"].to_str().unwrap();
    assert!(asks.contains("realm=\"stripe402-demo\""), "MPP is on: {asks}");
    let sim = ports.url("STRIPE_SIM_PORT", "");
    let number = card::fresh().unwrap();
    let card = stripe_sim::payment_method(&sim, "pk_test_standin", &number, "123").await.unwrap();
    let paid = joke(&ports, &json!({"paymentMethodId": card})).await;
    assert_eq!(paid.status(), 200);
    let receipt = wire::header(paid.headers(), wire::PAYMENT_RESPONSE).unwrap();
    assert_eq!(receipt["creditsRemaining"], json!(49_900));
    over_https(dir.path(), &ports, &card).await;
    let said = runner.down();
    let order = [
        "stopped Envoy",
        "stopped the ledger",
        "stopped the demo API",
        "stopped the Stripe stand-in",
    ];
    let places: Vec<_> = order
        .iter()
        .map(|line| said.find(line).unwrap_or_else(|| panic!("{line}: {said}")))
        .collect();
    assert!(places.is_sorted(), "{said}");
    assert_free(&ports);

    let runner = Runner::up(dir.path(), &ports);
    let spent = joke(&ports, &json!({"clientId": receipt["clientId"]})).await;
    assert_eq!(spent.status(), 200);
    let again = wire::header(spent.headers(), wire::PAYMENT_RESPONSE).unwrap();
    assert_eq!(again["creditsRemaining"], json!(49_700));
    // The stand-in kept its state too: it knows the card, and so the same account.
    let card = stripe_sim::payment_method(&sim, "pk_test_standin", &number, "123").await.unwrap();
    let same = joke(&ports, &json!({"paymentMethodId": card})).await;
    let same = wire::header(same.headers(), wire::PAYMENT_RESPONSE).unwrap();
    assert_eq!(
        (&same["clientId"], &same["creditsRemaining"]),
        (&receipt["clientId"], &json!(49_600))
    );
    runner.down();
    assert_free(&ports);
}

/// What the banner shows can be typed at once, also where the ledger answers Envoy's first questions late.
#[tokio::test]
async fn it_says_that_it_runs_when_a_payment_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let script = |name: &str, text: String| {
        let path = dir.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, mode).unwrap();
        path
    };
    let pid = dir.path().join("pid").display().to_string();
    let real = stripe402_dev::binary::ledger().unwrap();
    let ledger = script("ledger", format!("echo $$ >{pid}; exec {} \"$@\"", real.display()));
    let real = stripe402_dev::binary::envoy().unwrap();
    let pause = format!("kill -STOP $(cat {pid}); (sleep 6; kill -CONT $(cat {pid})) &");
    let envoy = script("envoy", format!("{pause}\nexec {} \"$@\"", real.display()));
    let ports = Ports::free();
    let more = [("STRIPE402_LEDGER_BIN", ledger.as_path()), ("ENVOY_BIN", envoy.as_path())];
    let runner = Runner::up_with(dir.path(), &ports, &more);
    let sim = ports.url("STRIPE_SIM_PORT", "");
    let number = card::fresh().unwrap();
    let card = stripe_sim::payment_method(&sim, "pk_test_standin", &number, "123").await.unwrap();
    assert_eq!(joke(&ports, &json!({"paymentMethodId": card})).await.status(), 200);
    runner.down();
}

#[tokio::test]
async fn the_demo_walks_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let ports = Ports::free();
    let runner = Runner::up(dir.path(), &ports);
    let mut demo = Command::new(env!("CARGO_BIN_EXE_stripe402-demo"));
    ports.set(&mut demo);
    let output = tokio::task::spawn_blocking(move || demo.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("the balance came out at exactly 0"), "{said}");
    assert!(!said.contains('\x1b'), "colours where there is no terminal:\n{said}");
    runner.down();
}

#[tokio::test]
async fn a_ledger_that_dies_takes_everything_down_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let ports = Ports::free();
    let mut runner = Runner::up(dir.path(), &ports);
    let holder = ports::holder(ports.of("LEDGER_PORT")).unwrap();
    let pid: i32 = holder.split("process ").nth(1).unwrap().trim_end_matches(')').parse().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    let status = runner.ended();
    let said = runner.said();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("the ledger ended by itself (signal: 9 (SIGKILL))"), "{said}");
    assert!(said.contains("logs/ledger.log"), "{said}");
    assert_free(&ports);
}

//! `stripe402-run` when things go wrong, with shell scripts in place of the parts.
#![allow(clippy::unwrap_used, reason = "all of this file is a test, its helpers too")]

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use stripe402_dev::{ports, run::port_variables};

/// The runner on free ports; its stand-in is this script, the other parts are never reached.
fn runner(dir: &Path, stand_in: &str) -> Command {
    let script = dir.join("stand-in");
    std::fs::write(
        &script,
        format!("#!/bin/sh\necho $$ >{}\n{stand_in}\n", dir.join("pid").display()),
    )
    .unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_stripe402-run"));
    for name in ["STRIPE402_LEDGER_BIN", "STRIPE402_FILTER_WASM", "ENVOY_BIN"] {
        command.env(name, &script);
    }
    for name in port_variables() {
        command.env(name, ports::free().unwrap().to_string());
    }
    for name in [
        "STRIPE_SECRET_KEY",
        "STRIPE_PUBLISHABLE_KEY",
        "STRIPE_API_BASE",
        "LEDGER_STORE",
        "LEDGER_REPLICAS",
    ] {
        command.env_remove(name);
    }
    command.env("STRIPE_SIM_BIN", &script).env("STATE_DIR", dir.join("state"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8(text).unwrap()
}

/// The number of the stand-in's process, once it runs.
fn stand_in(dir: &Path) -> u32 {
    until("the stand-in was never started", || {
        std::fs::read_to_string(dir.join("pid")).ok()?.trim().parse().ok()
    })
}

fn until<T>(or: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "{or}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn ends(pid: u32) {
    // One that was killed with its parent may stay as a zombie where nobody reaps orphans.
    until("the stand-in outlived the runner", || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        (stat.is_empty() || stat.contains(") Z ")).then_some(())
    });
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn a_part_that_dies_is_named_with_its_log() {
    let dir = tempfile::tempdir().unwrap();
    let output = runner(dir.path(), "echo cannot open the journal; exit 3").output().unwrap();
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the Stripe stand-in ended by itself (exit status: 3)"), "{said}");
    assert!(said.contains("  cannot open the journal"), "{said}");
    assert!(said.contains("logs/stripe-sim.log"), "{said}");
}

#[test]
fn ctrl_c_and_a_polite_kill_stop_the_parts_and_are_no_failure() {
    for how in [Signal::INT, Signal::TERM, Signal::HUP] {
        let dir = tempfile::tempdir().unwrap();
        let child = runner(dir.path(), "exec sleep 1000").spawn().unwrap();
        let part = stand_in(dir.path());
        signal(&child, how);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{how:?}: {}", said(&output));
        ends(part);
    }
}

#[test]
fn parts_do_not_outlive_a_runner_that_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = runner(dir.path(), "exec sleep 1000").spawn().unwrap();
    let part = stand_in(dir.path());
    signal(&child, Signal::KILL);
    child.wait().unwrap();
    ends(part);
}

#[test]
fn a_busy_port_is_said_before_anything_is_started() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind(ports::local(0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let output =
        runner(dir.path(), "exec sleep 1000").env("ADMIN_PORT", port.to_string()).output().unwrap();
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("Port {port} is in use by ")), "{said}");
    assert!(said.contains("the ledger's operator interface (ADMIN_PORT) needs it"), "{said}");
    assert!(said.contains("  ADMIN_PORT=") && said.contains(" make run"), "{said}");
    assert!(!dir.path().join("pid").exists(), "the stand-in was started");
}

#[test]
fn a_part_that_is_not_built_is_said_before_anything_is_started() {
    let dir = tempfile::tempdir().unwrap();
    let output = runner(dir.path(), "exec sleep 1000")
        .env("STRIPE402_LEDGER_BIN", "/nowhere/ledger")
        .output()
        .unwrap();
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("stripe402-ledger is not at /nowhere/ledger: build it with"), "{said}");
    assert!(!dir.path().join("pid").exists(), "the stand-in was started");
}

#[test]
fn each_run_has_its_own_logs_and_the_last_ones_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("state/logs/stripe-sim.log");
    for words in ["the first run", "the second run"] {
        runner(dir.path(), &format!("echo {words}; exit 1")).output().unwrap();
        assert_eq!(std::fs::read_to_string(&log).unwrap(), format!("{words}\n"));
    }
    assert_eq!(std::fs::read_to_string(log.with_extension("log.old")).unwrap(), "the first run\n");
}

#[test]
fn state_is_closed_to_others_and_secrets_stay_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let secrets = dir.path().join("state/secrets.env");
    let mut kept = Vec::new();
    for _ in 0..2 {
        runner(dir.path(), "exit 1").output().unwrap();
        kept.push(std::fs::read_to_string(&secrets).unwrap());
    }
    assert_eq!(kept.first(), kept.last());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&secrets), mode(&dir.path().join("state"))), (0o600, 0o700));
}

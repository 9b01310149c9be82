//! What a handle promises, tried on real (small) processes.

use super::*;
use std::path::Path;

fn shell(dir: &Path, script: &str) -> Process {
    Process::spawn(Spec::new("shell", "/bin/sh", dir.join("shell.log")).arg("-c").arg(script))
        .unwrap()
}

fn runs(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

async fn wait_for(dir: &Path, text: &str) {
    for _ in 0..500 {
        if std::fs::read_to_string(dir.join("shell.log")).unwrap_or_default().contains(text) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{text} was never logged");
}

#[tokio::test]
async fn dropping_the_handle_stops_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let process = shell(dir.path(), "echo up; exec sleep 1000");
    wait_for(dir.path(), "up").await;
    let pid = process.pid();
    assert!(runs(pid));
    drop(process);
    assert!(!runs(pid));
}

#[tokio::test]
async fn sigterm_lets_it_clean_up() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = shell(
        dir.path(),
        "trap 'echo cleaned; exit 0' TERM; echo up; while :; do sleep 0.01; done",
    );
    wait_for(dir.path(), "up").await;
    assert!(process.stop_within(Duration::from_secs(5)));
    assert!(process.log_tail().contains("cleaned"));
    assert_eq!(process.exited().unwrap().code(), Some(0));
}

#[tokio::test]
async fn one_that_ignores_sigterm_is_killed_with_its_group() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = shell(
        dir.path(),
        "trap '' TERM; sleep 1000 & echo child $!; echo up; while :; do sleep 0.01; done",
    );
    wait_for(dir.path(), "up").await;
    let log = std::fs::read_to_string(dir.path().join("shell.log")).unwrap();
    let child: u32 =
        log.lines().find_map(|line| line.strip_prefix("child ")).unwrap().parse().unwrap();
    assert!(!process.stop_within(Duration::from_millis(100)));
    assert!(!runs(process.pid()));
    for _ in 0..100 {
        if !is_alive(child) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the child {child} outlived its group");
}

/// A killed grandchild stays as a zombie where nobody reaps orphans.
fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test]
async fn one_that_ends_early_is_an_error_with_its_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = shell(dir.path(), "echo the disk is on fire; exit 3");
    let probe = Probe::Tcp("127.0.0.1:1".parse().unwrap());
    let error = process.wait_ready(&probe, Duration::from_secs(10)).await.unwrap_err().to_string();
    assert!(error.contains("shell ended by itself (exit status: 3)"), "{error}");
    assert!(error.contains("the disk is on fire"), "{error}");
}

#[tokio::test]
async fn one_that_is_never_ready_is_an_error_with_its_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = shell(dir.path(), "echo thinking; exec sleep 1000");
    wait_for(dir.path(), "thinking").await;
    let probe = Probe::Tcp("127.0.0.1:1".parse().unwrap());
    let error =
        process.wait_ready(&probe, Duration::from_millis(50)).await.unwrap_err().to_string();
    assert!(error.contains("not ready within 50ms (127.0.0.1:1: "), "{error}");
    assert!(error.contains("  thinking"), "{error}");
}

#[tokio::test]
async fn a_restart_runs_the_same_again_and_keeps_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = shell(dir.path(), "echo up $$; exec sleep 1000");
    wait_for(dir.path(), &format!("up {}", process.pid())).await;
    let first = process.pid();
    process.kill9();
    process.restart().unwrap();
    assert_ne!(process.pid(), first);
    wait_for(dir.path(), &format!("up {}", process.pid())).await;
    let log = std::fs::read_to_string(dir.path().join("shell.log")).unwrap();
    assert!(log.contains(&format!("up {first}")), "{log}");
}

#[tokio::test]
async fn a_bare_environment_holds_no_keys_of_ours() {
    let dir = tempfile::tempdir().unwrap();
    let spec = Spec::new("env", "/usr/bin/env", dir.path().join("shell.log")).env("GIVEN", "yes");
    let _process = Process::spawn(spec).unwrap();
    wait_for(dir.path(), "GIVEN=yes").await;
    let log = std::fs::read_to_string(dir.path().join("shell.log")).unwrap();
    // Cargo sets this for every test.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    assert!(!log.contains("CARGO_MANIFEST_DIR"), "{log}");
}

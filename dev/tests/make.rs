//! `make run` and `make demo` as they are typed: what is built already is used, and what a build takes is said.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "all of this file is a test, its helpers too"
)]

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use stripe402_dev::{binary, ports, run::port_variables};

/// `make` in its own group of processes, in a folder of its own: its cargo builds nothing, says so and fails.
struct Make {
    child: Child,
    log: std::path::PathBuf,
}

impl Make {
    fn start(dir: &Path, target: &str, change: impl FnOnce(&mut Command)) -> Self {
        let tools = dir.join("tools");
        std::fs::create_dir_all(&tools).unwrap();
        let cargo = tools.join("cargo");
        let text = "#!/bin/sh\nflock --nonblock \"$CARGO_TARGET_DIR/run.lock\" true || echo 'the lock is held'\n\
                    echo 'cargo was asked to build'\nexit 1\n";
        std::fs::write(&cargo, text).unwrap();
        std::fs::set_permissions(&cargo, std::fs::Permissions::from_mode(0o755)).unwrap();
        let log = dir.join(format!("{target}.log"));
        let out = File::create(&log).unwrap();
        let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("make");
        command.arg(target).current_dir(binary::workspace()).env("PATH", path);
        command.env("CARGO_TARGET_DIR", dir.join("target")).env("STATE_DIR", dir.join("state"));
        for name in [
            "STRIPE_SECRET_KEY",
            "STRIPE_PUBLISHABLE_KEY",
            "STRIPE_API_BASE",
            "LEDGER_STORE",
            "MAKEFLAGS",
        ] {
            command.env_remove(name);
        }
        change(&mut command);
        command.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out);
        Self { child: command.process_group(0).spawn().unwrap(), log }
    }

    fn said(&self) -> String {
        let mut text = String::new();
        File::open(&self.log).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    /// Waits for these words.
    fn says(&mut self, words: &str) {
        let start = Instant::now();
        while !self.said().contains(words) {
            let ended = self.child.try_wait().unwrap();
            assert!(self.said().contains(words) || ended.is_none(), "{}", self.said());
            assert!(start.elapsed() < Duration::from_secs(120), "no {words}: {}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for its end; what it said, and whether it succeeded.
    fn ends(mut self) -> (bool, String) {
        let status = self.child.wait().unwrap();
        (status.success(), self.said())
    }
}

impl Drop for Make {
    fn drop(&mut self) {
        let _gone = kill_process_group(Pid::from_child(&self.child), Signal::INT);
        let _status = self.child.wait();
    }
}

/// A folder as a release has it, of the programs that tests use.
fn release(dir: &Path) -> std::path::PathBuf {
    let dist = dir.join("release");
    std::fs::create_dir(&dist).unwrap();
    let built = Path::new(env!("CARGO_BIN_EXE_stripe402-run")).parent().unwrap();
    for program in ["stripe402-ledger", "stripe402-run", "stripe402-demo", "demo-api", "stripe-sim"]
    {
        // Copies: a program finds the others beside itself, wherever a link leads.
        std::fs::copy(built.join(program), dist.join(program)).unwrap();
    }
    std::fs::copy(binary::filter().unwrap(), dist.join("stripe402_filter.wasm")).unwrap();
    dist
}

#[test]
fn a_releases_programs_run_without_a_build_and_the_demo_waits_for_one() {
    let dir = tempfile::tempdir().unwrap();
    let dist = release(dir.path());
    let numbers = port_variables().map(|name| (name, ports::free().unwrap().to_string()));
    let of_release = |command: &mut Command| {
        command.envs(numbers.clone()).env("STRIPE402_DIST", &dist);
    };
    let mut run = Make::start(dir.path(), "run", of_release);
    run.says("stripe402 is running");
    assert!(!run.said().contains("cargo was asked"), "{}", run.said());
    for (name, program) in [("LEDGER_PORT", "stripe402-ledger"), ("STRIPE_SIM_PORT", "stripe-sim")]
    {
        let port = &numbers.iter().find(|(variable, _)| *variable == name).unwrap().1;
        let holder = ports::holder(port.parse().unwrap()).unwrap();
        let pid = holder.split("process ").nth(1).unwrap().trim_end_matches(')');
        let file = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap();
        assert_eq!(file, dist.join(program));
    }

    // As long as somebody builds.
    std::fs::create_dir(dir.path().join("target")).unwrap();
    let building = File::create(dir.path().join("target/run.lock")).unwrap();
    building.lock().unwrap();
    let mut demo = Make::start(dir.path(), "demo", of_release);
    demo.says("make run is still building: waiting");
    std::thread::sleep(Duration::from_millis(500));
    assert!(!demo.said().contains("pay per request by card"), "{}", demo.said());
    drop(building);
    let (succeeded, said) = demo.ends();
    assert!(succeeded && said.contains("the balance came out at exactly 0"), "{said}");
    let (succeeded, said) = Make::start(dir.path(), "demo", of_release).ends();
    assert!(succeeded && !said.contains("waiting"), "{said}");
    drop(run);
    for (name, port) in numbers {
        assert!(ports::is_free(port.parse().unwrap()), "{name}");
    }
}

#[test]
fn a_first_build_says_what_it_takes_before_it_begins() {
    let dir = tempfile::tempdir().unwrap();
    let (succeeded, said) = Make::start(dir.path(), "run", |_| ()).ends();
    assert!(!succeeded, "{said}");
    let announced = said.find("about 5 minutes on two cores, and 3 GB of disk").expect(&said);
    assert!(announced < said.find("cargo was asked to build").unwrap(), "{said}");
    assert!(said.contains("the lock is held"), "{said}");
    let built = dir.path().join("target/debug");
    std::fs::create_dir(&built).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_stripe402-run"), built.join("stripe402-run")).unwrap();
    let (_, said) = Make::start(dir.path(), "run", |_| ()).ends();
    assert!(said.contains("cargo was asked") && !said.contains("about 5 minutes"), "{said}");
}

#[test]
fn a_folder_that_is_no_release_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let of = |dist: &Path| {
        let (succeeded, said) = Make::start(dir.path(), "run", |command| {
            command.env("STRIPE402_DIST", dist);
        })
        .ends();
        assert!(!succeeded && !said.contains("cargo was asked"), "{said}");
        said
    };
    assert!(of(&dir.path().join("none")).contains("is no folder"));
    assert!(of(dir.path()).contains("has no stripe402-run: name the folder of a release"));
}

/// Programs that were built elsewhere find Envoy and its configuration where they are run.
#[test]
fn a_program_looks_where_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_stripe402-run"));
    command.env("STRIPE402_WORKSPACE", dir.path()).env_remove("STRIPE402_FILTER_WASM");
    let output = command.env("STATE_DIR", dir.path().join("state")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let looked = dir.path().join("dist/stripe402_filter.wasm");
    assert!(said.contains(looked.to_str().unwrap()), "{said}");
}

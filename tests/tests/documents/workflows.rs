//! The workflows of `.github/`: what they call is there, each job may do as little as it needs, and nothing runs that
//! is not pinned.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;
use stripe402_tests::binary;

const WORKFLOWS: [&str; 2] = [".github/workflows/ci.yml", ".github/workflows/release.yml"];

fn text(path: &str) -> String {
    std::fs::read_to_string(binary::workspace().join(path)).unwrap()
}

/// The jobs of a workflow with their names.
fn jobs(path: &str) -> Vec<(String, Value)> {
    let workflow: Value = serde_norway::from_str(&text(path)).unwrap();
    assert_eq!(workflow["permissions"], serde_json::json!({}), "{path}: jobs inherit permissions");
    let jobs = workflow["jobs"].as_object().unwrap();
    jobs.iter().map(|(name, job)| (name.clone(), job.clone())).collect()
}

fn all_jobs() -> Vec<(String, Value)> {
    WORKFLOWS.into_iter().flat_map(jobs).collect()
}

/// What a job runs, a line each.
fn lines(job: &Value) -> Vec<String> {
    let steps = job["steps"].as_array().unwrap();
    let runs = steps.iter().filter_map(|step| step["run"].as_str());
    runs.flat_map(str::lines).map(|line| line.trim().to_owned()).collect()
}

/// The targets of `make` that a line calls.
fn targets(line: &str) -> Vec<String> {
    let calls = line.split("make ").skip(1).filter_map(|rest| rest.split_whitespace().next());
    calls.map(ToOwned::to_owned).collect()
}

#[test]
fn every_target_and_script_of_the_workflows_exists() {
    let makefile = text("Makefile");
    let (mut makes, mut scripts) = (BTreeSet::new(), BTreeSet::new());
    for line in all_jobs().iter().flat_map(|(_, job)| lines(job)) {
        makes.extend(targets(&line));
        let named = line.split("./").skip(1).filter_map(|rest| rest.split_whitespace().next());
        scripts.extend(named.filter(|name| name.starts_with("scripts/")).map(ToOwned::to_owned));
    }
    assert!(makes.len() >= 8 && scripts.len() >= 2, "{makes:?} {scripts:?}");
    for target in makes {
        assert!(makefile.contains(&format!("\n{target}:")), "there is no make {target}");
    }
    for script in scripts {
        let file = binary::workspace().join(&script).metadata();
        assert!(file.unwrap().permissions().mode() & 0o111 != 0, "{script} is no program");
    }
}

#[test]
fn every_job_says_what_it_may_do_and_how_long() {
    for (name, job) in all_jobs() {
        assert!(job["permissions"].is_object(), "{name} does not say what it may do");
        assert!(job["timeout-minutes"].is_u64(), "{name} does not say how long it may take");
    }
}

/// What runs beside a token that can write is short, and of this repository or pinned.
#[test]
fn a_job_that_may_write_builds_nothing_and_is_no_part_of_ci() {
    let may_write = |job: &Value| {
        job["permissions"].as_object().unwrap().values().any(|permission| permission == "write")
    };
    let mut writers = 0;
    for (name, job) in jobs(WORKFLOWS[1]).into_iter().filter(|(_, job)| may_write(job)) {
        let made: Vec<String> = lines(&job).iter().flat_map(|line| targets(line)).collect();
        assert!(made.iter().all(|target| target == "publish-crates"), "{name}: {made:?}");
        assert_eq!(job["environment"], "release", "{name} waits for nobody");
        writers += 1;
    }
    assert_eq!(writers, 6);
    assert!(jobs(WORKFLOWS[0]).iter().all(|(_, job)| !may_write(job)));
}

#[test]
fn every_action_is_pinned_and_says_its_version() {
    let mut pinned = 0;
    for path in WORKFLOWS {
        let text = text(path);
        for line in text
            .lines()
            .filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix("uses: "))
        {
            let (action, version) = line.split_once(" # ").unwrap_or((line, ""));
            let commit = action.split_once('@').unwrap().1;
            let is_commit =
                commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(is_commit && version.starts_with('v'), "{path}: {line}");
            pinned += 1;
        }
    }
    assert!(pinned > 20, "{pinned}");
}

#[test]
fn ci_does_what_lands_a_change_on_both_architectures() {
    let jobs = jobs(WORKFLOWS[0]);
    let made: BTreeSet<String> =
        jobs.iter().flat_map(|(_, job)| lines(job)).flat_map(|line| targets(&line)).collect();
    let landing = text(".ci/run");
    let wanted: Vec<String> =
        landing.lines().filter(|line| line.starts_with("timed ")).flat_map(targets).collect();
    assert_eq!(wanted, ["lint", "test"]);
    assert!(wanted.iter().all(|target| made.contains(target)), "{made:?}");
    let test = &jobs.iter().find(|(name, _)| name == "test").unwrap().1;
    let runners = &test["strategy"]["matrix"]["runner"];
    assert_eq!(runners, &serde_json::json!(["ubuntu-24.04", "ubuntu-24.04-arm"]));
}

/// A release is made by the Rust that everything is checked with.
#[test]
fn containers_have_the_pinned_rust() {
    let toolchain = text("rust-toolchain.toml");
    let channel = toolchain.split("channel = \"").nth(1).unwrap().split('"').next().unwrap();
    let image = format!("rust:{}-", channel.rsplit_once('.').unwrap().0);
    for path in WORKFLOWS {
        let text = text(path);
        let named: Vec<&str> = text.split("rust:").skip(1).collect();
        assert!(!named.is_empty());
        assert!(named.iter().all(|rest| format!("rust:{rest}").starts_with(&image)), "{path}");
    }
}

#[test]
fn the_release_notes_are_the_changelogs_part_of_this_version() {
    let notes = |tag: &str| {
        let script = binary::workspace().join("scripts/release-notes.sh");
        std::process::Command::new(script).arg(tag).output().unwrap()
    };
    let version = env!("CARGO_PKG_VERSION");
    let output = notes(&format!("v{version}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("\n- ") && !said.contains("\n## "), "{said}");
    let refused = notes("v9.9.9");
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && why.contains("Cargo.toml has version"), "{why}");
}

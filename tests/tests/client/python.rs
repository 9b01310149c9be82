//! What only the Python package has: its wheel in an empty environment, its types, its file shared with the command
//! line, and what its own tests say.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use stripe402_client::storage::{File, Storage as _};
use stripe402_tests::{
    binary, card,
    stack::{Stack, StackOptions},
};
use tokio::process::Command;

use crate::{cli, driver::Driver, payer::Kind, payer::Payer, world::World};

/// Of the environment that `make client-py` makes; the package is installed there.
pub(crate) fn interpreter() -> PathBuf {
    let python = environment().join("bin/python");
    assert!(python.exists(), "{} is not there: run make client-py", python.display());
    python
}

fn environment() -> PathBuf {
    binary::workspace().join(".tools/python-client")
}

fn package() -> PathBuf {
    binary::workspace().join("client/python")
}

async fn succeeds(mut command: Command) -> String {
    let output = command.stdin(Stdio::null()).output().await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, error) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{out}\n{error}");
    out
}

#[tokio::test]
async fn the_python_package_passes_its_own_tests() {
    let mut tests = Command::new(interpreter());
    tests.args(["-m", "unittest", "--quiet"]).current_dir(package().join("test"));
    succeeds(tests).await;
}

/// The fenced blocks of the README, each with its language.
fn blocks() -> Vec<(String, String)> {
    let readme = std::fs::read_to_string(package().join("README.md")).unwrap();
    let fenced = readme.split("\n```").skip(1).step_by(2);
    let split = fenced.map(|block| block.split_once('\n').unwrap());
    split.map(|(language, block)| (language.to_owned(), block.to_owned())).collect()
}

/// An environment with nothing in it but the wheel, and what it says that it needs. No network.
async fn with_the_wheel(folder: &Path) -> PathBuf {
    let mut made = Command::new(interpreter());
    made.args(["-m", "venv"]).arg(folder);
    succeeds(made).await;
    let python = folder.join("bin/python");
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]);
    pip.arg("--find-links").arg(environment().join("wheels"));
    let dist = std::fs::read_dir(package().join("dist")).unwrap();
    let mut files = dist.map(|entry| entry.unwrap().path());
    let wheel = files.find(|file| file.extension().is_some_and(|end| end == "whl")).unwrap();
    pip.arg(format!("{}[httpx,requests]", wheel.display()));
    succeeds(pip).await;
    python
}

#[tokio::test]
async fn the_wheel_runs_its_readme_in_an_empty_environment() {
    let dir = tempfile::tempdir().unwrap();
    let python = with_the_wheel(&dir.path().join("empty")).await;
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let agent = std::fs::read_to_string(package().join("examples/agent.py")).unwrap();
    let blocks = blocks();
    let mut run = 0;
    for (at, (language, block)) in blocks.iter().enumerate() {
        if language != "python" || block.trim() == agent.trim() {
            continue;
        }
        let program = block.replace("http://localhost:10000", stack.url("").trim_end_matches('/'));
        let card = stack.sim.payment_method(&card::fresh().unwrap(), "123").await.unwrap();
        let mut command = Command::new(&python);
        command.args(["-c", &program]).current_dir(dir.path()).env("PM", card);
        let (expects, shown) = &blocks[at + 1];
        assert_eq!(expects, "text", "{block}");
        assert_eq!(succeeds(command).await.trim(), shown.trim(), "{block}");
        run += 1;
    }
    assert_eq!(run, 3);
    assert!(blocks.iter().any(|(_, block)| block.trim() == agent.trim()), "examples/agent.py");
}

/// Checked by mypy, as strictly as it can: the sources, and by what the wheel installed, a program and a mistake.
#[tokio::test]
async fn types_tell_a_misspelt_limit() {
    let dir = tempfile::tempdir().unwrap();
    let mypy = |folder: &Path, cache: &str, file: &Path| {
        let mut mypy = Command::new(interpreter());
        mypy.args(["-m", "mypy", "--strict", "--no-error-summary"]).arg(file).current_dir(folder);
        mypy.arg("--cache-dir").arg(environment().join(cache));
        mypy
    };
    succeeds(mypy(&package(), "mypy-sources", Path::new("stripe402"))).await;
    let wrong = dir.path().join("wrong.py");
    std::fs::write(&wrong, "import stripe402\nstripe402.Wallet(max_prize=5)\n").unwrap();
    succeeds(mypy(dir.path(), "mypy-wheel", &package().join("examples/agent.py"))).await;
    let output = mypy(dir.path(), "mypy-wheel", &wrong).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success() && said.contains("max_prize"), "{said}");
}

const ADAPTERS: [&str; 3] = ["httpx", "httpx-async", "requests"];

/// One file, one budget, one turn to pay: whoever comes first pays, and the others find the credits.
#[tokio::test]
async fn python_and_the_command_line_share_a_file() {
    let world = World::start().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("credentials.json");
    let card = world.stack.sim.payment_method(&card::fresh().unwrap(), "123").await.unwrap();
    let limits = json!({"paymentMethodId": card, "budgetTotal": 50_000, "credentials": file});
    let payer = |adapter: &str, settings: &Value| {
        Payer::new(&Kind::Driver(Driver::python(adapter)), settings.clone())
    };
    let payers = ADAPTERS.map(|adapter| payer(adapter, &limits));
    let url = world.stack.url("/api/weather");
    let curl = ["curl", "--json", "--payment-method", &card, "--budget", "50000", &url];
    let curl = curl.map(str::to_owned);
    let calls = vec![world.weather(); 4];
    let python = join_all(payers.iter().map(|payer| payer.calls(&calls)));
    let terminal = join_all((0..3).map(|_| cli::run(&file, &curl, "")));
    let (python, terminal) = join(python, terminal).await;
    let said = terminal.iter().map(|said| serde_json::from_str(&said.out).unwrap());
    let answers: Vec<Value> = python.into_iter().flatten().chain(said).collect();
    let left = |answer: &Value| answer["paid"]["creditsRemaining"].as_i64();
    let mut lefts: Vec<i64> =
        answers.iter().map(|answer| left(answer).unwrap_or_else(|| panic!("{answer}"))).collect();
    lefts.sort_unstable();
    let expected: Vec<i64> = (0..15).map(|number| 42_500 + number * 500).collect();
    assert_eq!(lefts, expected, "each was served once");
    assert_eq!(world.deductions(&card).await, 1);
    // None of them has a card, or a client id of its own.
    for adapter in ADAPTERS {
        let answer = payer(adapter, &json!({"credentials": file})).call(world.weather()).await;
        assert!(left(&answer).is_some(), "{adapter}: {answer}");
    }
    let said = cli::run(&file, &["budget", "show", "--json"].map(str::to_owned), "").await;
    assert!(said.out.contains("50000"), "{said:?}");
}

/// While another program pays, Python waits.
#[tokio::test]
async fn python_waits_for_its_turn() {
    let world = World::start().await;
    let dir = tempfile::tempdir().unwrap();
    let origin = world.stack.url("").trim_end_matches('/').to_owned();
    let waits = ADAPTERS.map(async |adapter| {
        let file = dir.path().join(adapter);
        let card = world.stack.sim.payment_method(&card::fresh().unwrap(), "123").await.unwrap();
        let settings = json!({"paymentMethodId": card, "credentials": file});
        let payer = Payer::new(&Kind::Driver(Driver::python(adapter)), settings);
        let turn = File::new(&file).try_turn(&origin).unwrap().unwrap();
        let mut call = std::pin::pin!(payer.call(world.weather()));
        let waited = tokio::time::timeout(Duration::from_millis(1_500), &mut call).await;
        assert!(waited.is_err(), "{adapter} did not wait: {waited:?}");
        assert_eq!(world.deductions(&card).await, 0, "{adapter}");
        drop(turn);
        assert_eq!(call.await["paid"]["charged"], 50_000, "{adapter}");
    });
    join_all(waits).await;
}

//! The npm and the Python package, in one program per adapter.

use std::{
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use serde_json::{Value, json};
use stripe402_tests::binary;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::Mutex,
};

use crate::python;

/// A running program that pays for many.
#[derive(Clone)]
pub(crate) struct Driver(Arc<Mutex<Pipes>>);

struct Pipes {
    _program: Child,
    calls: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

pub(crate) struct Payer {
    driver: Driver,
    number: u32,
    settings: Value,
}

static PAYERS: AtomicU32 = AtomicU32::new(0);

impl Driver {
    /// `fetch` or `axios` of the npm package.
    pub(crate) fn node(adapter: &str) -> Self {
        let mut node = Command::new("node");
        node.arg("test/drive.mjs").arg(adapter).current_dir(binary::workspace().join("client/js"));
        Self::start(node)
    }

    /// `httpx`, `httpx-async` or `requests` of the Python package.
    pub(crate) fn python(adapter: &str) -> Self {
        let mut python = Command::new(python::interpreter());
        python.arg("test/drive.py").arg(adapter);
        python.current_dir(binary::workspace().join("client/python"));
        Self::start(python)
    }

    fn start(mut program: Command) -> Self {
        let pipes = program.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut program = pipes.spawn().unwrap();
        let calls = program.stdin.take().unwrap();
        let answers = BufReader::new(program.stdout.take().unwrap()).lines();
        Self(Arc::new(Mutex::new(Pipes { _program: program, calls, answers })))
    }

    pub(crate) fn payer(&self, settings: Value) -> Payer {
        let number = PAYERS.fetch_add(1, Ordering::Relaxed);
        Payer { driver: self.clone(), number, settings }
    }
}

impl Payer {
    pub(crate) async fn calls(&self, calls: &[Value]) -> Vec<Value> {
        let line = json!({"payer": self.number, "settings": self.settings, "calls": calls});
        let mut pipes = self.driver.0.lock().await;
        pipes.calls.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        let line = pipes.answers.next_line().await.unwrap().expect("the program ended");
        serde_json::from_str(&line).unwrap()
    }
}

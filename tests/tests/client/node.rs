//! The npm package, in one Node program per adapter.

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

/// A running Node program that pays for many.
#[derive(Clone)]
pub(crate) struct Node(Arc<Mutex<Pipes>>);

struct Pipes {
    _node: Child,
    calls: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

pub(crate) struct Payer {
    node: Node,
    number: u32,
    settings: Value,
}

static PAYERS: AtomicU32 = AtomicU32::new(0);

impl Node {
    pub(crate) fn start(adapter: &str) -> Self {
        let package = binary::workspace().join("client/js");
        let mut node = Command::new("node")
            .arg("test/drive.mjs")
            .arg(adapter)
            .current_dir(package)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let calls = node.stdin.take().unwrap();
        let answers = BufReader::new(node.stdout.take().unwrap()).lines();
        Self(Arc::new(Mutex::new(Pipes { _node: node, calls, answers })))
    }

    pub(crate) fn payer(&self, settings: Value) -> Payer {
        let number = PAYERS.fetch_add(1, Ordering::Relaxed);
        Payer { node: self.clone(), number, settings }
    }
}

impl Payer {
    pub(crate) async fn calls(&self, calls: &[Value]) -> Vec<Value> {
        let line = json!({"payer": self.number, "settings": self.settings, "calls": calls});
        let mut pipes = self.node.0.lock().await;
        pipes.calls.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        let line = pipes.answers.next_line().await.unwrap().expect("node ended");
        serde_json::from_str(&line).unwrap()
    }
}

//! The npm package, in one Node program per payer.

use std::process::Stdio;

use serde_json::Value;
use stripe402_tests::binary;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

pub(crate) struct Payer {
    _node: Child,
    calls: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Payer {
    pub(crate) fn new(adapter: &str, settings: &Value) -> Self {
        let package = binary::workspace().join("client/js");
        let mut node = Command::new("node")
            .arg("test/drive.mjs")
            .arg(adapter)
            .arg(settings.to_string())
            .current_dir(package)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let calls = node.stdin.take().unwrap();
        let answers = BufReader::new(node.stdout.take().unwrap()).lines();
        Self { _node: node, calls, answers }
    }

    pub(crate) async fn calls(&mut self, calls: &[Value]) -> Vec<Value> {
        let line = format!("{}\n", serde_json::to_string(calls).unwrap());
        self.calls.write_all(line.as_bytes()).await.unwrap();
        let line = self.answers.next_line().await.unwrap().expect("node ended");
        serde_json::from_str(&line).unwrap()
    }
}

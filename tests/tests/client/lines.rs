//! A program that reads one line of JSON for each step, and writes one.

use std::{process::Stdio, sync::Arc};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::Mutex,
};

/// It ends with its last clone.
#[derive(Clone)]
pub(crate) struct Program(Arc<Mutex<Pipes>>);

struct Pipes {
    _program: Child,
    steps: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Program {
    pub(crate) fn start(mut program: Command) -> Self {
        let pipes = program.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut program = pipes.spawn().unwrap();
        let steps = program.stdin.take().unwrap();
        let answers = BufReader::new(program.stdout.take().unwrap()).lines();
        Self(Arc::new(Mutex::new(Pipes { _program: program, steps, answers })))
    }

    pub(crate) async fn step(&self, step: &Value) -> Value {
        let mut pipes = self.0.lock().await;
        pipes.steps.write_all(format!("{step}\n").as_bytes()).await.unwrap();
        let line = pipes.answers.next_line().await.unwrap().expect("the program ended");
        serde_json::from_str(&line).unwrap()
    }
}

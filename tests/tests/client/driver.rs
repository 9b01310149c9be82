//! The npm and the Python package, in one program per adapter.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use stripe402_tests::binary;
use tokio::process::Command;

use crate::{lines::Program, python};

/// A running program that pays for many.
#[derive(Clone)]
pub(crate) struct Driver(Program);

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
        Self(Program::start(node))
    }

    /// `httpx`, `httpx-async` or `requests` of the Python package.
    pub(crate) fn python(adapter: &str) -> Self {
        let mut python = Command::new(python::interpreter());
        python.arg("test/drive.py").arg(adapter);
        python.current_dir(binary::workspace().join("client/python"));
        Self(Program::start(python))
    }

    pub(crate) fn payer(&self, settings: Value) -> Payer {
        let number = PAYERS.fetch_add(1, Ordering::Relaxed);
        Payer { driver: self.clone(), number, settings }
    }
}

impl Payer {
    pub(crate) async fn calls(&self, calls: &[Value]) -> Vec<Value> {
        let step = json!({"payer": self.number, "settings": self.settings, "calls": calls});
        self.driver.0.step(&step).await.as_array().unwrap().clone()
    }
}

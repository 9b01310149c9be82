//! Manifests as values, and what the schemas of their kinds say of them.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::Deserialize as _;
use serde_json::{Value, json};
use stripe402_tests::binary;

/// A manifest, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    pub(crate) file: String,
    pub(crate) value: Value,
}

impl Manifest {
    pub(crate) fn kind(&self) -> &str {
        self.value["kind"].as_str().unwrap()
    }

    /// Whether it is of Kubernetes itself, not of something that is installed into it.
    fn is_core(&self) -> bool {
        let group = self.value["apiVersion"].as_str().unwrap().split('/').next().unwrap();
        let of_kubernetes = group.ends_with(".k8s.io") && group != "gateway.networking.k8s.io";
        !group.contains('.') || of_kubernetes
    }

    /// As the kind that has a schema. No package has `TrafficExtension` yet; its part `wasm` has the fields of a
    /// `WasmPlugin`, and the rest is the same in both.
    fn with_schema(&self) -> Value {
        let mut value = self.value.clone();
        if self.kind() != "TrafficExtension" {
            return value;
        }
        value["kind"] = json!("WasmPlugin");
        if let Some(Value::Object(spec)) = value.get_mut("spec")
            && let Some(Value::Object(wasm)) = spec.remove("wasm")
        {
            spec.extend(wasm);
        }
        value
    }
}

/// The documents of a YAML text.
pub(crate) fn documents(file: &str, text: &str) -> Vec<Manifest> {
    serde_norway::Deserializer::from_str(text)
        .map(|document| {
            Value::deserialize(document).unwrap_or_else(|error| panic!("{file}: {error}"))
        })
        .filter(|value| !value.is_null())
        .map(|value| Manifest { file: file.to_owned(), value })
        .collect()
}

/// The YAML files below a folder of the workspace, in order.
pub(crate) fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![binary::workspace().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "yaml") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// What is wrong with each; nothing with one that fits its schema.
pub(crate) fn problems(manifests: &[Manifest]) -> Vec<Vec<String>> {
    let workspace = binary::workspace();
    let mut core = Command::new(workspace.join(".tools/venv/bin/python"));
    core.arg(workspace.join("tests/manifests/check_core.py"));
    let mut custom = Command::new("node");
    custom.arg(workspace.join("tests/manifests/check.mjs"));
    let mut of_core = check(core, manifests.iter().filter(|manifest| manifest.is_core()));
    let mut of_custom = check(custom, manifests.iter().filter(|manifest| !manifest.is_core()));
    let mut next = |manifest: &Manifest| {
        if manifest.is_core() { of_core.next() } else { of_custom.next() }.unwrap()
    };
    manifests.iter().map(&mut next).collect()
}

fn check<'manifest>(
    mut checker: Command,
    manifests: impl Iterator<Item = &'manifest Manifest>,
) -> std::vec::IntoIter<Vec<String>> {
    let manifests = Value::Array(manifests.map(Manifest::with_schema).collect());
    let name = Path::new(checker.get_program()).display().to_string();
    let started =
        checker.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = started.unwrap_or_else(|error| panic!("{name}: {error}; run  make setup"));
    let mut stdin = child.stdin.take().unwrap();
    let writing = std::thread::spawn(move || stdin.write_all(manifests.to_string().as_bytes()));
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{name} (is it installed? run  make setup): {said}");
    writing.join().unwrap().unwrap();
    let found: Vec<Vec<String>> = serde_json::from_slice(&output.stdout).unwrap();
    found.into_iter()
}

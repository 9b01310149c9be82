//! The examples' READMEs: what is written as `bash` runs here, from the workspace's folder, and succeeds. What
//! needs a cluster or a control plane is written as `sh`, and each README says that it is unrun.

use std::{collections::BTreeSet, path::Path, process::Command};

use stripe402_tests::binary;

const READMES: [&str; 9] = [
    "envoy/ecds/README.md",
    "envoy/minimal/README.md",
    "envoy/llm/README.md",
    "envoy/mcp/README.md",
    "envoy/full/README.md",
    "envoy/istio/README.md",
    "envoy/envoy-gateway/README.md",
    "envoy/kubernetes/README.md",
    "images/README.md",
];

fn read(path: &str) -> String {
    std::fs::read_to_string(binary::workspace().join(path)).unwrap()
}

pub(crate) fn blocks(document: &str, language: &str) -> Vec<String> {
    let opening = format!("\n```{language}\n");
    let parts = document.split(&opening).skip(1);
    parts.map(|part| part.split("\n```").next().unwrap().to_owned()).collect()
}

/// What `make images` makes, with a smaller program in the place of the ledger.
pub(crate) fn make_dist(dist: &Path) {
    let (images, module) = (binary::images().unwrap(), dist.join("stripe402_filter.wasm"));
    std::fs::create_dir(dist).unwrap();
    std::fs::copy(binary::filter().unwrap(), &module).unwrap();
    let mut making = Command::new(&images);
    making.arg("--ledger").arg(&images).arg("--filter").arg(module);
    let output = making.arg("--out").arg(dist.join("oci")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn commands_of_the_readmes_run() {
    let workspace = binary::workspace();
    let envoy = binary::envoy().unwrap().parent().unwrap().to_path_buf();
    let tools = workspace.join(".tools/venv/bin");
    let path =
        format!("{}:{}:{}", envoy.display(), tools.display(), std::env::var("PATH").unwrap());
    for readme in READMES {
        let commands = blocks(&read(readme), "bash");
        assert!(!commands.is_empty(), "{readme} has no command that runs here");
        // A reader's copy: what a command changes, it changes there.
        let copy = tempfile::tempdir().unwrap();
        for folder in ["envoy", "images"] {
            let from = workspace.join(folder);
            let status = Command::new("cp")
                .arg("-r")
                .args([from.as_os_str(), copy.path().as_os_str()])
                .status();
            assert!(status.unwrap().success());
        }
        make_dist(&copy.path().join("dist"));
        for command in commands {
            let output = Command::new("bash")
                .args(["-euo", "pipefail", "-c", &command])
                .current_dir(copy.path())
                .env("PATH", &path)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{readme}:\n{command}\n{said}");
        }
    }
}

/// Where nothing here can play a cluster, the document says so.
#[test]
fn what_is_unrun_is_said() {
    for readme in READMES {
        let text = read(readme);
        if !blocks(&text, "sh").is_empty() {
            assert!(text.to_lowercase().contains("unrun"), "{readme} shows what does not run here");
        }
    }
}

/// No file of an example goes unmentioned, and none is mentioned that is not there.
#[test]
fn readmes_name_the_files_beside_them() {
    for readme in READMES {
        let text = read(readme);
        let folder = binary::workspace().join(readme).parent().unwrap().to_path_buf();
        let there: BTreeSet<String> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !["README.md", "Cargo.toml", "src"].contains(&name.as_str()))
            .collect();
        for name in &there {
            assert!(text.contains(&format!("`{name}")), "{readme} says nothing of {name}");
        }
    }
}

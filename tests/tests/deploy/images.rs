//! The images, made twice and read by others' programs: skopeo and umoci.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use stripe402_protocol::hex;
use stripe402_tests::binary;

const TAG: &str = "1.2.3";

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; run  make setup"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Makes both images in a folder; the digests by their names. What the ledger's image holds is a smaller program,
/// where it does not matter which.
fn make(out: &Path, ledger: &Path) -> BTreeMap<String, String> {
    let [program, filter] = [binary::images(), binary::filter()].map(Result::unwrap);
    let [program, ledger, filter, out] =
        [&program, ledger, &filter, out].map(|path| path.to_str().unwrap());
    let said = run(program, &["--ledger", ledger, "--filter", filter, "--out", out, "--tag", TAG]);
    let line = |line: &str| {
        let (image, digest) = line.split_once(' ').unwrap();
        (image.strip_prefix(out).unwrap().trim_start_matches('/').to_owned(), digest.to_owned())
    };
    said.lines().map(line).collect()
}

fn sum(path: &Path) -> String {
    hex::to_string(&Sha256::digest(std::fs::read(path).unwrap()))
}

/// Every file below a folder with its sum.
fn sums(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_path_buf(), sum(&path));
            }
        }
    }
    found
}

/// Where skopeo reads an image.
fn oci(dir: &Path, image: &str) -> String {
    format!("oci:{}", dir.join(image).display())
}

#[test]
fn the_same_files_make_the_same_images() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let program = binary::images().unwrap();
    let digests = dirs.each_ref().map(|dir| make(dir.path(), &program));
    assert_eq!(digests[0], digests[1]);
    assert_eq!(digests[0].len(), 3);
    let [first, second] = dirs.each_ref().map(|dir| sums(dir.path()));
    assert!(first.len() > 10, "{first:?}");
    assert_eq!(first, second);
    // Made again in the same place, nothing of before is left.
    make(dirs[0].path(), &program);
    assert_eq!(sums(dirs[0].path()), first);
}

#[test]
fn skopeo_reads_the_filter_as_gateways_pull_it() {
    let dir = tempfile::tempdir().unwrap();
    let digests = make(dir.path(), &binary::images().unwrap());
    let wasm = sum(&binary::filter().unwrap());
    for (image, layers) in [
        (format!("filter:{TAG}"), vec!["application/vnd.oci.image.layer.v1.tar+gzip"]),
        (
            format!("filter:{TAG}-artifact"),
            vec![
                "application/vnd.module.wasm.content.layer.v1+wasm",
                "application/vnd.module.wasm.config.v1+json",
            ],
        ),
    ] {
        let source = oci(dir.path(), &image);
        let raw = run("skopeo", &["inspect", "--raw", &source]);
        let digest = hex::to_string(&Sha256::digest(&raw));
        assert_eq!(digests[&image], format!("sha256:{digest}"));
        let manifest: Value = serde_json::from_str(&raw).unwrap();
        let types = manifest["layers"].as_array().unwrap().iter();
        let types: Vec<_> = types.map(|layer| layer["mediaType"].as_str().unwrap()).collect();
        assert_eq!(types, layers, "{image}");
    }
    // As a blob, the module is what was built, under its own sum; skopeo checks every blob that it copies.
    let copied = dir.path().join("copied");
    let source = oci(dir.path(), &format!("filter:{TAG}-artifact"));
    run("skopeo", &["copy", &source, &format!("dir:{}", copied.display())]);
    assert_eq!(sum(&copied.join(&wasm)), wasm);
    // As a file of an image, it is found by the name that loaders look for.
    let unpacked = dir.path().join("unpacked");
    let image = format!("{}:{TAG}", dir.path().join("filter").display());
    let (rootless, bundle) = ("--rootless", unpacked.to_str().unwrap());
    run("umoci", &["unpack", rootless, "--image", &image, bundle]);
    assert_eq!(sum(&unpacked.join("rootfs/plugin.wasm")), wasm);
}

#[test]
fn the_ledger_runs_out_of_its_image() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), &binary::ledger().unwrap());
    let source = oci(dir.path(), &format!("ledger:{TAG}"));
    let config: Value =
        serde_json::from_str(&run("skopeo", &["inspect", "--config", &source])).unwrap();
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["os"], "linux");
    let unpacked = dir.path().join("unpacked");
    let image = format!("{}:{TAG}", dir.path().join("ledger").display());
    run("umoci", &["unpack", "--rootless", "--image", &image, unpacked.to_str().unwrap()]);
    let program = unpacked
        .join("rootfs")
        .join(config["config"]["Entrypoint"][0].as_str().unwrap().trim_start_matches('/'));
    assert_eq!(sum(&program), sum(&binary::ledger().unwrap()));
    let said = run(program.to_str().unwrap(), &["--version"]);
    assert!(said.starts_with("stripe402-ledger "), "{said}");
    assert!(unpacked.join("rootfs/data").is_dir());
}

/// One name for two kinds of machine: each finds its own program behind it.
#[test]
fn one_image_is_for_both_architectures() {
    /// Of an ELF header: the low byte of what machine the program is for.
    const MACHINE: usize = 18;
    let dir = tempfile::tempdir().unwrap();
    let own = std::fs::read(binary::images().unwrap()).unwrap();
    let programs = [("amd64", 0x3e), ("arm64", 0xb7)].map(|(name, machine)| {
        let (path, mut program) = (dir.path().join(name), own.clone());
        program[MACHINE] = machine;
        std::fs::write(&path, program).unwrap();
        path.to_str().unwrap().to_owned()
    });
    let [images, filter] = [binary::images(), binary::filter()].map(Result::unwrap);
    let (images, filter) = (images.to_str().unwrap(), filter.to_str().unwrap());
    let out = dir.path().join("oci");
    let make = |ledgers: [&str; 2]| {
        let [first, second] = ledgers;
        let arguments = ["--ledger", first, "--ledger", second, "--filter", filter, "--tag", TAG];
        let out = ["--out", out.to_str().unwrap()];
        Command::new(images).args(arguments).args(out).output().unwrap()
    };
    assert!(make([&programs[0], &programs[1]]).status.success());
    let source = oci(&out, &format!("ledger:{TAG}"));
    let index: Value =
        serde_json::from_str(&run("skopeo", &["inspect", "--raw", &source])).unwrap();
    assert_eq!(index["mediaType"], "application/vnd.oci.image.index.v1+json");
    for name in ["amd64", "arm64"] {
        let of =
            ["--override-arch", name, "--override-os", "linux", "inspect", "--config", &source];
        let config: Value = serde_json::from_str(&run("skopeo", &of)).unwrap();
        assert_eq!(config["architecture"], name);
    }
    // All of it is copied as release.yml copies it.
    let copied = format!("oci:{}", dir.path().join("copied").display());
    run("skopeo", &["copy", "--all", &source, &copied]);
    assert_eq!(
        run("skopeo", &["inspect", "--raw", &copied]),
        run("skopeo", &["inspect", "--raw", &source])
    );
    let twice = make([&programs[0], &programs[0]]);
    let said = String::from_utf8_lossy(&twice.stderr).into_owned();
    assert!(!twice.status.success() && said.contains("two of the ledger's programs are for amd64"));
}

/// Whoever builds with a container engine gets the same settings.
#[test]
fn the_dockerfile_says_what_the_image_says() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), &binary::images().unwrap());
    let source = oci(dir.path(), &format!("ledger:{TAG}"));
    let config: Value =
        serde_json::from_str(&run("skopeo", &["inspect", "--config", &source])).unwrap();
    let text = std::fs::read_to_string(binary::workspace().join("images/Dockerfile")).unwrap();
    let last_stage = text.split("\nFROM ").last().unwrap();
    let said = |word: &str| -> Vec<String> {
        let lines = last_stage.lines().filter_map(|line| line.strip_prefix(word));
        lines.map(|rest| rest.trim().to_owned()).collect()
    };
    assert!(last_stage.starts_with("scratch\n"));
    let config = &config["config"];
    assert_eq!(config["Env"], json!(said("ENV ")));
    assert_eq!(config["User"], said("USER ")[0].as_str());
    assert_eq!(config["WorkingDir"], said("WORKDIR ")[0].as_str());
    assert_eq!(
        config["Entrypoint"],
        serde_json::from_str::<Value>(&said("ENTRYPOINT ")[0]).unwrap()
    );
    assert_eq!(config["Cmd"], serde_json::from_str::<Value>(&said("CMD ")[0]).unwrap());
    let ports: Vec<_> = config["ExposedPorts"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(ports.join(" "), said("EXPOSE ")[0]);
    // And it is built by the Rust that the rest is built by.
    let toolchain =
        std::fs::read_to_string(binary::workspace().join("rust-toolchain.toml")).unwrap();
    let channel = toolchain.split("channel = \"").nth(1).unwrap().split('"').next().unwrap();
    let minor = channel.rsplit_once('.').unwrap().0;
    assert!(text.contains(&format!("rust:{minor}-")), "{minor}");
}

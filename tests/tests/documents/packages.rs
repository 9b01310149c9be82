//! What is published is ready to be: one version everywhere, and what each registry wants to know.

use std::process::Command;

use serde_json::Value;
use stripe402_tests::binary;

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The crates that others build on, as `scripts/crates.sh` names them.
const CRATES: [&str; 4] =
    ["stripe402-mutant", "stripe402-protocol", "stripe402-client", "stripe402-ledger"];

fn read(path: &str) -> String {
    std::fs::read_to_string(binary::workspace().join(path)).unwrap()
}

fn json(path: &str) -> Value {
    serde_json::from_str(&read(path)).unwrap()
}

/// What follows each `before` in a text, up to where a version ends.
fn versions<'text>(text: &'text str, before: &str) -> Vec<&'text str> {
    let ends = |letter: char| !(letter.is_ascii_digit() || letter == '.');
    let found = text.split(before).skip(1).filter_map(|rest| rest.split(ends).next());
    found.filter(|version| version.split('.').count() == 3).collect()
}

#[test]
fn every_package_has_the_same_version() {
    let package = json("client/js/package.json");
    let lock = json("client/js/package-lock.json");
    let openapi = json("docs/openapi.json");
    let values = [
        ("client/js/package.json", &package["version"]),
        ("client/js/package-lock.json", &lock["version"]),
        ("client/js/package-lock.json", &lock["packages"][""]["version"]),
        ("docs/openapi.json", &openapi["info"]["version"]),
    ];
    for (file, value) in values {
        assert_eq!(value, VERSION, "{file}");
    }
    assert_eq!(versions(&read("client/python/pyproject.toml"), "\nversion = \""), [VERSION]);
    let manifest = read("Cargo.toml");
    let named = versions(&manifest, "\", version = \"");
    assert_eq!(named, [VERSION; CRATES.len()], "[workspace.dependencies] of Cargo.toml");
    let changelog = read("CHANGELOG.md");
    assert!(changelog.contains("\n## [Unreleased]\n"));
    assert_eq!(versions(&changelog, "\n## [").first(), Some(&VERSION), "CHANGELOG.md");
}

/// What examples pull is what this repository makes.
#[test]
fn examples_name_this_version() {
    let mut named = 0;
    for folder in ["envoy", "images"] {
        let mut folders = vec![binary::workspace().join(folder)];
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                let is_text = path.extension().is_some_and(|end| end == "md" || end == "yaml");
                if path.is_dir() {
                    folders.push(path);
                } else if is_text {
                    let text = std::fs::read_to_string(&path).unwrap();
                    for name in ["ledger:", "filter:", "newTag: "] {
                        for version in versions(&text, name) {
                            assert_eq!(version, VERSION, "{}", path.display());
                            named += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(named >= 15, "{named}");
}

/// The crates as cargo knows them.
fn crates() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--no-deps", "--format-version", "1"])
        .current_dir(binary::workspace())
        .output()
        .unwrap();
    let known: Value = serde_json::from_slice(&output.stdout).unwrap();
    known["packages"].as_array().unwrap().clone()
}

#[test]
fn crates_say_what_their_registry_wants_to_know() {
    let script = read("scripts/crates.sh");
    let published: Vec<Value> =
        crates().into_iter().filter(|package| package["publish"].is_null()).collect();
    assert_eq!(published.len(), CRATES.len());
    for package in &published {
        let name = package["name"].as_str().unwrap();
        assert!(CRATES.contains(&name) && script.contains(&format!("-p {name}")), "{name}");
        for field in ["description", "license", "repository", "homepage", "rust_version"] {
            assert!(package[field].is_string(), "{name} has no {field}");
        }
        for field in ["keywords", "categories"] {
            assert!(!package[field].as_array().unwrap().is_empty(), "{name} has no {field}");
        }
        // crates.io cannot follow a path. What only tests need is left out.
        for needed in package["dependencies"].as_array().unwrap() {
            let is_ours = needed["path"].is_string() && needed["kind"] != "dev";
            if is_ours {
                assert_eq!(needed["req"], format!("^{VERSION}"), "{name}: {}", needed["name"]);
                assert!(CRATES.contains(&needed["name"].as_str().unwrap()), "{name}");
            }
        }
    }
}

/// Packed as for crates.io, without the network: nothing that the source names is outside of its package.
#[test]
fn crates_can_be_packed() {
    let packed = tempfile::tempdir().unwrap();
    let output = Command::new(binary::workspace().join("scripts/crates.sh"))
        .arg("package")
        .env("CARGO_NET_OFFLINE", "true")
        .env("CARGO_TARGET_DIR", packed.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for name in CRATES {
        let archive = packed.path().join(format!("package/{name}-{VERSION}.crate"));
        let listed = Command::new("tar").arg("tzf").arg(archive).output().unwrap();
        let files = String::from_utf8_lossy(&listed.stdout).into_owned();
        let has = |file: &str| files.lines().any(|line| line == format!("{name}-{VERSION}/{file}"));
        assert!(has("Cargo.toml") && (has("src/lib.rs") || has("src/main.rs")), "{files}");
        // sqlx reads it when the ledger is compiled.
        let migrations = files.contains("/migrations/");
        assert_eq!(migrations, name == "stripe402-ledger", "{files}");
        assert_eq!(has("README.md"), name != "stripe402-mutant", "{name}");
    }
}

#[test]
fn the_npm_package_and_the_wheel_say_where_they_come_from() {
    let package = json("client/js/package.json");
    let workspace = read("Cargo.toml");
    let repository =
        workspace.split("\nrepository = \"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(package["repository"]["url"], format!("git+{repository}.git"));
    assert_eq!(package["repository"]["directory"], "client/js");
    assert!(package["keywords"].as_array().unwrap().len() >= 3);
    let project = read("client/python/pyproject.toml");
    assert!(project.contains(&format!("\nRepository = \"{repository}\"")), "{project}");
    for field in ["description", "readme", "license", "keywords", "classifiers"] {
        assert!(project.contains(&format!("\n{field} = ")), "pyproject.toml has no {field}");
    }
    // What is not built yet is listed by its patterns: the test of the package itself installs it.
    let npm = Command::new("npm")
        .args(["pack", "--dry-run", "--json"])
        .current_dir(binary::workspace().join("client/js"))
        .output()
        .unwrap();
    assert!(npm.status.success(), "{}", String::from_utf8_lossy(&npm.stderr));
    let listed: Value = serde_json::from_slice(&npm.stdout).unwrap();
    assert_eq!(listed[0]["filename"], format!("stripe402-client-{VERSION}.tgz"));
    let files = listed[0]["files"].as_array().unwrap();
    let names: Vec<&str> = files.iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert!(names.contains(&"README.md") && names.contains(&"package.json"), "{names:?}");
    assert!(names.iter().all(|name| !name.starts_with("src") && !name.starts_with("test")));
}

/// The module is the same wherever it is built, so that its sum can be compared: `make reproducible` builds it twice.
#[test]
fn the_module_does_not_show_where_it_was_built() {
    let module = std::fs::read(binary::filter().unwrap()).unwrap();
    let module = String::from_utf8_lossy(&module);
    assert!(module.contains("/stripe402/") || module.contains("/cargo/"), "no path at all");
    let workspace = binary::workspace();
    assert!(!module.contains(workspace.to_str().unwrap()));
    assert!(!module.contains("/.cargo/registry"));
}

/// The same files, of other dates and rights and made in another order, are the same archive.
#[test]
fn archives_do_not_show_who_packed_them() {
    let script = |name: &str| Command::new(binary::workspace().join("scripts").join(name));
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let archives = dirs.each_ref().map(|dir| {
        let folder = dir.path().join("stripe402");
        std::fs::create_dir(&folder).unwrap();
        let is_first = dir.path() == dirs[0].path();
        for number in 10..30 {
            let file = folder.join(number.to_string());
            std::fs::write(&file, "text").unwrap();
            if is_first {
                let mut touch = Command::new("touch");
                touch.args(["--date", "2001-01-01"]).arg(&file);
                assert!(touch.status().unwrap().success());
                let mode = std::os::unix::fs::PermissionsExt::from_mode(0o664);
                std::fs::set_permissions(&file, mode).unwrap();
            }
        }
        let archive = dir.path().join("stripe402.tar.gz");
        let mut packing = script("pack.sh");
        packing.args([&folder, &archive]).env("SOURCE_DATE_EPOCH", "1700000000");
        assert!(packing.output().unwrap().status.success());
        archive
    });
    let [first, second] = archives.each_ref().map(|archive| std::fs::read(archive).unwrap());
    assert_eq!(first, second);
    let listed = Command::new("tar").arg("tzf").arg(&archives[0]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.lines().count() == 21 && listed.lines().is_sorted(), "{listed}");
    // A release's sums are of its files, and of nothing else.
    for _again in 0..2 {
        assert!(script("sums.sh").arg(dirs[0].path()).output().unwrap().status.success());
    }
    let sums = std::fs::read_to_string(dirs[0].path().join("SHA256SUMS")).unwrap();
    let names: Vec<_> = sums.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(names, ["stripe402.tar.gz"]);
    let mut checking = Command::new("sha256sum");
    checking.args(["--check", "--strict", "SHA256SUMS"]).current_dir(dirs[0].path());
    assert!(checking.output().unwrap().status.success());
}

//! Every file that is shipped is one that Envoy takes.

use std::path::{Path, PathBuf};

use stripe402_tests::{binary, envoy, envoy_config::EnvoyConfig};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|end| end == "yaml") {
            found.push(path);
        }
    }
}

#[test]
fn envoy_takes_every_shipped_file() {
    let mut found = Vec::new();
    files(&binary::workspace().join("envoy"), &mut found);
    let mut bootstraps = 0;
    for path in &found {
        let text = std::fs::read_to_string(path).unwrap();
        // Those that read certificates are taken with some: `deploy/https.rs`.
        let reads_certificates = text.contains("envoy/minimal/certificates/");
        if text.contains("static_resources:") && !reads_certificates {
            assert_eq!(envoy::validate(&text), Ok(()), "{}", path.display());
            bootstraps += 1;
        }
    }
    assert!(bootstraps >= 2, "{found:?}");
}

/// What is said twice is the same twice.
#[test]
fn the_filter_by_ecds_is_configured_as_the_other_one() {
    let mut shipped = EnvoyConfig::shipped().unwrap();
    let mut file = EnvoyConfig::read(&binary::workspace().join("envoy/ecds/filter.yaml")).unwrap();
    let by_ecds = file.root()["resources"][0]["typed_config"]["config"].clone();
    let filters = shipped.connection_manager().unwrap()["http_filters"].clone();
    let direct = filters.as_array().unwrap().iter().find(|filter| filter["name"] == "stripe402");
    assert_eq!(by_ecds, direct.unwrap()["typed_config"]["config"]);
}

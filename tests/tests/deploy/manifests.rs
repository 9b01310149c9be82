//! Every manifest that is shipped fits the schema of its kind, and one with a misspelt field does not.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stripe402_tests::{binary, envoy, envoy_config::EnvoyConfig};

use crate::schema::{Manifest, documents, files, problems};

/// Parts of a manifest that are no manifests: `kubectl kustomize` reads them, and what comes of them is checked.
const OF_KUSTOMIZE: [&str; 3] = ["kustomization.yaml", "tls/pods.yaml", "tls/servicemonitor.yaml"];

/// Fields whose content is free: maps of labels, amounts and texts, and what is somebody else's to check. The
/// filter's configuration is checked by its own parser, and what is Envoy's by Envoy.
const FREE: [&str; 12] = [
    "annotations",
    "config",
    "data",
    "labels",
    "limits",
    "matchLabels",
    "nodeSelector",
    "pluginConfig",
    "portLevelMtls",
    "requests",
    "stringData",
    "value",
];

pub(crate) fn all() -> Vec<Manifest> {
    let folders = ["envoy/istio", "envoy/envoy-gateway", "envoy/kubernetes"];
    let paths = folders
        .into_iter()
        .flat_map(files)
        .filter(|path| OF_KUSTOMIZE.iter().all(|end| !path.ends_with(end)));
    let read = |path: std::path::PathBuf| {
        documents(&path.display().to_string(), &std::fs::read_to_string(&path).unwrap())
    };
    let found: Vec<Manifest> = paths.flat_map(read).collect();
    assert!(found.len() > 40, "only {} manifests were found", found.len());
    found
}

/// The manifests of a kind.
pub(crate) fn of_kind(kind: &str) -> Vec<Manifest> {
    let found: Vec<_> = all().into_iter().filter(|manifest| manifest.kind() == kind).collect();
    assert!(!found.is_empty(), "there is no {kind}");
    found
}

#[test]
fn every_manifest_fits_its_schema() {
    let manifests = all();
    let found = problems(&manifests);
    assert_eq!(found.len(), manifests.len());
    for (manifest, problems) in manifests.iter().zip(found) {
        let (file, kind) = (&manifest.file, manifest.kind());
        assert_eq!(problems, Vec::<String>::new(), "{file}: {kind}");
    }
}

/// Each field of each manifest, misspelt once.
#[test]
fn a_misspelt_field_is_refused_wherever_it_is() {
    let (mut misspelt, mut fields, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for manifest in all() {
        let mut paths = Vec::new();
        names(&manifest.value, "", manifest.kind(), &mut paths);
        for path in paths {
            // Lists have many items of the same fields: one of them is enough.
            let field: String = path
                .split('/')
                .filter(|part| part.parse::<usize>().is_err())
                .collect::<Vec<_>>()
                .join("/");
            if seen.insert((manifest.file.clone(), manifest.kind().to_owned(), field)) {
                misspelt.push(with_misspelt(&manifest, &path));
                fields.push(format!("{}: {} {path}", manifest.file, manifest.kind()));
            }
        }
    }
    assert!(fields.len() > 600, "only {} fields were tried", fields.len());
    for (field, problems) in fields.iter().zip(problems(&misspelt)) {
        assert!(!problems.is_empty(), "misspelt, it is taken all the same: {field}");
    }
    println!("{} fields, each misspelt once: all refused", fields.len());
}

/// The paths of all fields whose names are not free, as JSON pointers.
fn names(value: &Value, path: &str, kind: &str, found: &mut Vec<String>) {
    let last = path.rsplit('/').next().unwrap();
    let is_text = !matches!(value, Value::Object(_) | Value::Array(_));
    // Istio's Gateway selects pods by labels, as a Service does.
    let of_service = ["Service", "Gateway"].contains(&kind) && path == "/spec/selector";
    if FREE.contains(&last) && !is_text || of_service {
        return;
    }
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
                // Without these it is no manifest at all.
                if path != "/apiVersion" && path != "/kind" {
                    found.push(path.clone());
                }
                names(value, &path, kind, found);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                names(item, &format!("{path}/{at}"), kind, found);
            }
        }
        _ => {}
    }
}

fn with_misspelt(manifest: &Manifest, path: &str) -> Manifest {
    let mut manifest = manifest.clone();
    let (parent, name) = path.rsplit_once('/').unwrap();
    let name = name.replace("~1", "/").replace("~0", "~");
    let fields = manifest.value.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    let value = fields.remove(&name).unwrap();
    fields.insert(format!("{name}x"), value);
    manifest
}

/// Istio before and after 1.30 is told the same.
#[test]
fn both_forms_of_the_filter_for_istio_say_the_same() {
    let (old, new) = (of_kind("WasmPlugin"), of_kind("TrafficExtension"));
    let mut flat = new[0].value["spec"].clone();
    let Some(Value::Object(wasm)) = flat.as_object_mut().unwrap().remove("wasm") else {
        panic!("{flat}")
    };
    flat.as_object_mut().unwrap().extend(wasm);
    assert_eq!(flat, old[0].value["spec"]);
}

/// What the manifests hand to Envoy as it is, Envoy takes.
#[test]
fn envoy_takes_what_is_handed_to_it() {
    let mut gateway =
        EnvoyConfig::read(&binary::workspace().join("envoy/minimal/envoy.yaml")).unwrap();
    let proxies = of_kind("EnvoyProxy");
    let patch = &proxies[0].value["spec"]["bootstrap"]["jsonPatches"][0];
    assert_eq!(patch["path"], "/static_resources/clusters/-");
    let mut cluster = patch["value"].clone();
    // Files that are there, with what Envoy Gateway would mount.
    let dir = tempfile::tempdir().unwrap();
    let mounted = of_kind("ConfigMap")
        .into_iter()
        .find(|manifest| manifest.value["metadata"]["name"] == "stripe402-sds");
    for (name, text) in mounted.unwrap().value["data"].as_object().unwrap() {
        std::fs::write(dir.path().join(name), text.as_str().unwrap()).unwrap();
    }
    let own = format!("{}/", dir.path().display());
    cluster = serde_json::from_str(&cluster.to_string().replace("/stripe402-sds/", &own)).unwrap();
    *gateway.cluster("stripe402_ledger").unwrap() = cluster;

    let patch = |name: &str| {
        let filters = of_kind("EnvoyFilter");
        let filter = filters.iter().find(|filter| filter.value["metadata"]["name"] == name);
        filter.unwrap().value["spec"]["configPatches"][0]["patch"].clone()
    };
    let paths = patch("stripe402-paths");
    assert_eq!(paths["operation"], "MERGE");
    let merged = paths["value"]["typed_config"].as_object().unwrap().clone();
    gateway.connection_manager().unwrap().as_object_mut().unwrap().extend(merged);
    let cors = patch("stripe402-cors");
    assert_eq!(cors["operation"], "INSERT_FIRST");
    let filters = gateway.connection_manager().unwrap()["http_filters"].as_array_mut().unwrap();
    filters.insert(0, cors["value"].clone());
    // Envoy Gateway names its gateways; what is discovered is asked for by somebody.
    gateway.root()["node"] = json!({"id": "gateway", "cluster": "gateways"});
    assert_eq!(envoy::validate(&gateway.to_yaml().unwrap()), Ok(()));

    // And a misspelt field it does not.
    gateway.cluster("stripe402_ledger").unwrap()["connect_timeoutx"] = json!("1s");
    let refused = envoy::validate(&gateway.to_yaml().unwrap()).unwrap_err();
    assert!(refused.contains("connect_timeoutx"), "{refused}");
}

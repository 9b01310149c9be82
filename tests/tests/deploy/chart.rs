//! The Helm chart, rendered by Helm: it makes what the overlays and the gateways' examples make, and no value is
//! misunderstood.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use stripe402_filter::config::Config;
use stripe402_tests::binary;

use crate::{
    manifests::all,
    overlays::{build, shipped, with_components},
    schema::{Manifest, documents, problems},
};

const CHART: &str = "charts/stripe402";

/// What Helm makes of values: all its manifests if lint has no complaint, else what is wrong.
fn render(values: &[Value]) -> Vec<Result<Vec<Manifest>, String>> {
    let workspace = binary::workspace();
    let mut child = Command::new(workspace.join(".tools/venv/bin/python"))
        .arg(workspace.join("tests/manifests/helm.py"))
        .arg(workspace.join(CHART))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{error}; run  make setup"));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(Value::from(values).to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}; run  make setup");
    let found: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let made = found.into_iter().map(|made| match made["error"].as_str() {
        Some(error) => Err(error.to_owned()),
        None => {
            assert_eq!(made["lint"], json!([]));
            let texts = made["manifests"].as_array().unwrap().iter();
            Ok(texts.flat_map(|text| documents(CHART, text.as_str().unwrap())).collect())
        }
    });
    made.collect()
}

pub(crate) fn render_one(values: &Value) -> Vec<Manifest> {
    render(std::slice::from_ref(values)).remove(0).unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(values: &Value) -> String {
    render(std::slice::from_ref(values)).remove(0).map(|_| ()).unwrap_err()
}

/// As the examples say it: their prices, and their digest of zeros.
fn of_example(kind: &str, pointer: &str) -> Value {
    let example = all().into_iter().find(|manifest| manifest.kind() == kind).unwrap();
    let mut config = example.value.pointer(pointer).unwrap().clone();
    config.as_object_mut().unwrap().remove("ledger").unwrap();
    json!({"sha256": "0".repeat(64), "config": config})
}

fn istio() -> Value {
    json!({
        "gateway": {"kind": "istio", "namespace": "istio-ingress"},
        "filter": of_example("WasmPlugin", "/spec/pluginConfig"),
    })
}

fn envoy_gateway() -> Value {
    json!({
        "store": {"kind": "redis"},
        "tls": true,
        "gateway": {"kind": "envoy-gateway"},
        "filter": of_example("EnvoyExtensionPolicy", "/spec/wasm/0/config"),
    })
}

/// Everything that can be said at once.
fn every_value() -> Value {
    json!({
        "image": {"repository": "r.example/ledger", "digest": format!("sha256:{}", "a".repeat(64)),
            "pullSecrets": ["registry"]},
        "secret": "own",
        "store": {"kind": "postgres", "port": 6432, "peers": [{"ipBlock": {"cidr": "192.0.2.7/32"}}]},
        "replicas": {"least": 3, "most": 9},
        "settings": {"LEDGER_DRAIN": "6s"},
        "monitoring": {"enabled": true, "labels": {"release": "prometheus"}},
        "gateway": {"kind": "istio", "name": "edge", "namespace": "edge", "serviceAccount": "edge-istio",
            "form": "WasmPlugin"},
        "filter": {"repository": "r.example/filter", "tag": "9", "sha256": "b".repeat(64),
            "pullSecret": "registry", "config": {"publishable_key": "pk_live_x", "currency": "usd",
            "routes": [{"name": "all", "prefix": "/", "price": 1}]}},
    })
}

/// Lists that mean the same in any order, in one.
fn normal(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), normal(value))).collect()
        }
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(normal).collect();
            if items.iter().all(|item| item["name"].is_string()) {
                items.sort_by_key(|item| item["name"].to_string());
            }
            Value::Array(items)
        }
        other => other.clone(),
    }
}

fn identity(value: &Value) -> String {
    let meta = &value["metadata"];
    format!("{} {} {}", value["kind"], meta["namespace"], meta["name"])
}

fn find<'made>(made: &'made [Manifest], wanted: &Value) -> &'made Value {
    let found = made.iter().find(|manifest| identity(&manifest.value) == identity(wanted));
    &found.unwrap_or_else(|| panic!("the chart makes no {}", identity(wanted))).value
}

#[test]
fn what_the_chart_makes_fits_its_schemas() {
    let values =
        [json!({}), json!({"store": {"kind": "redis"}}), istio(), envoy_gateway(), every_value()];
    for (values, made) in values.iter().zip(render(&values)) {
        let made = made.unwrap_or_else(|error| panic!("{values}: {error}"));
        assert!(made.len() >= 6, "{values}");
        for (manifest, problems) in made.iter().zip(problems(&made)) {
            assert_eq!(problems, Vec::<String>::new(), "{values}: {}", manifest.kind());
        }
    }
}

/// One truth: an operator who goes from the overlays to the chart gets the same ledger.
#[test]
fn the_chart_makes_what_the_overlays_make() {
    for (values, overlay) in [
        (json!({}), build(&shipped("embedded")).unwrap()),
        (json!({"store": {"kind": "redis"}}), build(&shipped("redis")).unwrap()),
        (
            json!({"store": {"kind": "postgres"}, "tls": true, "monitoring": {"enabled": true}}),
            with_components("postgres"),
        ),
        (json!({"tls": true, "monitoring": {"enabled": true}}), with_components("embedded")),
    ] {
        let made = render_one(&values);
        let overlay: Vec<_> =
            overlay.into_iter().filter(|manifest| manifest.kind() != "Namespace").collect();
        for wanted in &overlay {
            let found = normal(find(&made, &wanted.value));
            assert_eq!(found, normal(&wanted.value), "{values}: {}", identity(&wanted.value));
        }
        assert_eq!(made.len(), overlay.len(), "{values}");
    }
}

/// And the same gateway, but for what is the operator's own: the Gateway, its routes and its certificate.
#[test]
fn the_chart_makes_what_the_gateways_examples_make() {
    let mut plugin = istio();
    plugin["gateway"]["form"] = json!("WasmPlugin");
    let of_ledger =
        ["DestinationRule", "PeerAuthentication", "AuthorizationPolicy", "ServiceEntry"];
    for (values, folder, kinds) in [
        (istio(), "istio/", [&of_ledger[..], &["TrafficExtension"]].concat()),
        (plugin, "istio/", vec!["WasmPlugin"]),
        (
            envoy_gateway(),
            "envoy-gateway/",
            vec!["GatewayClass", "EnvoyProxy", "EnvoyExtensionPolicy", "ConfigMap"],
        ),
    ] {
        let made = render_one(&values);
        let mut compared = 0;
        for wanted in all() {
            let is_idle = wanted.value["metadata"]["name"] == "stripe402-idle";
            let is_own = wanted.file.contains("external-ledger");
            let is_wanted = kinds.contains(&wanted.kind()) || is_idle && folder == "istio/";
            if wanted.file.contains(&format!("envoy/{folder}")) && is_wanted && !is_own {
                if wanted.value["metadata"]["name"] == "gateway" {
                    continue;
                }
                let found = normal(find(&made, &wanted.value));
                assert_eq!(found, normal(&wanted.value), "{}", wanted.file);
                compared += 1;
            }
        }
        assert!(compared >= 2, "{folder}: {compared}");
    }
}

#[test]
fn every_value_is_heard() {
    let made = render_one(&every_value());
    let text: String = made.iter().map(|manifest| manifest.value.to_string()).collect();
    for expected in [
        &format!("r.example/ledger@sha256:{}", "a".repeat(64)),
        "\"imagePullSecrets\":[{\"name\":\"registry\"}]",
        "\"secretRef\":{\"name\":\"own\"}",
        "\"port\":6432",
        "192.0.2.7/32",
        "\"minReplicas\":3",
        "\"maxReplicas\":9",
        "{\"name\":\"LEDGER_DRAIN\",\"value\":\"6s\"}",
        "\"release\":\"prometheus\"",
        "cluster.local/ns/edge/sa/edge-istio",
        "oci://r.example/filter:9",
        "\"imagePullSecret\":\"registry\"",
        "pk_live_x",
        "15012",
    ] {
        assert!(text.contains(expected), "{expected} is not in what the chart makes");
    }
    let plain =
        render_one(&json!({"networkPolicy": false, "store": {"class": "fast", "size": "1Gi"}}));
    let text: String = plain.iter().map(|manifest| manifest.value.to_string()).collect();
    assert!(!text.contains("NetworkPolicy"));
    assert!(text.contains("\"storageClassName\":\"fast\"") && text.contains("\"storage\":\"1Gi\""));
    let own = json!({"tls": true, "gateway": {"kind": "envoy-gateway", "class": "own", "name": "edge",
        "namespace": "edge", "proxyNamespace": "proxies", "secret": "token"},
        "filter": {"sha256": "b".repeat(64)}});
    let text: String = render_one(&own).iter().map(|manifest| manifest.value.to_string()).collect();
    for expected in
        ["\"name\":\"own\"", "\"namespace\":\"proxies\"", "\"name\":\"token\"", "\"name\":\"edge\""]
    {
        assert!(text.contains(expected), "{expected}");
    }
}

#[test]
fn what_is_misspelt_or_makes_no_sense_is_refused() {
    for (values, expected) in [
        (json!({"gatway": {}}), "gatway"),
        (json!({"store": {"kind": "mysql"}}), "kind"),
        (json!({"store": {"sice": "1Gi"}}), "sice"),
        (json!({"settings": {"LEDGER_DRAIN": 5}}), "LEDGER_DRAIN"),
        (json!({"image": {"digest": "abc"}}), "digest"),
        (json!({"filter": {"config": {"ledger": {"cluster": "x"}}}}), "config"),
        (json!({"gateway": {"kind": "istio"}}), "filter.sha256: the digest of the filter's image"),
        (
            json!({"tls": true, "gateway": {"kind": "istio"}, "filter": {"sha256": "0".repeat(64)}}),
            "a mesh has mTLS of its own",
        ),
    ] {
        let refused = refusal(&values);
        assert!(refused.contains(expected), "{values}: {refused}");
    }
}

/// Whoever gives only what has to be given gets a filter that starts, and denies what has no price.
#[test]
fn the_filter_takes_what_the_chart_says_by_default() {
    for (kind, pointer) in
        [("istio", "/spec/wasm/pluginConfig"), ("envoy-gateway", "/spec/wasm/0/config")]
    {
        let values = json!({"gateway": {"kind": kind}, "filter": {"sha256": "0".repeat(64)}});
        let made = render_one(&values);
        let config = made.iter().find_map(|manifest| manifest.value.pointer(pointer)).unwrap();
        let parsed = Config::parse(config.to_string().as_bytes());
        assert!(parsed.is_ok(), "{kind}: {:?}", parsed.err());
        assert_eq!(config["unmatched"], "deny");
    }
}

/// What a release has of it, Helm reads.
#[test]
fn the_packed_chart_is_the_chart() {
    let dir = tempfile::tempdir().unwrap();
    let (workspace, packed) = (binary::workspace(), dir.path().join("stripe402.tgz"));
    let mut packing = Command::new(workspace.join("scripts/pack.sh"));
    assert!(packing.arg(workspace.join(CHART)).arg(&packed).output().unwrap().status.success());
    let name = "import sys; from helm_python import Chart; print(Chart.load(sys.argv[1]).name)";
    let mut python = Command::new(workspace.join(".tools/venv/bin/python"));
    let output = python.args(["-c", name]).arg(packed).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "stripe402\n", "{output:?}");
}

/// Every value is explained, and the versions are those of everything else.
#[test]
fn the_chart_is_documented() {
    fn paths(value: &Value, path: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(fields)
                if !fields.is_empty() && !["resources", "filter.config"].contains(&path) =>
            {
                for (name, value) in fields {
                    let below =
                        if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    paths(value, &below, found);
                }
            }
            _ => found.push(path.to_owned()),
        }
    }
    let read =
        |name: &str| std::fs::read_to_string(binary::workspace().join(CHART).join(name)).unwrap();
    let values: Value = serde_norway::from_str(&read("values.yaml")).unwrap();
    let mut found = Vec::new();
    paths(&values, "", &mut found);
    assert!(found.len() >= 25, "{found:?}");
    let readme = read("README.md");
    for path in found {
        assert!(readme.contains(&format!("`{path}`")), "README.md says nothing of {path}");
    }
    let chart: Value = serde_norway::from_str(&read("Chart.yaml")).unwrap();
    for field in ["version", "appVersion"] {
        assert_eq!(chart[field], env!("CARGO_PKG_VERSION"), "{field} of Chart.yaml");
    }
}

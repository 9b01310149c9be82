//! What every shipped gateway says, whichever way it is deployed.

use serde_json::Value;
use stripe402_tests::binary;

/// Every object below a value, itself too.
fn objects(value: &Value) -> Vec<&Value> {
    let below: Vec<&Value> = match value {
        Value::Object(fields) => fields.values().flat_map(objects).collect(),
        Value::Array(elements) => elements.iter().flat_map(objects).collect(),
        _ => Vec::new(),
    };
    std::iter::once(value).filter(|value| value.is_object()).chain(below).collect()
}

/// All documents of a shipped file.
fn documents(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(binary::workspace().join("envoy").join(file)).unwrap();
    let parts = text.split("\n---\n");
    parts.map(|part| serde_norway::from_str(part).unwrap()).collect()
}

fn has_type(object: &Value, name: &str) -> bool {
    object["@type"].as_str().is_some_and(|kind| kind.ends_with(name))
}

/// A VM that died answers nobody: the streams that it held end by this alone.
#[test]
fn every_gateway_ends_streams_on_which_nothing_happens() {
    for file in [
        "envoy.yaml",
        "minimal/envoy.yaml",
        "minimal/https.yaml",
        "full/envoy.yaml",
        "ecds/envoy.yaml",
        "istio/idle.yaml",
    ] {
        let documents = documents(file);
        let all: Vec<_> = documents.iter().flat_map(objects).collect();
        let managers = all.iter().filter(|object| has_type(object, ".HttpConnectionManager"));
        let idle: Vec<_> = managers.map(|manager| &manager["stream_idle_timeout"]).collect();
        assert!(!idle.is_empty() && idle.iter().all(|idle| *idle == "60s"), "{file}: {idle:?}");
    }
    let gateway = documents("envoy-gateway/gateway.yaml");
    let policy = gateway.iter().find(|document| document["kind"] == "ClientTrafficPolicy").unwrap();
    assert_eq!(policy["spec"]["timeout"]["http"]["streamIdleTimeout"], "60s");
}

/// Ledgers that fail their health checks are not called when all of them do.
#[test]
fn no_gateway_calls_a_ledger_that_is_known_to_be_ill() {
    for file in [
        "envoy.yaml",
        "minimal/envoy.yaml",
        "minimal/https.yaml",
        "full/envoy.yaml",
        "ecds/envoy.yaml",
        "envoy-gateway/proxy.yaml",
    ] {
        let documents = documents(file);
        let all: Vec<_> = documents.iter().flat_map(objects).collect();
        let clusters: Vec<_> = all
            .iter()
            .filter(|object| {
                object["name"] == "stripe402_ledger" && object.get("load_assignment").is_some()
            })
            .collect();
        assert_eq!(clusters.len(), 1, "{file}");
        let threshold = &clusters[0]["common_lb_config"]["healthy_panic_threshold"]["value"];
        assert_eq!(*threshold, 0, "{file}");
    }
    for file in ["istio/ledger.yaml", "istio/external-ledger.yaml"] {
        let rules = documents(file);
        let rule = rules.iter().find(|document| document["kind"] == "DestinationRule").unwrap();
        let detection = &rule["spec"]["trafficPolicy"]["outlierDetection"];
        assert_eq!(detection["minHealthPercent"], 0, "{file}");
    }
}

/// A filter that failed never lets requests pass unpaid.
#[test]
fn no_gateway_serves_without_the_filter() {
    for file in [
        "envoy.yaml",
        "minimal/envoy.yaml",
        "minimal/https.yaml",
        "full/envoy.yaml",
        "ecds/filter.yaml",
    ] {
        let documents = documents(file);
        let all: Vec<_> = documents.iter().flat_map(objects).collect();
        let plugins: Vec<_> =
            all.iter().filter(|object| object.get("vm_config").is_some()).collect();
        assert!(!plugins.is_empty(), "{file}");
        for plugin in plugins {
            assert_eq!(plugin["failure_policy"], "FAIL_RELOAD", "{file}");
        }
    }
    let istio = [documents("istio/wasmplugin.yaml"), documents("istio/trafficextension.yaml")];
    for object in istio.iter().flatten().flat_map(objects) {
        let strategy = object.get("failStrategy").map(|strategy| strategy == "FAIL_RELOAD");
        assert_ne!(strategy, Some(false));
    }
    let gateway = documents("envoy-gateway/filter.yaml");
    let open: Vec<_> = gateway.iter().flat_map(objects).filter_map(|o| o.get("failOpen")).collect();
    assert_eq!(open, [&Value::Bool(false)]);
}

//! The filter's configuration inside of every example is one that the filter takes, by its own parser.

use serde_json::{Value, json};
use stripe402_filter::config::Config;
use stripe402_tests::{binary, envoy_config::EnvoyConfig};

use crate::manifests::of_kind;

/// Every configuration that is shipped, and where it stands.
fn configurations() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for file in [
        "envoy/envoy.yaml",
        "envoy/minimal/envoy.yaml",
        "envoy/minimal/https.yaml",
        "envoy/llm/envoy.yaml",
        "envoy/mcp/envoy.yaml",
        "envoy/full/envoy.yaml",
    ] {
        let mut config = EnvoyConfig::read(&binary::workspace().join(file)).unwrap();
        found.push((file.to_owned(), config.filter().unwrap().clone()));
    }
    for (kind, pointer) in [
        ("WasmPlugin", "/spec/pluginConfig"),
        ("TrafficExtension", "/spec/wasm/pluginConfig"),
        ("EnvoyExtensionPolicy", "/spec/wasm/0/config"),
    ] {
        let manifest = of_kind(kind).remove(0);
        let value = manifest.value.pointer(pointer).unwrap().clone();
        found.push((format!("{}: {kind}", manifest.file), value));
    }
    found
}

#[test]
fn the_filter_takes_every_configuration_that_is_shown() {
    for (place, value) in configurations() {
        let parsed = Config::parse(value.to_string().as_bytes());
        let parsed = parsed.unwrap_or_else(|error| panic!("{place}: {error}"));
        assert_eq!(parsed.ledger.token_env, "LEDGER_TOKEN", "{place}");
    }
}

#[test]
fn a_misspelt_option_is_refused_in_each() {
    let mut tried = 0;
    for (place, value) in configurations() {
        for name in value.as_object().unwrap().keys() {
            let mut misspelt = value.clone();
            let fields = misspelt.as_object_mut().unwrap();
            let content = fields.remove(name).unwrap();
            fields.insert(format!("{name}x"), content);
            let refused = Config::parse(misspelt.to_string().as_bytes()).map(|_| ());
            assert!(refused.is_err(), "{place}: {name}x is taken");
            tried += 1;
        }
    }
    assert!(tried > 25, "{tried}");
}

/// The filter calls a cluster that the files around it make, with a token that they let it see.
#[test]
fn what_the_filter_needs_is_there() {
    let proxy = of_kind("EnvoyProxy").remove(0).value;
    let policy = of_kind("EnvoyExtensionPolicy").remove(0).value;
    let wasm = &policy["spec"]["wasm"][0];
    let cluster = &proxy["spec"]["bootstrap"]["jsonPatches"][0]["value"]["name"];
    assert_eq!(&wasm["config"]["ledger"]["cluster"], cluster);
    assert_eq!(wasm["env"]["hostKeys"], json!(["LEDGER_TOKEN"]));
    let container = &proxy["spec"]["provider"]["kubernetes"]["envoyDeployment"]["container"];
    assert_eq!(container["env"][0]["name"], "LEDGER_TOKEN");

    let plugin = of_kind("WasmPlugin").remove(0).value;
    let service = of_kind("Service").remove(0).value;
    let (name, port) = (&service["metadata"]["name"], &service["spec"]["ports"][0]["port"]);
    let host = format!("{}.stripe402.svc.cluster.local", name.as_str().unwrap());
    let rules = of_kind("DestinationRule");
    assert!(rules.iter().any(|rule| rule.value["spec"]["host"] == host.as_str()));
    let cluster = format!("outbound|{port}||{host}");
    assert_eq!(plugin["spec"]["pluginConfig"]["ledger"]["cluster"], cluster.as_str());
    let variable = json!([{"name": "LEDGER_TOKEN", "valueFrom": "HOST"}]);
    assert_eq!(plugin["spec"]["vmConfig"]["env"], variable);
    // Both gateways carry the label by which the ledger's NetworkPolicy lets them in.
    let label = "stripe402/gateway";
    let pod = &proxy["spec"]["provider"]["kubernetes"]["envoyDeployment"]["pod"];
    assert_eq!(pod["labels"][label], "true");
    let maps = of_kind("ConfigMap");
    let merged = maps.iter().find_map(|map| map.value["data"]["deployment"].as_str()).unwrap();
    let merged: Value = serde_norway::from_str(merged).unwrap();
    assert_eq!(merged["spec"]["template"]["metadata"]["labels"][label], "true");
    let env = &merged["spec"]["template"]["spec"]["containers"][0]["env"];
    assert_eq!(env[0]["name"], "LEDGER_TOKEN");
}

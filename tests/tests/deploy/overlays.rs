//! The overlays for Kubernetes, built by kubectl as a cluster's operators build them.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use stripe402_tests::binary;

use crate::{
    manifests::of_kind,
    schema::{Manifest, documents, problems},
};

const OVERLAYS: [&str; 3] = ["embedded", "redis", "postgres"];

/// What kubectl makes of a folder.
pub(crate) fn build(folder: &Path) -> Result<Vec<Manifest>, String> {
    let kubectl = binary::workspace().join(".tools/venv/bin/kubectl");
    let output = Command::new(&kubectl)
        .arg("kustomize")
        .arg(folder)
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}; run  make setup", kubectl.display()));
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(documents(&folder.display().to_string(), &String::from_utf8(output.stdout).unwrap()))
}

pub(crate) fn shipped(overlay: &str) -> PathBuf {
    binary::workspace().join("envoy/kubernetes").join(overlay)
}

/// An overlay of one's own, as the README shows it, with the components.
pub(crate) fn with_components(overlay: &str) -> Vec<Manifest> {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("kubernetes");
    copy(&binary::workspace().join("envoy/kubernetes"), &folder);
    let own = dir.path().join("own");
    std::fs::create_dir(&own).unwrap();
    let kustomization = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": "stripe402",
        "resources": [format!("../kubernetes/{overlay}")],
        "components": ["../kubernetes/monitoring", "../kubernetes/tls"],
    });
    std::fs::write(own.join("kustomization.yaml"), kustomization.to_string()).unwrap();
    build(&own).unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, to) = {
            let entry = entry.unwrap();
            (entry.path(), to.join(entry.file_name()))
        };
        if path.is_dir() {
            copy(&path, &to);
        } else {
            std::fs::copy(path, to).unwrap();
        }
    }
}

fn one<'built>(built: &'built [Manifest], kind: &str, name: &str) -> &'built Value {
    let found = built
        .iter()
        .find(|manifest| manifest.kind() == kind && manifest.value["metadata"]["name"] == name);
    &found.unwrap_or_else(|| panic!("no {kind} {name}")).value
}

/// The pods of a ledger, whatever makes them.
fn pod(built: &[Manifest]) -> &Value {
    let of_pods = |manifest: &&Manifest| ["Deployment", "StatefulSet"].contains(&manifest.kind());
    &built.iter().find(of_pods).unwrap().value["spec"]["template"]["spec"]
}

fn variables(pod: &Value) -> Vec<&str> {
    let env = pod["containers"][0]["env"].as_array().unwrap();
    env.iter().map(|variable| variable["name"].as_str().unwrap()).collect()
}

#[test]
fn what_is_built_fits_its_schemas_and_is_in_its_namespace() {
    for overlay in OVERLAYS {
        for built in [build(&shipped(overlay)).unwrap(), with_components(overlay)] {
            assert!(built.len() >= 7, "{overlay}: {built:?}");
            for (manifest, problems) in built.iter().zip(problems(&built)) {
                assert_eq!(problems, Vec::<String>::new(), "{overlay}: {}", manifest.kind());
                if manifest.kind() != "Namespace" {
                    let namespace = &manifest.value["metadata"]["namespace"];
                    assert_eq!(namespace, "stripe402", "{overlay}: {}", manifest.kind());
                }
            }
        }
    }
}

#[test]
fn a_misspelt_field_of_an_overlay_is_refused() {
    for (file, from, to, overlay) in [
        ("redis/kustomization.yaml", "namespace:", "namespase:", "redis"),
        ("replicas/kustomization.yaml", "resources:", "resourses:", "postgres"),
        ("redis/kustomization.yaml", "networkpolicy.yaml", "networkpolice.yaml", "redis"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("kubernetes");
        copy(&binary::workspace().join("envoy/kubernetes"), &folder);
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        assert!(text.contains(from), "{file}");
        std::fs::write(folder.join(file), text.replace(from, to)).unwrap();
        let refused = build(&folder.join(overlay)).map(|_| ());
        assert!(refused.is_err(), "{file}: {to} is taken");
    }
    // A patch is merged as it is; then its mistake is one of what comes of it.
    let mut built = with_components("redis");
    let pods = built.iter_mut().find(|manifest| manifest.kind() == "Deployment").unwrap();
    pods.value["spec"]["template"]["spec"]["containers"][0]["envx"] = json!([]);
    assert!(problems(&built).iter().any(|problems| !problems.is_empty()));
}

#[test]
fn pods_can_do_no_more_than_they_need() {
    for overlay in OVERLAYS {
        let built = with_components(overlay);
        let pod = pod(&built);
        let container = &pod["containers"][0];
        let allowed = &container["securityContext"];
        assert_eq!(allowed["readOnlyRootFilesystem"], true);
        assert_eq!(allowed["allowPrivilegeEscalation"], false);
        assert_eq!(allowed["capabilities"], json!({"drop": ["ALL"]}));
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert!(container["resources"]["limits"]["memory"].is_string());

        // What is under way when a pod is told to stop has the time to end.
        let sleep = container["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap();
        let env = container["env"].as_array().unwrap();
        let grace = env.iter().find(|variable| variable["name"] == "LEDGER_SHUTDOWN_GRACE");
        let grace = grace.unwrap()["value"].as_str().unwrap().trim_end_matches('s').parse::<u64>();
        let all = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
        assert!(all > sleep + grace.unwrap(), "{overlay}: {all} s for {sleep} s and the rest");

        // Probes find the listener by its name, over TLS.
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            let get = &container[probe]["httpGet"];
            assert_eq!((&get["port"], &get["scheme"]), (&json!("admin"), &json!("HTTPS")));
        }
    }
}

#[test]
fn only_gateways_get_in_and_only_stripe_and_the_store_are_reached() {
    for (overlay, store) in [("embedded", None), ("redis", Some(6379)), ("postgres", Some(5432))] {
        let built = build(&shipped(overlay)).unwrap();
        let spec = &one(&built, "NetworkPolicy", "stripe402-ledger")["spec"];
        assert_eq!(spec["policyTypes"], json!(["Ingress", "Egress"]));
        let ingress = spec["ingress"].as_array().unwrap();
        let at_ledger = |rule: &&Value| {
            rule["ports"].as_array().unwrap().iter().any(|port| port["port"] == "ledger")
        };
        let of_gateways: Vec<_> = ingress.iter().filter(at_ledger).collect();
        assert_eq!(of_gateways.len(), 1, "{overlay}");
        let from = of_gateways[0]["from"].as_array().unwrap();
        assert_eq!(from.len(), 1);
        assert_eq!(from[0]["podSelector"]["matchLabels"], json!({"stripe402/gateway": "true"}));
        let ports: Vec<i64> = built
            .iter()
            .filter(|manifest| manifest.kind() == "NetworkPolicy")
            .flat_map(|manifest| manifest.value["spec"]["egress"].as_array().unwrap().clone())
            .flat_map(|rule| rule["ports"].as_array().unwrap().clone())
            .map(|port| port["port"].as_i64().unwrap())
            .collect();
        assert_eq!(ports, [53, 53, 443].into_iter().chain(store).collect::<Vec<_>>(), "{overlay}");
    }
}

/// One ledger in a file and many on a server are the same ledger.
#[test]
fn pods_of_every_overlay_are_the_same_but_for_the_store() {
    let pods: Vec<Value> = OVERLAYS
        .map(|overlay| {
            let mut pod = pod(&build(&shipped(overlay)).unwrap()).clone();
            pod.as_object_mut().unwrap().remove("topologySpreadConstraints");
            let allowed = pod["securityContext"].as_object_mut().unwrap();
            allowed.retain(|name, _| !name.starts_with("fsGroup"));
            let container = pod["containers"][0].as_object_mut().unwrap();
            container.remove("volumeMounts");
            let env = container["env"].as_array_mut().unwrap();
            env.retain(|variable| variable["name"] != "LEDGER_STORE");
            pod
        })
        .to_vec();
    assert_eq!(pods[0], pods[1]);
    assert_eq!(pods[1], pods[2]);
    let embedded = build(&shipped("embedded")).unwrap();
    assert!(variables(pod(&embedded)).contains(&"LEDGER_STORE"));
    assert_eq!(one(&embedded, "StatefulSet", "stripe402-ledger")["spec"]["replicas"], 1);
}

#[test]
fn the_ledger_knows_every_variable_that_it_is_given() {
    let help = Command::new(binary::ledger().unwrap()).args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let built = with_components("embedded");
    let mut given: Vec<String> = variables(pod(&built)).into_iter().map(str::to_owned).collect();
    for secret in of_kind("Secret") {
        given.extend(secret.value["stringData"].as_object().unwrap().keys().cloned());
    }
    assert!(given.len() > 12, "{given:?}");
    for name in given {
        assert!(help.contains(&format!("[env: {name}]")), "the ledger knows no {name}");
    }
}

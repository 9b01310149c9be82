//! "From nothing to paid": the commands of the READMEs, in order, with stand-ins for the cluster. What can be played
//! here is: the images, the chart's values, and the payment itself.

use std::{
    collections::BTreeSet,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output},
};

use serde_json::{Value, json};
use stripe402_filter::config::Config;
use stripe402_tests::{
    binary,
    stack::{Stack, StackOptions},
};

use crate::{
    chart::render_one,
    manifests::of_kind,
    readmes::{blocks, make_dist},
    schema::{Manifest, documents},
};

/// What `openssl rand` makes: every secret of a walk.
const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Programs that a reader has. Each notes what it is asked; kubectl and Helm want the files to be there.
const PROGRAMS: [(&str, &str); 5] = [
    (
        "kubectl",
        r#"echo "kubectl $*" >>"$NOTES"
while [ $# -gt 0 ]; do
    case "$1" in -f) [ -f "$2" ] || exit 1; echo "$2" >>"$NOTES.files"; shift ;; esac
    shift
done"#,
    ),
    (
        "helm",
        r#"echo "helm $*" >>"$NOTES"
[ "$1 $2" = "install stripe402" ] && [ -f "$3/Chart.yaml" ] || exit 1
while [ $# -gt 0 ]; do
    case "$1" in -f) cp "$2" "$NOTES.values" || exit 1; shift ;; esac
    shift
done"#,
    ),
    ("make", r#"echo "make $*" >>"$NOTES""#),
    ("openssl", r#"[ "$1 $2 $3" = "rand -hex 32" ] && echo "$SECRET""#),
    (
        "curl",
        r#"arguments=()
for argument; do
    argument="${argument/https:\/\/api.example.com/$GATEWAY}"
    arguments+=("${argument/#http*:\/\/127.0.0.1:8403/$ADMIN_URL}")
done
exec /usr/bin/curl --noproxy '*' "${arguments[@]}""#,
    ),
];

fn program(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/usr/bin/env bash\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// The commands of the part, as one script.
fn script(readme: &str) -> String {
    let text = std::fs::read_to_string(binary::workspace().join(readme)).unwrap();
    let (_, part) = text.split_once("\n## From nothing to paid\n").unwrap();
    let part = part.split("\n## ").next().unwrap();
    let commands = blocks(part, "sh");
    assert_eq!(commands.len(), 6, "{readme}");
    commands.join("\n")
}

/// What a walk left: the commands it gave to the cluster, the files it applied, and the chart's values.
struct Walked {
    output: Output,
    notes: String,
    applied: Vec<Manifest>,
    values: Value,
}

impl Walked {
    fn asked(&self, words: &str) -> bool {
        self.notes.lines().any(|line| line.contains(words))
    }
}

async fn walk(readme: &'static str) -> Walked {
    let options = StackOptions::new().ledger_env("LEDGER_ADMIN_TOKEN", &format!("me:{SECRET}"));
    let mut stack = Stack::start(options).await.unwrap();
    let gateway = stack.url("").trim_end_matches('/').to_owned();
    let admin = stack.ledger().unwrap().admin_url("").trim_end_matches('/').to_owned();
    let walking = tokio::task::spawn_blocking(move || {
        let copy = tempfile::tempdir().unwrap();
        let tools = copy.path().join("tools");
        std::fs::create_dir(&tools).unwrap();
        for folder in ["envoy", "charts"] {
            let from = binary::workspace().join(folder);
            let copied = Command::new("cp").arg("-r").arg(from).arg(copy.path()).status();
            assert!(copied.unwrap().success());
        }
        make_dist(&copy.path().join("dist"));
        for (name, text) in PROGRAMS {
            program(&tools, name, text);
        }
        let skopeo = r#"[ "$1" != copy ] || { echo "skopeo $*" >>"$NOTES"; exit; }
PATH="${PATH#*:}" exec skopeo "$@""#;
        program(&tools, "skopeo", skopeo);
        let notes = copy.path().join("notes");
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &script(readme)])
            .current_dir(copy.path())
            .env("PATH", format!("{}:{}", tools.display(), std::env::var("PATH").unwrap()))
            .envs([("GATEWAY", &gateway), ("ADMIN_URL", &admin)])
            .envs([("SECRET", SECRET), ("STRIPE_SECRET_KEY", "sk_test_x")])
            .env("STRIPE_PUBLISHABLE_KEY", "pk_test_x")
            .env("NOTES", &notes)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{readme}: {said}");
        let read =
            |end: &str| std::fs::read_to_string(format!("{}{end}", notes.display())).unwrap();
        let applied = read(".files");
        let applied = applied.lines().flat_map(|file| {
            documents(file, &std::fs::read_to_string(copy.path().join(file)).unwrap())
        });
        let applied = applied.collect();
        let values = serde_norway::from_str(&read(".values")).unwrap();
        Walked { output, notes: read(""), applied, values }
    });
    walking.await.unwrap()
}

/// Names of Secrets with the namespaces where a pod or a gateway wants them.
fn wanted_secrets(manifests: &[Manifest]) -> BTreeSet<(String, String)> {
    fn below(value: &Value, namespace: &str, found: &mut BTreeSet<(String, String)>) {
        match value {
            Value::Object(fields) => {
                for (field, value) in fields {
                    let name = match field.as_str() {
                        "secretRef" | "secretKeyRef" => value["name"].as_str(),
                        "secretName" => value.as_str(),
                        _ => None,
                    };
                    found.extend(name.map(|name| (namespace.to_owned(), name.to_owned())));
                    below(value, namespace, found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| below(item, namespace, found)),
            // Istio's ConfigMap of a gateway holds a part of a pod as text.
            Value::String(text) if text.contains("secretKeyRef") => {
                let inner: Value = serde_norway::from_str(text).unwrap();
                below(&inner, namespace, found);
            }
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    for manifest in manifests.iter().filter(|manifest| manifest.kind() != "Certificate") {
        let namespace = manifest.value["metadata"]["namespace"].as_str().unwrap_or_default();
        below(&manifest.value, namespace, &mut found);
    }
    found
}

async fn leads_to_paid(readme: &'static str, already_there: &[&str]) {
    let walked = walk(readme).await;
    let mut made = walked.applied.clone();
    made.extend(render_one(&walked.values));
    for manifest in &made {
        let Some(namespace) = manifest.value["metadata"]["namespace"].as_str() else { continue };
        let there = walked.asked(&format!("create namespace {namespace}"));
        assert!(there || already_there.contains(&namespace), "{readme}: no namespace {namespace}");
    }
    // cert-manager makes these.
    let certificates = made.iter().filter(|manifest| manifest.kind() == "Certificate");
    let certified: BTreeSet<(String, String)> = certificates
        .map(|of| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&of.value["metadata"]["namespace"]), text(&of.value["spec"]["secretName"]))
        })
        .collect();
    let wanted = wanted_secrets(&made);
    assert!(wanted.len() >= 2, "{readme}: {wanted:?}");
    for (namespace, name) in wanted.difference(&certified) {
        let creates = format!("-n {namespace} create secret generic {name} ");
        assert!(walked.asked(&creates), "{readme}: nobody makes {name} in {namespace}");
    }
    for variable in ["LEDGER_TOKEN", "SERVER_SECRET"] {
        assert!(walked.asked(&format!("--from-literal={variable}={SECRET}")), "{variable}");
    }
    for image in ["ledger", "filter"] {
        let pushed = format!("docker://registry.example.com/stripe402-{image}:");
        assert!(walked.asked(&pushed), "{readme}: {image} is not pushed");
    }
    let pointers = ["/spec/wasm/pluginConfig", "/spec/wasm/0/config"];
    let configured = |manifest: &Manifest| {
        pointers.iter().find_map(|pointer| manifest.value.pointer(pointer).cloned())
    };
    let config = made.iter().find_map(configured).unwrap();
    let parsed = Config::parse(config.to_string().as_bytes());
    assert!(parsed.is_ok(), "{readme}: {:?}", parsed.err());
    // The digest is that of the image that was made, and what is bought has the price of the values.
    assert_ne!(walked.values["filter"]["sha256"], "0".repeat(64));
    let said = String::from_utf8_lossy(&walked.output.stdout).replace('\r', "");
    let answers: Vec<_> = said.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(answers, ["402", "200"], "{said}");
    assert!(said.contains("\"top_up\"") && said.contains("50000"), "{said}");
}

#[tokio::test]
async fn istio_leads_from_nothing_to_paid() {
    leads_to_paid("envoy/istio/README.md", &[]).await;
}

#[tokio::test]
async fn envoy_gateway_leads_from_nothing_to_paid() {
    leads_to_paid("envoy/envoy-gateway/README.md", &["envoy-gateway-system"]).await;
}

/// Stripe's events pass the filter on Istio's gateway, at their own host only.
#[tokio::test]
async fn webhooks_pass_the_filter_of_istios_example() {
    let mut plugin = of_kind("WasmPlugin").remove(0).value;
    let config = plugin["spec"]["pluginConfig"].take();
    let routes = of_kind("HTTPRoute");
    let webhooks =
        routes.iter().find(|route| route.value["metadata"]["name"] == "stripe402-webhooks");
    let spec = &webhooks.unwrap().value["spec"];
    let path = spec["rules"][0]["matches"][0]["path"]["value"].as_str().unwrap();
    let host = spec["hostnames"][0].as_str().unwrap();
    let options = StackOptions::new().filter(move |filter| {
        filter["routes"] = config["routes"].clone();
        filter["unmatched"] = config["unmatched"].clone();
    });
    let stack = Stack::start(options).await.unwrap();
    for (host, passes) in [(host, true), ("api.example.com", false)] {
        let client = reqwest::Client::new();
        let asked = client.post(stack.url(path)).header("host", host).json(&json!({}));
        let answer = asked.send().await.unwrap();
        assert_eq!(answer.status() != 403, passes, "{host}: {}", answer.status());
    }
}

/// The versions of the tables are those that the project supports.
#[test]
fn the_version_tables_say_what_is_supported() {
    let read = |file: &str| std::fs::read_to_string(binary::workspace().join(file)).unwrap();
    let readme = read("README.md");
    for (file, name) in
        [("envoy/istio/README.md", "Istio"), ("envoy/envoy-gateway/README.md", "Envoy Gateway")]
    {
        let table = read(file);
        let least = table.split("\n| before ").nth(1).unwrap().split(' ').next().unwrap();
        assert!(readme.contains(&format!("{name} {least} and")), "{file}: {least}");
        assert!(table.contains(&format!("\n| {least} ")), "{file}: no row from {least} on");
        assert!(table.contains("older than 1.33") && readme.contains("Envoy 1.33 and later"));
    }
}

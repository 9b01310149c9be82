//! A real Prometheus on a real gateway: the shipped alerts fire and clear, and what the dashboard asks
//! for is there.

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value;
use stripe402_tests::{
    binary, http,
    ports::{self, local},
    process::{Probe, Process, Spec},
    stack::Stack,
};

use crate::{rules, scene};

/// A Prometheus of this test's own, that looks every half second.
struct Prometheus {
    url: String,
    _process: Process,
}

impl Prometheus {
    async fn start(stack: &Stack) -> Self {
        let port = ports::free().unwrap();
        let dir = stack.dir();
        // As shipped, but for how long something must last.
        let mut shipped = rules::shipped();
        for group in shipped["groups"].as_array_mut().unwrap() {
            for rule in group["rules"].as_array_mut().unwrap() {
                if rule["for"].is_string() {
                    rule["for"] = "1s".into();
                }
            }
        }
        std::fs::write(dir.join("alerts.json"), shipped.to_string()).unwrap();
        let target = |url: String| url.strip_prefix("http://").unwrap().to_owned();
        let config = serde_json::json!({
            "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"},
            "rule_files": ["alerts.json"],
            "scrape_configs": [
                {"job_name": "stripe402-ledger",
                 "static_configs": [{"targets": [target(stack.ledgers[0].admin_url(""))]}]},
                {"job_name": "stripe402-gateway", "metrics_path": "/stats/prometheus",
                 "static_configs": [{"targets": [target(stack.envoy.admin_url(""))]}]},
            ],
        });
        std::fs::write(dir.join("prometheus.json"), config.to_string()).unwrap();
        let spec = Spec::new("Prometheus", "prometheus", dir.join("prometheus.log"))
            .arg(format!("--config.file={}", dir.join("prometheus.json").display()))
            .arg(format!("--storage.tsdb.path={}", dir.join("prometheus").display()))
            .arg(format!("--web.listen-address={}", local(port)));
        let mut process =
            Process::spawn(spec).expect("prometheus is missing: run scripts/setup-prometheus.sh");
        let url = format!("http://{}", local(port));
        let ready = Probe::ok(format!("{url}/-/ready"));
        process.wait_ready(&ready, Duration::from_secs(30)).await.unwrap();
        Self { url, _process: process }
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let request = http::client().unwrap().get(format!("{}{path}", self.url)).query(query);
        request.send().await.unwrap().json().await.unwrap()
    }

    async fn firing(&self) -> BTreeSet<String> {
        let answer = self.get("/api/v1/alerts", &[]).await;
        let alerts = answer["data"]["alerts"].as_array().unwrap();
        let firing = alerts.iter().filter(|alert| alert["state"] == "firing");
        firing.map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until both jobs have been scraped; it takes up what it is told to scrape after 5 seconds.
    async fn scrapes(&self) {
        for _ in 0..120 {
            let up = self.get("/api/v1/query", &[("query", "sum(up) == 2")]).await;
            if !up["data"]["result"].as_array().unwrap().is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        panic!("{}", self.get("/api/v1/targets", &[]).await);
    }

    /// Waits until a query is answered by something: a rate needs two scrapes.
    async fn finds(&self, query: &str) {
        for _ in 0..80 {
            let answer = self.get("/api/v1/query", &[("query", query)]).await;
            assert_eq!(answer["status"], "success", "{query}: {answer}");
            if !answer["data"]["result"].as_array().unwrap().is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        panic!("the dashboard finds nothing by  {query}");
    }

    /// Waits until what fires is as wanted.
    async fn until(&self, what: &str, wanted: impl Fn(&BTreeSet<String>) -> bool) {
        let mut firing = BTreeSet::new();
        for _ in 0..120 {
            firing = self.firing().await;
            if wanted(&firing) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        panic!("{what}: {firing:?}");
    }
}

/// The names of series in an expression; what is in braces are labels.
fn series(expression: &str) -> Vec<&str> {
    let outside = expression.split('{').map(|part| part.rsplit('}').next().unwrap_or(part));
    let words =
        outside.flat_map(|part| part.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')));
    words.filter(|word| word.starts_with("stripe402_") || word.starts_with("envoy_")).collect()
}

fn dashboard() -> Vec<String> {
    let path = binary::workspace().join("envoy/monitoring/dashboard.json");
    let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn alerts_fire_and_clear_and_dashboards_find_their_series() {
    let (mut stack, _) = scene::busy().await;
    let url = stack.ledgers[0].admin_url("/metrics");
    scene::lines(&url, &["stripe402_movements_total{kind=\"refund\"} 1"]).await;
    let prometheus = Prometheus::start(&stack).await;
    let both = |firing: &BTreeSet<String>| {
        firing.contains("Stripe402LedgerDown") && firing.contains("Stripe402GatewaySeesNoLedger")
    };
    let neither = |firing: &BTreeSet<String>| {
        !firing.contains("Stripe402LedgerDown") && !firing.contains("Stripe402GatewaySeesNoLedger")
    };
    prometheus.scrapes().await;
    prometheus.until("all is well", BTreeSet::is_empty).await;

    let mut known = BTreeSet::new();
    for url in [url, stack.envoy.admin_url("/stats/prometheus")] {
        let text = stack.client.get(url).send().await.unwrap().text().await.unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        known.extend(lines.filter_map(|line| line.split(['{', ' ']).next()).map(ToOwned::to_owned));
    }
    let shipped = rules::shipped();
    let alerts = rules::alerts(&shipped);
    let alerts = alerts.iter().map(|alert| alert["expr"].as_str().unwrap().to_owned());
    let dashboard = dashboard();
    assert!(dashboard.len() > 15, "{} queries", dashboard.len());
    for expression in alerts.chain(dashboard.iter().cloned()) {
        for name in series(&expression) {
            assert!(known.contains(name), "nothing shows {name}, which is in  {expression}");
        }
    }
    for query in &dashboard {
        let query = query.replace("$__rate_interval", "30s").replace("$__range", "30s");
        prometheus.finds(&query).await;
    }

    stack.ledger().unwrap().process().kill9();
    prometheus.until("the ledger is dead", both).await;
    stack.ledger().unwrap().restart().await.unwrap();
    prometheus.until("the ledger is back", neither).await;
}

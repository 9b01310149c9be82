//! Gateways under measurement: the shipped configuration, with one thing changed in each.

use serde_json::{Value, json};
use stripe402_tests::{
    envoy_config::EnvoyConfig,
    ports::local,
    process::{Probe, Process, Spec},
    stack::{Stack, StackOptions},
    wire,
};

use crate::Result;

/// What a joke costs here: little, so that a balance lasts for all rounds.
const PRICE: i64 = 1;
/// What the client is credited: the most that a card is charged at once.
pub(super) const CREDIT: i64 = 10_000_000;

/// A gateway with all behind it, and a client that pays there.
pub(super) struct Subject {
    pub(super) stack: Stack,
    /// Its `payment` header; none where nothing is paid.
    pub(super) payment: Option<String>,
    client: Option<String>,
    /// The store's process, if it is a server.
    pub(super) store: Option<u32>,
    /// What answers instead of the ledger.
    pub(super) authorizer: Option<Process>,
}

/// One API for all, as a process: what it costs is the same everywhere.
pub(super) async fn api(port: u16, folder: &std::path::Path) -> Result<Process> {
    let spec = Spec::new("the API", stripe402_tests::binary::demo_api()?, folder.join("api.log"));
    let mut api = Process::spawn(spec.arg("--listen").arg(local(port).to_string()))?;
    api.wait_ready(&Probe::Tcp(local(port)), std::time::Duration::from_secs(20)).await?;
    Ok(api)
}

fn options(api: u16, store: Option<&str>) -> StackOptions {
    let options = StackOptions::new()
        .workers(1)
        .filter(|filter| {
            filter["routes"][0]["price"] = PRICE.into();
            filter["access_log"] = false.into();
        })
        .config(move |config| {
            quiet(config)?;
            config.endpoints("api", &[local(api)])
        });
    match store {
        Some(store) => options.store(store),
        None => options,
    }
}

/// Plain Envoy has no access log and no health checks to pay for, and neither have the others.
fn quiet(config: &mut EnvoyConfig) -> stripe402_tests::Result<()> {
    if let Some(manager) = config.connection_manager()?.as_object_mut() {
        manager.remove("access_log");
    }
    Ok(())
}

impl Subject {
    /// The gateway without the filter.
    pub(super) async fn plain(api: u16) -> Result<Self> {
        let without = options(api, None).config(|config| {
            let filters = config.connection_manager()?.get_mut("http_filters");
            if let Some(filters) = filters.and_then(Value::as_array_mut) {
                filters.retain(|filter| filter["name"] != "stripe402");
            }
            Ok(())
        });
        Ok(Self::of(Stack::start(without).await?, None))
    }

    /// The gateway as it is shipped, on a store; one more route switches the filter off.
    pub(super) async fn paid(api: u16, store: Option<(&str, u32)>) -> Result<Self> {
        let shipped = options(api, store.map(|(url, _)| url)).config(|config| {
            let off = json!({
                "match": {"prefix": "/off"},
                "route": {"cluster": "api", "prefix_rewrite": "/api/health"},
                "typed_per_filter_config": {"stripe402": {
                    "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig",
                    "disabled": true,
                }},
            });
            if let Some(routes) = config.routes()?.as_array_mut() {
                routes.insert(0, off);
            }
            Ok(())
        });
        let stack = Stack::start(shipped).await?;
        let mut subject = Self::of(stack, store.map(|(_, pid)| pid));
        subject.fund().await?;
        Ok(subject)
    }

    /// Envoy's own ext_authz asking the same ledger code, on the same store, for each request.
    pub(super) async fn ext_authz(api: u16, store: (&str, u32)) -> Result<Self> {
        let mut subject = Self::paid(api, Some(store)).await?;
        let port = stripe402_tests::ports::free()?;
        let program = std::env::current_exe()?.with_file_name("stripe402-bench-authz");
        let spec = Spec::new("ext_authz", program, subject.stack.dir().join("authz.log"));
        let spec = spec.arg(local(port).to_string()).arg(store.0);
        let mut authorizer = Process::spawn(spec)?;
        authorizer.wait_ready(&Probe::Tcp(local(port)), std::time::Duration::from_secs(20)).await?;
        let asking = options(api, None).config(move |config| authorize(config, port));
        let (payment, client) = (subject.payment.take(), subject.client.take());
        subject = Self::of(Stack::start(asking).await?, Some(store.1));
        (subject.payment, subject.client) = (payment, client);
        subject.authorizer = Some(authorizer);
        Ok(subject)
    }

    fn of(stack: Stack, store: Option<u32>) -> Self {
        Self { stack, payment: None, client: None, store, authorizer: None }
    }

    async fn fund(&mut self) -> Result<()> {
        let card = self.stack.sim.fresh_card().await?;
        let payment = json!({"paymentMethodId": card, "topUpAmount": CREDIT});
        let answer = self.stack.pay("/api/joke", &payment).send().await?;
        let receipt = wire::header(answer.headers(), wire::PAYMENT_RESPONSE)?;
        let client = receipt["clientId"].as_str().ok_or("a receipt without an id")?.to_owned();
        self.payment = Some(wire::encode(&json!({"clientId": client})));
        self.client = Some(client);
        Ok(())
    }

    /// What the client has left, seen by spending one unit.
    pub(super) async fn left(&self) -> Result<i64> {
        let client = self.client.as_deref().ok_or("nobody pays here")?;
        let answer = self.stack.pay("/api/joke", &json!({"clientId": client})).send().await?;
        let header = wire::header(answer.headers(), wire::PAYMENT_RESPONSE)?;
        Ok(header["creditsRemaining"].as_i64().ok_or("a receipt without a balance")?)
    }
}

/// ext_authz in the filter's place, with a cluster of its own.
fn authorize(config: &mut EnvoyConfig, port: u16) -> stripe402_tests::Result<()> {
    let own = json!({
        "name": "stripe402",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
            "http_service": {
                "server_uri": {"uri": "http://authorizer", "cluster": "authorizer", "timeout": "1s"},
                "authorization_response": {
                    "allowed_client_headers_on_success": {"patterns": [{"exact": "payment-response"}]},
                },
            },
            "allowed_headers": {"patterns": [{"exact": "payment"}]},
        },
    });
    let filters = config.connection_manager()?.get_mut("http_filters");
    if let Some(filters) = filters.and_then(Value::as_array_mut) {
        filters.iter_mut().filter(|filter| filter["name"] == "stripe402").for_each(|filter| {
            *filter = own.clone();
        });
    }
    let clusters = config.root().pointer_mut("/static_resources/clusters");
    if let Some(clusters) = clusters.and_then(Value::as_array_mut) {
        clusters.push(json!({
            "name": "authorizer", "type": "STATIC", "connect_timeout": "1s",
            "load_assignment": {"cluster_name": "authorizer", "endpoints": [{"lb_endpoints": [{
                "endpoint": {"address": {"socket_address": {
                    "address": "127.0.0.1", "port_value": port,
                }}},
            }]}]},
        }));
    }
    Ok(())
}

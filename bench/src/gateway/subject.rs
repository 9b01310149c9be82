//! Gateways under measurement: the shipped configuration, with one thing changed in each.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use stripe402_tests::{
    binary,
    envoy_config::EnvoyConfig,
    ports::{self, local},
    postgres::Postgres,
    process::{Probe, Process, Spec},
    redis::Redis,
    stack::{Stack, StackOptions},
    stripe_sim::SECRET_KEY,
    wire,
};

use super::crowd::Crowd;
use crate::Result;

/// What a joke costs here: little, so that a balance lasts for all rounds.
const PRICE: i64 = 1;
/// What the client is credited: the most that a card is charged at once.
pub(super) const CREDIT: i64 = 10_000_000;

/// Which gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Envoy without the filter.
    Plain,
    /// A filter that does nothing.
    NoOp,
    /// The filter, and the ledger on its file.
    Embedded,
    /// The ledger on Redis, which syncs its file every second.
    Redis,
    /// The ledger on Redis, which syncs its file before it answers.
    RedisAlways,
    /// The ledger on PostgreSQL.
    Postgres,
    /// Envoy's own ext_authz asks the same ledger code, on that Redis, for each request.
    ExtAuthz,
    /// No gateway: an API in Node that takes payments by itself, on that Redis.
    Node,
}

impl Kind {
    /// Whether somebody pays there.
    pub(super) const fn sells(self) -> bool {
        !matches!(self, Self::Plain | Self::NoOp)
    }
}

/// The stores' servers, and the API: the same for all gateways.
pub(super) struct Behind {
    pub(super) api_port: u16,
    pub(super) api: Process,
    redis: Redis,
    redis_always: Redis,
    postgres: Postgres,
}

impl Behind {
    pub(super) async fn start(folder: &std::path::Path) -> Result<Self> {
        let api_port = ports::free()?;
        Ok(Self {
            api_port,
            api: api(api_port, folder).await?,
            redis: Redis::start_with("everysec").await?,
            redis_always: Redis::start().await?,
            postgres: Postgres::start().await?,
        })
    }

    /// Of the Redis that syncs every second.
    pub(super) fn redis_url(&self) -> String {
        self.redis.url()
    }
}

/// A gateway with all behind it, and a client that pays there.
pub(super) struct Subject {
    pub(super) stack: Stack,
    /// Its `payment` header; none where nothing is paid.
    pub(super) payment: Option<String>,
    /// Where its books are, if not in a file of the stack's.
    store_url: Option<String>,
    /// The store's process, if it is a server.
    pub(super) store: Option<u32>,
    /// What answers instead of the ledger.
    pub(super) authorizer: Option<Process>,
    /// An API that is asked without the gateway, and its port.
    pub(super) direct: Option<(Process, u16)>,
    /// Paid requests that were answered.
    pub(super) served: u64,
    /// The most that can have been paid and not answered, where a load ended.
    pub(super) cut_off: u64,
    /// Others that pay here.
    pub(super) crowd: Option<Crowd>,
}

/// One API for all, as a process: what it costs is the same everywhere.
async fn api(port: u16, folder: &std::path::Path) -> Result<Process> {
    let spec = Spec::new("the API", binary::demo_api()?, folder.join("api.log"));
    let mut api = Process::spawn(spec.arg("--listen").arg(local(port).to_string()))?;
    api.wait_ready(&Probe::Tcp(local(port)), Duration::from_secs(20)).await?;
    Ok(api)
}

fn options(api: u16, workers: u16, store: Option<&str>) -> StackOptions {
    let options = StackOptions::new()
        .workers(workers)
        .filter(|filter| {
            let routes = filter["routes"].as_array_mut().into_iter().flatten();
            for route in routes {
                match route["name"].as_str() {
                    Some("joke") => route["price"] = PRICE.into(),
                    // One that a load's end cuts off costs the most, too.
                    Some("metered") => route["price"]["most"] = PRICE.into(),
                    _ => {}
                }
            }
            if let Some(routes) = filter["routes"].as_array_mut() {
                let leased =
                    json!({"name": "leased", "path": "/leased", "price": PRICE, "leases": true});
                routes.push(leased);
            }
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
    /// Starts a gateway and, where something is paid, its client's balance.
    pub(super) async fn start(kind: Kind, workers: u16, behind: &mut Behind) -> Result<Self> {
        let api = behind.api_port;
        let redis = |redis: &Redis| (redis.url(), redis.pid());
        let store = match kind {
            Kind::Plain => return Self::plain(api, workers).await,
            Kind::NoOp => return Self::no_op(api, workers).await,
            Kind::Node => return Self::node(api, workers, &behind.redis).await,
            Kind::Embedded => None,
            Kind::Redis | Kind::ExtAuthz => Some(redis(&behind.redis)),
            Kind::RedisAlways => Some(redis(&behind.redis_always)),
            Kind::Postgres => Some((behind.postgres.url(), behind.postgres.process().pid())),
        };
        match store {
            Some((url, pid)) if kind == Kind::ExtAuthz => {
                Self::ext_authz(api, workers, (&url, pid)).await
            }
            store => {
                let store = store.as_ref().map(|(url, pid)| (url.as_str(), *pid));
                Self::paid(api, workers, store).await
            }
        }
    }

    async fn plain(api: u16, workers: u16) -> Result<Self> {
        let without = options(api, workers, None).config(|config| {
            let filters = config.connection_manager()?.get_mut("http_filters");
            if let Some(filters) = filters.and_then(Value::as_array_mut) {
                filters.retain(|filter| filter["name"] != "stripe402");
            }
            Ok(())
        });
        Ok(Self::of(Stack::start(without).await?, None))
    }

    /// Another module in the filter's place, which needs nothing of what the filter is told.
    async fn no_op(api: u16, workers: u16) -> Result<Self> {
        let module = binary::filter_that_does_nothing()?;
        let with = options(api, workers, None).config(move |config| config.module(&module));
        Ok(Self::of(Stack::start(with).await?, None))
    }

    /// The gateway as it is shipped, on a store; one more route switches the filter off.
    async fn paid(api: u16, workers: u16, store: Option<(&str, u32)>) -> Result<Self> {
        let shipped = options(api, workers, store.map(|(url, _)| url)).config(|config| {
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
                routes.insert(0, leased());
            }
            Ok(())
        });
        let stack = Stack::start(shipped).await?;
        let mut subject = Self::of(stack, store.map(|(_, pid)| pid));
        subject.store_url = store.map(|(url, _)| url.to_owned());
        subject.fund().await?;
        Ok(subject)
    }

    /// Envoy's own ext_authz asking the same ledger code, on the same store, for each request.
    async fn ext_authz(api: u16, workers: u16, store: (&str, u32)) -> Result<Self> {
        let mut subject = Self::paid(api, workers, Some(store)).await?;
        let port = ports::free()?;
        let program = std::env::current_exe()?.with_file_name("stripe402-bench-authz");
        let spec = Spec::new("ext_authz", program, subject.stack.dir().join("authz.log"));
        let spec = spec.arg(local(port).to_string()).arg(store.0);
        let mut authorizer = Process::spawn(spec)?;
        authorizer.wait_ready(&Probe::Tcp(local(port)), Duration::from_secs(20)).await?;
        let asking = options(api, workers, None).config(move |config| authorize(config, port));
        let payment = subject.payment.take();
        subject = Self::of(Stack::start(asking).await?, Some(store.1));
        subject.payment = payment;
        subject.served = 1;
        subject.authorizer = Some(authorizer);
        Ok(subject)
    }

    /// An API in Node with a client that has credit there; the gateway beside it has nothing to do.
    async fn node(api: u16, workers: u16, redis: &Redis) -> Result<Self> {
        let mut subject = Self::plain(api, workers).await?;
        let (port, client) = (ports::free()?, "a".repeat(64));
        let spec = Spec::new("Node", "node", subject.stack.dir().join("node.log"))
            .arg(binary::workspace().join("bench/node/server.mjs"))
            .arg(port.to_string())
            .arg(redis.port().to_string())
            .arg(&client)
            .arg(CREDIT.to_string());
        let mut node = Process::spawn(spec)?;
        node.wait_ready(&Probe::Tcp(local(port)), Duration::from_secs(20)).await?;
        subject.store = Some(redis.pid());
        subject.payment = Some(wire::encode(&json!({"clientId": client})));
        subject.direct = Some((node, port));
        Ok(subject)
    }

    /// Where this path is asked for.
    pub(super) fn url(&self, path: &str) -> String {
        match &self.direct {
            Some((_, port)) => format!("http://{}{path}", local(*port)),
            None => self.stack.url(path),
        }
    }

    fn of(stack: Stack, store: Option<u32>) -> Self {
        Self {
            stack,
            payment: None,
            store_url: None,
            store,
            authorizer: None,
            direct: None,
            served: 0,
            cut_off: 0,
            crowd: None,
        }
    }

    /// Whether the movements explain every balance, by the ledger's own word; it has to stop for that.
    pub(super) fn verify(&mut self) -> Result<()> {
        if self.authorizer.is_some() || self.direct.is_some() {
            return Ok(()); // Its books are those of the other gateway on Redis, or it has none.
        }
        self.stack.ledger()?.process().stop();
        let file = || format!("file:{}", self.stack.dir().join("ledger.redb").display());
        let store = self.store_url.clone().unwrap_or_else(file);
        let output = Command::new(binary::ledger()?)
            .args(["verify", "--store", &store])
            .env("STRIPE_SECRET_KEY", SECRET_KEY)
            .env("STRIPE_API_BASE", self.stack.sim.url(""))
            .env("SERVER_SECRET", &self.stack.secrets.server_secret)
            .output()?;
        if output.status.success() {
            return Ok(());
        }
        let said = [output.stdout, output.stderr].concat();
        Err(format!("verify of {store}: {}", String::from_utf8_lossy(&said)).into())
    }

    /// How long the gateway takes from its start to its first answer on a priced route.
    pub(super) async fn starts_within(&mut self) -> Result<Duration> {
        self.stack.envoy.process().stop();
        let start = Instant::now();
        self.stack.envoy.process().restart()?;
        while self.stack.get("/api/joke").send().await.is_err() {
            if start.elapsed() > Duration::from_secs(20) {
                return Err("the gateway gives no answer".into());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(start.elapsed())
    }

    async fn fund(&mut self) -> Result<()> {
        let card = self.stack.sim.fresh_card().await?;
        let payment = json!({"paymentMethodId": card, "topUpAmount": CREDIT});
        let answer = self.stack.pay("/api/joke", &payment).send().await?;
        let receipt = wire::header(answer.headers(), wire::PAYMENT_RESPONSE)?;
        let client = receipt["clientId"].as_str().ok_or("a receipt without an id")?.to_owned();
        self.payment = Some(wire::encode(&json!({"clientId": client})));
        self.served = 1;
        Ok(())
    }

    /// What the client has left, seen by spending one unit.
    pub(super) async fn left(&self) -> Result<i64> {
        let payment = self.payment.as_deref().ok_or("nobody pays here")?;
        let asked = self.stack.client.get(self.url("/api/joke")).header("payment", payment);
        let answer = asked.send().await?;
        let header = wire::header(answer.headers(), wire::PAYMENT_RESPONSE)?;
        Ok(header["creditsRemaining"].as_i64().ok_or("a receipt without a balance")?)
    }
}

/// The same joke, paid from leases where a client is busy.
fn leased() -> Value {
    json!({
        "match": {"prefix": "/leased"},
        "route": {"cluster": "api", "prefix_rewrite": "/api/joke"},
    })
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

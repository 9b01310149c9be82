//! Everything at once, on free ports in a folder of its own: what an end-to-end test starts with.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::envoy::{Envoy, EnvoyOptions};
use crate::envoy_config::EnvoyConfig;
use crate::ledger::{Ledger, LedgerOptions};
use crate::ports::{self, local};
use crate::process::Inherit;
use crate::secrets::Secrets;
use crate::stripe_sim::{SECRET_KEY, StripeSim, StripeSimOptions};
use crate::upstream::Upstream;
use crate::{Error, Result, binary, http, log, wire};

/// Two failed health checks, two seconds apart, and a margin.
const NOTICED_WITHIN: Duration = Duration::from_secs(15);

/// The second health check comes two seconds after the first.
const FOUND_WITHIN: Duration = Duration::from_secs(5);

type Change = Box<dyn FnOnce(&mut EnvoyConfig) -> Result<()> + Send>;

/// What a test wants otherwise than it is shipped.
#[derive(Default)]
pub struct StackOptions {
    file: Option<&'static str>,
    workers: Option<u16>,
    replicas: Option<u16>,
    store: Option<String>,
    secrets: Option<Secrets>,
    ledger_env: BTreeMap<String, String>,
    stand_in_stripe_js: bool,
    changes: Vec<Change>,
}

impl StackOptions {
    /// As shipped: one worker, one ledger, a store in a file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Another of the shipped configurations of Envoy than `envoy/envoy.yaml`.
    #[must_use]
    pub fn file(mut self, path: &'static str) -> Self {
        self.file = Some(path);
        self
    }

    /// Changes the filter's own configuration.
    #[must_use]
    pub fn filter(self, change: impl FnOnce(&mut Value) + Send + 'static) -> Self {
        self.config(move |config| {
            change(config.filter()?);
            Ok(())
        })
    }

    /// Lets the gateway's pages load Stripe.js from the stand-in, as `make run` does.
    #[must_use]
    pub fn stand_in_stripe_js(mut self) -> Self {
        self.stand_in_stripe_js = true;
        self
    }

    /// Changes anything in Envoy's configuration; ports, paths and addresses are set already.
    #[must_use]
    pub fn config(
        mut self,
        change: impl FnOnce(&mut EnvoyConfig) -> Result<()> + Send + 'static,
    ) -> Self {
        self.changes.push(Box::new(change));
        self
    }

    /// Sets a variable of every ledger.
    #[must_use]
    pub fn ledger_env(mut self, name: &str, value: &str) -> Self {
        self.ledger_env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// How many worker threads Envoy has.
    #[must_use]
    pub fn workers(mut self, workers: u16) -> Self {
        self.workers = Some(workers);
        self
    }

    /// How many ledgers share the store, which then must be one that can be shared.
    #[must_use]
    pub fn replicas(mut self, replicas: u16) -> Self {
        self.replicas = Some(replicas);
        self
    }

    /// Another store, as `LEDGER_STORE` names it.
    #[must_use]
    pub fn store(mut self, store: &str) -> Self {
        self.store = Some(store.to_owned());
        self
    }

    /// Secrets of another stack, to be the same server again.
    #[must_use]
    pub fn secrets(mut self, secrets: Secrets) -> Self {
        self.secrets = Some(secrets);
        self
    }
}

/// A running gateway with all it needs. The parts end in the order of the fields: the gateway first.
pub struct Stack {
    /// The gateway.
    pub envoy: Envoy,
    /// The ledgers; webhooks go to the first.
    pub ledgers: Vec<Ledger>,
    /// The API behind the gateway.
    pub upstream: Upstream,
    /// Stripe's stand-in.
    pub sim: StripeSim,
    /// A client that keeps its connections.
    pub client: reqwest::Client,
    /// What the parts share.
    pub secrets: Secrets,
    dir: TempDir,
}

impl Stack {
    /// Starts all parts and waits until each serves.
    ///
    /// # Errors
    /// If a part is not built, cannot be started or does not become ready; the error carries the end of its log.
    pub async fn start(options: StackOptions) -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("stripe402-")
            .tempdir()
            .map_err(Error::io("cannot make a folder for the logs"))?;
        let secrets = options.secrets.map_or_else(Secrets::random, Ok)?;
        let upstream = Upstream::start(local(ports::free()?))?;

        let webhook_port = ports::free()?;
        let sim = StripeSim::start(&StripeSimOptions {
            port: ports::free()?,
            state_dir: folder(dir.path(), "stripe-sim")?,
            webhook_url: format!("http://{}/webhooks/stripe", local(webhook_port)),
            webhook_secret: secrets.webhook_secret.clone(),
            log: dir.path().join("stripe-sim.log"),
        })
        .await?;

        let store = options
            .store
            .unwrap_or_else(|| format!("file:{}", dir.path().join("ledger.redb").display()));
        let mut ledgers = Vec::new();
        let mut addresses = Vec::new();
        for number in 1..=options.replicas.unwrap_or(1) {
            let port = ports::free()?;
            addresses.push(local(port));
            let webhook_port = if number == 1 { webhook_port } else { ports::free()? };
            let ledger = Ledger::start(&LedgerOptions {
                name: format!("ledger {number}"),
                port,
                admin_port: ports::free()?,
                webhook_port,
                store: store.clone(),
                secrets: secrets.clone(),
                stripe_secret_key: SECRET_KEY.to_owned(),
                stripe_api_base: Some(sim.url("")),
                more: options.ledger_env.clone(),
                inherit: Inherit::Bare,
                log: dir.path().join(format!("ledger-{number}.log")),
            })
            .await?;
            ledgers.push(ledger);
        }

        let mut config = match options.file {
            Some(path) => EnvoyConfig::read(&binary::workspace().join(path))?,
            None => EnvoyConfig::shipped()?,
        };
        config.endpoints("api", &[upstream.address()])?;
        config.endpoints("stripe402_ledger", &addresses)?;
        config.module(&binary::filter()?)?;
        if options.stand_in_stripe_js {
            config.stripe_js(&sim.url("/v3/"))?;
        }
        for change in options.changes {
            change(&mut config)?;
        }
        let envoy_options = EnvoyOptions {
            port: ports::free()?,
            admin_port: ports::free()?,
            workers: options.workers.unwrap_or(1),
            ledger_token: secrets.ledger_token.clone(),
            mpp_secret: secrets.mpp_secret.clone(),
            config_file: dir.path().join("envoy.yaml"),
            log: dir.path().join("envoy.log"),
        };
        let envoy = Envoy::start(config, &envoy_options).await?;
        first_health_check(&envoy).await?;
        Ok(Self { envoy, ledgers, upstream, sim, client: http::client()?, secrets, dir })
    }

    /// Another gateway, configured alike, with the same ledgers.
    ///
    /// # Errors
    /// As [`Envoy::start`].
    pub async fn another_gateway(&self, workers: u16) -> Result<Envoy> {
        let config = EnvoyConfig::read(&self.dir().join("envoy.yaml"))?;
        let options = EnvoyOptions {
            port: ports::free()?,
            admin_port: ports::free()?,
            workers,
            ledger_token: self.secrets.ledger_token.clone(),
            mpp_secret: self.secrets.mpp_secret.clone(),
            config_file: self.dir().join("envoy-2.yaml"),
            log: self.dir().join("envoy-2.log"),
        };
        let envoy = Envoy::start(config, &options).await?;
        first_health_check(&envoy).await?;
        Ok(envoy)
    }

    /// A URL at the gateway.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        self.envoy.url(path)
    }

    /// A request to the gateway without payment.
    pub fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(self.url(path))
    }

    /// A request to the gateway with this `payment` header.
    pub fn pay(&self, path: &str, payment: &Value) -> reqwest::RequestBuilder {
        self.get(path).header(wire::PAYMENT, wire::encode(payment))
    }

    /// The first ledger.
    ///
    /// # Errors
    /// If the stack was started with none.
    pub fn ledger(&mut self) -> Result<&mut Ledger> {
        self.ledgers
            .first_mut()
            .ok_or_else(|| Error::Invalid("this stack has no ledger".to_owned()))
    }

    /// Waits until the gateway's health checks find this many ledgers: after one was killed or restarted.
    ///
    /// # Errors
    /// If it takes too long.
    pub async fn healthy_ledgers(&self, expected: u64) -> Result<()> {
        let start = Instant::now();
        loop {
            let found = self.envoy.stat("cluster.stripe402_ledger.membership_healthy").await?;
            if found == expected {
                // The filter's own probe of a ledger that was silent comes every 250 ms.
                tokio::time::sleep(Duration::from_millis(500)).await;
                return Ok(());
            }
            if start.elapsed() > NOTICED_WITHIN {
                return Err(Error::Invalid(format!(
                    "the gateway finds {found} healthy ledgers, not {expected}"
                )));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Where configuration, state and logs of all parts are.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.dir.disable_cleanup(true);
            show_logs(self.dir.path());
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the test harness shows it with the failed test, and only so"
)]
fn show_logs(dir: &Path) {
    eprintln!("\nThe parts' configuration, state and logs are kept in {}", dir.display());
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut logs: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "log"))
        .collect();
    logs.sort();
    for path in logs {
        eprintln!("\nThe end of {}:\n{}", path.display(), log::tail(&path, 15));
    }
}

/// Waits until the gateway's health checks have found a ledger, if there is one to be found. On a busy
/// machine the first check can fail, and no ledger is asked before the next one.
async fn first_health_check(envoy: &Envoy) -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < FOUND_WITHIN {
        let stats = envoy.stats().await?;
        let members = |which: &str| {
            stats.get(&format!("cluster.stripe402_ledger.membership_{which}")).copied()
        };
        if members("total").is_none_or(|total| total == 0) || members("healthy") > Some(0) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

fn folder(parent: &Path, name: &str) -> Result<std::path::PathBuf> {
    let path = parent.join(name);
    std::fs::create_dir_all(&path).map_err(Error::io(format!("cannot make {}", path.display())))?;
    Ok(path)
}

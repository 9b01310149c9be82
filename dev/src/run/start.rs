//! Starts the parts, each after those that it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::house::House;
use super::port_check::next_free;
use super::settings::{Settings, Stripe};
use crate::certificate;
use crate::envoy::{Envoy, EnvoyOptions};
use crate::envoy_config::EnvoyConfig;
use crate::ledger::{Ledger, LedgerOptions};
use crate::ports::local;
use crate::process::{Inherit, Probe, Process, Spec};
use crate::secrets::Secrets;
use crate::stripe_sim::{StripeSim, StripeSimOptions};
use crate::{Error, Result, binary};

/// Who asks for payment by MPP.
const REALM: &str = "stripe402-demo";
const DEMO_API_WITHIN: Duration = Duration::from_secs(10);
/// Envoy serves as soon as it listens; the filter's VMs and the ledger's first health check may come later.
const CHALLENGE_WITHIN: Duration = Duration::from_secs(30);

/// Everything that will be started is there: better known before the first part is up than after the third.
pub(super) fn check_built(settings: &Settings) -> Result<()> {
    if settings.stripe == Stripe::StandIn {
        binary::stripe_sim()?;
    }
    let _all = (binary::demo_api()?, binary::ledger()?, binary::filter()?, binary::envoy()?);
    Ok(())
}

/// The folders of state and logs, closed to other users: balances and secrets are in there.
pub(super) fn make_folders(settings: &Settings) -> Result<()> {
    let logs = logs(settings);
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&logs)
        .map_err(Error::io(format!("cannot make {}", logs.display())))?;
    // Each run has its own logs, and those of the last one are kept: what is shown of a log is of this run.
    for entry in std::fs::read_dir(&logs).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            std::fs::rename(&path, path.with_extension("log.old"))
                .map_err(Error::io(format!("cannot put {} aside", path.display())))?;
        }
    }
    Ok(())
}

/// Starts all parts and waits until the gateway asks for money.
pub(super) async fn start(
    settings: &Settings,
    secrets: &Secrets,
    house: &mut House,
    mut starting: impl FnMut(&str),
) -> Result<()> {
    let mut api_base = None;
    match &settings.stripe {
        Stripe::StandIn => {
            starting("the Stripe stand-in");
            let sim = stand_in(settings, secrets).await?;
            api_base = Some(sim.url(""));
            house.add(sim.into_process());
        }
        Stripe::Real { api_base: named, .. } => api_base.clone_from(named),
    }

    starting("the demo API");
    house.add(demo_api(settings).await?);

    let mut taken: BTreeSet<u16> = settings.ports().iter().map(|port| port.number).collect();
    let mut ledgers = Vec::new();
    for number in 1..=settings.replicas {
        let options = ledger_options(settings, secrets, api_base.clone(), number, &mut taken)?;
        starting(&format!("{} on port {}", options.name, options.port));
        ledgers.push(local(options.port));
        house.add(Ledger::start(&options).await?.into_process());
    }

    starting("Envoy with the filter");
    house.add(envoy(settings, secrets, &ledgers).await?);
    Ok(())
}

async fn stand_in(settings: &Settings, secrets: &Secrets) -> Result<StripeSim> {
    let options = StripeSimOptions {
        port: settings.stripe_sim.number,
        state_dir: settings.state_dir.join("stripe-sim"),
        webhook_url: format!("http://{}/webhooks/stripe", local(settings.webhook.number)),
        webhook_secret: secrets.webhook_secret.clone(),
        log: log(settings, "stripe-sim"),
    };
    std::fs::create_dir_all(&options.state_dir)
        .map_err(Error::io(format!("cannot make {}", options.state_dir.display())))?;
    StripeSim::start(&options).await
}

async fn demo_api(settings: &Settings) -> Result<Process> {
    let address = local(settings.upstream.number);
    let spec = Spec::new("the demo API", binary::demo_api()?, log(settings, "demo-api"))
        .arg("--listen")
        .arg(address.to_string());
    let mut process = Process::spawn(spec)?;
    process.wait_ready(&Probe::ok(format!("http://{address}/api/health")), DEMO_API_WITHIN).await?;
    Ok(process)
}

/// The first ledger has the documented ports; the others take free ones after the last of those.
fn ledger_options(
    settings: &Settings,
    secrets: &Secrets,
    stripe_api_base: Option<String>,
    number: u16,
    taken: &mut BTreeSet<u16>,
) -> Result<LedgerOptions> {
    let mut port = |of_first: u16| -> Result<u16> {
        if number == 1 { Ok(of_first) } else { next_free(settings.webhook.number, taken) }
    };
    let name =
        if settings.replicas == 1 { "ledger".to_owned() } else { format!("ledger-{number}") };
    Ok(LedgerOptions {
        port: port(settings.ledger.number)?,
        admin_port: port(settings.admin.number)?,
        webhook_port: port(settings.webhook.number)?,
        store: settings.store.clone(),
        secrets: secrets.clone(),
        stripe_secret_key: settings.secret_key().to_owned(),
        stripe_api_base,
        more: BTreeMap::new(),
        // Every other setting of the ledger can be tried by setting its variable for make run.
        inherit: Inherit::All,
        log: log(settings, &name),
        name: format!("the {}", name.replace('-', " ")),
    })
}

async fn envoy(settings: &Settings, secrets: &Secrets, ledgers: &[SocketAddr]) -> Result<Process> {
    let mut config = EnvoyConfig::shipped()?;
    // Only what was asked for is replaced: whoever has edited the file wants to see that run.
    if settings.upstream.number != settings.upstream.usual {
        config.endpoints("api", &[local(settings.upstream.number)])?;
    }
    if settings.ledger.number != settings.ledger.usual || settings.replicas > 1 {
        config.endpoints("stripe402_ledger", ledgers)?;
    }
    if settings.stripe == Stripe::StandIn {
        // Pages load Stripe.js from where their cards are.
        let stripe_js = format!("http://localhost:{}/v3/", settings.stripe_sim.number);
        config.stripe_js(&stripe_js)?;
        config.mpp(REALM)?;
    } else {
        config.publishable_key(settings.publishable_key())?;
    }
    config.module(&binary::filter()?)?;
    let served = certificate::load_or_make(&settings.state_dir, now())?;
    config.listen_tls(local(settings.gateway_tls.number), &served)?;
    let options = EnvoyOptions {
        port: settings.gateway.number,
        admin_port: settings.envoy_admin.number,
        workers: settings.workers,
        ledger_token: secrets.ledger_token.clone(),
        mpp_secret: secrets.mpp_secret.clone(),
        config_file: settings.state_dir.join("envoy.yaml"),
        log: log(settings, "envoy"),
    };
    let envoy = Envoy::start(config, &options).await?;
    let healthy = tokio::time::timeout(CHALLENGE_WITHIN, healthy(&envoy, ledgers.len())).await;
    healthy.map_err(|_| {
        Error::Invalid(format!(
            "Envoy found no healthy ledger within {CHALLENGE_WITHIN:?}: see logs/envoy.log and logs/ledger.log in {}.",
            settings.state_dir.display()
        ))
    })??;
    let challenge = Probe::Http { url: envoy.url("/api/weather"), status: 402 };
    let mut process = envoy.into_process();
    process.wait_ready(&challenge, CHALLENGE_WITHIN).await?;
    Ok(process)
}

/// Waits until Envoy's health checks find the ledgers. Before, the gateway answers payments with 503.
async fn healthy(envoy: &Envoy, ledgers: usize) -> Result<()> {
    while envoy.stat("cluster.stripe402_ledger.membership_healthy").await?
        < u64::try_from(ledgers).unwrap_or(u64::MAX)
    {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// In seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "nothing here is replayed")]
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

fn logs(settings: &Settings) -> PathBuf {
    settings.state_dir.join("logs")
}

fn log(settings: &Settings, name: &str) -> PathBuf {
    logs(settings).join(Path::new(name).with_extension("log"))
}

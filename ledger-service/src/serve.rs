//! The service: listeners up, recovery, until told to stop.

use std::{future::Future, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use secrecy::SecretString;
use tokio::{net::TcpListener, runtime::Handle, sync::watch, task::JoinSet};

use crate::{
    app::{App, Readiness},
    clock::{Clock, RandomIds, SystemClock},
    config::Config,
    gateway_api,
    net::{
        self, Tokens,
        tls::{self, Files, Listener, TlsError, TlsOptions},
    },
    observe::{self, ObservedProvider, ObservedStore},
    operator::{
        self,
        keyring::{Keyring, Operators},
        work::Operations,
    },
    options::PaymentOptions,
    store::{self, Store},
    stripe::{Stripe, StripeOptions},
    topups::TopUps,
    webhook,
    wiring::{Edges, Parts},
};

/// How often holds are looked for that have ended.
const HOLDS_EVERY: Duration = Duration::from_secs(5);
/// How many ended holds are settled in one transaction.
const HOLDS_AT_ONCE: usize = 256;
/// How often the ledger looks for grants that have expired: so long one may be spent beyond its end.
const GRANTS_EVERY: Duration = Duration::from_secs(5);
/// Of how many accounts grants expire in one go.
const GRANTS_AT_ONCE: usize = 256;
/// How many open holds are counted.
const HOLDS_COUNTED: usize = 1_000;
/// A charge may be on its way for so long after Stripe's time-out has passed here.
const IN_FLIGHT: Duration = Duration::from_secs(5);

/// Why the service could not start, or ended. Whoever supervises it may start it again, unless a setting or
/// a file is wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// A listener's address cannot be had. Retry when it is free.
    #[error("{setting}: cannot listen on {address}: {error}")]
    Listen {
        /// The setting that names it.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why not.
        #[source]
        error: std::io::Error,
    },
    /// The store cannot be opened. Retry.
    #[error("store: {0}")]
    Store(#[from] store::StoreError),
    /// A setting is wrong. Do not retry.
    #[error("{0}")]
    Setting(String),
    /// A file of the listeners' TLS is wrong. Do not retry.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A listener failed. Retry.
    #[error("a listener failed: {0}")]
    Io(#[from] std::io::Error),
}

/// How the service is told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Gateways are given [`Config::drain`] to turn to another replica. A deduction that was sent to a
    /// ledger that is gone has no known outcome and must not be repeated: it can only be sent elsewhere.
    Drain,
    /// Somebody waits at a terminal.
    AtOnce,
}

/// Serves until `stop` resolves, and as long as it says after that; then finishes what is under way,
/// within the grace time.
///
/// Gateways are served on the runtime that this runs on. One thread does best: no call is then handed
/// from one to another. Operators and webhooks have a runtime of their own, `beside`: however long they
/// take, gateways do not wait.
///
/// # Errors
/// [`ServeError`], before anything was served or when a listener fails.
pub async fn serve(
    config: Config,
    beside: &Handle,
    stop: impl Future<Output = Stop>,
) -> Result<(), ServeError> {
    observe::start();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = store::open(&config.store, config.store_options(), Arc::clone(&clock))?;
    let store: Arc<dyn Store> = Arc::new(ObservedStore::new(store, config.store.kind()));
    let parts = parts(&config, &store, clock)?;
    let operators = operators(&config, &store, &parts);
    let readiness = Readiness::default();
    let app = App { store, parts: parts.clone(), readiness: readiness.clone() };
    let Listeners { gateways, operator, webhooks, renewals: _renewals } =
        Listeners::bind(&config).await?;
    let mut background = background(&config, &app, beside);
    let tls = config.tls.is_some();
    tracing::info!(listen = %config.listen, admin = %config.admin_listen, tls, "serving");

    let (stopping, stopped) = watch::channel(false);
    let limits = config.listeners;
    let mut servers = JoinSet::new();
    let router = gateway_api::routes(app.clone(), Tokens::new(&config.tokens), limits);
    servers.spawn(net::serve(gateways, router, limits, stopped.clone()));
    if let Some((listener, secret)) = webhooks {
        let router = webhook::routes(app.clone(), secret, limits);
        servers.spawn_on(net::serve(listener, router, limits, stopped.clone()), beside);
    }
    let router = operator::routes(app, operators, limits);
    servers.spawn_on(net::serve(operator, router, limits, stopped), beside);

    let stop = async {
        if stop.await == Stop::Drain {
            readiness.withdraw();
            tracing::info!(drain = ?config.drain, "not ready any more; serving until gateways know");
            tokio::time::sleep(config.drain).await;
        }
    };
    tokio::select! {
        () = stop => tracing::info!("stopping"),
        Some(ended) = servers.join_next() => ended.map_err(std::io::Error::other)??,
    }
    let _ = stopping.send(true);
    background.abort_all();
    let finish = async {
        while servers.join_next().await.is_some() {}
        parts.topups.finish().await;
    };
    if tokio::time::timeout(config.shutdown_grace, finish).await.is_err() {
        tracing::warn!("stopped with top-ups under way; they are taken up at the next start");
    }
    Ok(())
}

/// What moves money, as it is configured.
fn parts(
    config: &Config,
    store: &Arc<dyn Store>,
    clock: Arc<dyn Clock>,
) -> Result<Parts, ServeError> {
    let provider = Stripe::new(&StripeOptions {
        secret_key: config.stripe_secret_key.clone(),
        api_base: config.stripe_api_base.clone(),
        timeout: config.stripe_timeout,
    })
    .map_err(ServeError::Setting)?;
    let provider = Arc::new(ObservedProvider::new(Arc::new(provider)));
    let options = PaymentOptions {
        deadline: config.payment_deadline,
        confirmation: config.confirmation,
        settle_after: config.settle_after,
        in_flight: config.stripe_timeout.saturating_add(IN_FLIGHT),
        limits: config.limits,
        unknown_memory: config.unknown_memory,
        live: config.is_live(),
        verify_cards: config.verify_cards,
        without_identity: config.mpp_without_identity,
        decline_details: config.decline_details,
        refund_debt: config.refund_debt,
        most_keys: config.most_keys,
        ..PaymentOptions::default()
    };
    if !config.verify_cards {
        tracing::warn!(
            "verify_cards is off: whoever knows a card's number can spend its owner's credits"
        );
    }
    let edges = Edges { store: Arc::clone(store), provider, clock, ids: Arc::new(RandomIds) };
    Ok(Parts::new(edges, config.server_secrets.clone(), options))
}

/// Where it is reached.
struct Listeners {
    gateways: Listener,
    operator: Listener,
    webhooks: Option<(Listener, SecretString)>,
    /// Certificates are renewed for as long as this lives.
    renewals: JoinSet<()>,
}

impl Listeners {
    async fn bind(config: &Config) -> Result<Self, ServeError> {
        let mut renewals = JoinSet::new();
        let mut tls = |files: fn(&TlsOptions) -> Files| match &config.tls {
            Some(options) => {
                let (current, renewing) = tls::renew(files(options), options.reload)?;
                renewals.spawn(renewing);
                Ok::<_, TlsError>(Some(current))
            }
            None => Ok(None),
        };
        let gateways_tls = tls(TlsOptions::gateways)?;
        let operators_tls = tls(TlsOptions::operators)?;
        let webhooks_tls = tls(TlsOptions::webhooks)?;
        let gateways = Listener::new(listen("listen", config.listen).await?, gateways_tls);
        let operator = listen("admin_listen", config.admin_listen).await?;
        let operator = Listener::new(operator, operators_tls);
        let webhooks = match &config.webhooks {
            Some((address, secret)) => {
                let listener = listen("webhook_listen", *address).await?;
                Some((Listener::new(listener, webhooks_tls), secret.clone()))
            }
            None => {
                tracing::warn!(
                    "no webhook secret: refunds and disputes at Stripe will not be heard of"
                );
                None
            }
        };
        Ok(Self { gateways, operator, webhooks, renewals })
    }
}

/// What goes on by itself, until it is told to stop. Whoever asks the store first makes its connection,
/// and the runtime of that one then reads its answers: that must be the gateways' runtime. Here, all that
/// asks it regularly runs there.
fn background(config: &Config, app: &App, beside: &Handle) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn_on(observe::upkeep(), beside);
    tasks.spawn(sweep(Arc::clone(&app.parts.topups), config.sweep));
    tasks.spawn(settle_holds(Arc::clone(&app.store)));
    tasks.spawn(expire_grants(Arc::clone(&app.store)));
    tasks.spawn(keep_up(Arc::clone(&app.store), config.sweep));
    if let Some(to) = config.backup.clone() {
        tasks.spawn(back_up(Arc::clone(&app.store), to, config.backup_every));
    }
    tasks
}

/// Whoever may work on the books over HTTP; nobody where no token is set.
fn operators(config: &Config, store: &Arc<dyn Store>, parts: &Parts) -> Option<Operators> {
    if config.admin_tokens.is_empty() {
        tracing::info!("no admin token: the operator API and its page are off");
        return None;
    }
    let (store, parts) = (Arc::clone(store), Some(parts.clone()));
    let operations = Operations::new(store, parts, Arc::new(SystemClock));
    let keyring = Keyring::new(&config.admin_tokens);
    Some(Operators::new(keyring, operations, Arc::new(SystemClock), config.is_live()))
}

/// At the start everything that was cut off, then at intervals what has lain for one.
async fn sweep(topups: Arc<TopUps>, interval: Duration) {
    let mut idle = Duration::ZERO;
    loop {
        match topups.sweep(idle).await {
            Ok(0) => {}
            Ok(taken_up) => {
                tracing::info!(taken_up, "top-ups that were cut off are taken up again")
            }
            Err(error) => tracing::warn!(%error, "top-ups that were cut off cannot be read"),
        }
        tokio::time::sleep(interval).await;
        idle = interval;
    }
}

/// At the start, then at intervals: holds that nobody captured until their end. Then what is open is
/// counted.
async fn settle_holds(store: Arc<dyn Store>) {
    loop {
        match store.settle_ended_holds(HOLDS_AT_ONCE).await {
            Ok(settled) if settled.len() >= HOLDS_AT_ONCE => continue,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "ended holds cannot be settled, which is tried again");
            }
        }
        match store.open_holds(None, HOLDS_COUNTED).await {
            Ok(open) => observe::show_holds(&open, SystemClock.now_ms()),
            Err(error) => tracing::warn!(%error, "open holds cannot be counted"),
        }
        tokio::time::sleep(HOLDS_EVERY).await;
    }
}

/// At the start, then at intervals: what has expired of grants.
async fn expire_grants(store: Arc<dyn Store>) {
    loop {
        match store.expire_grants(GRANTS_AT_ONCE).await {
            Ok(expired) if expired.len() >= GRANTS_AT_ONCE => continue,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "grants cannot expire, which is tried again"),
        }
        tokio::time::sleep(GRANTS_EVERY).await;
    }
}

/// At the start, then at intervals: what the store makes ahead and drops.
async fn keep_up(store: Arc<dyn Store>, interval: Duration) {
    loop {
        if let Err(error) = store.upkeep(SystemClock.now_ms()).await {
            tracing::warn!(%error, "the store's upkeep failed, and is tried again");
        }
        tokio::time::sleep(interval).await;
    }
}

/// At the start, then at intervals. A copy that fails is said, and tried again when it is its turn.
async fn back_up(store: Arc<dyn Store>, to: PathBuf, interval: Duration) {
    loop {
        match store.back_up(&to).await {
            Ok(()) => tracing::info!(to = %to.display(), "the books are backed up"),
            Err(error) => tracing::error!(%error, "the books are not backed up"),
        }
        tokio::time::sleep(interval).await;
    }
}

async fn listen(setting: &'static str, address: SocketAddr) -> Result<TcpListener, ServeError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| ServeError::Listen { setting, address, error })
}

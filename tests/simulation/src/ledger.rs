//! One replica of the ledger: its life, its end, and the next one.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use secrecy::SecretString;
use stripe402_filter::worker::Failed;
use stripe402_ledger::store::Store;
use stripe402_ledger::{
    options::PaymentOptions,
    topups::TopUps,
    wiring::{Edges, Parts},
};
use stripe402_protocol::message::{CardPayment, Received};
use tokio::task::AbortHandle;

use crate::{
    bank, store,
    world::{World, WorldIds},
};

/// As the ledger's default for `LEDGER_SWEEP`.
const SWEEP: Duration = Duration::from_secs(60);

/// A process that lives, or has died: then nothing that it began goes on.
#[derive(Debug)]
pub struct Life {
    /// Which replica.
    pub ledger: usize,
    /// For the story.
    pub name: String,
    dead: AtomicBool,
    /// How often it called anything: a process that is dead calls nothing.
    calls: AtomicU64,
}

impl Life {
    /// One that goes on.
    #[must_use]
    pub fn new(ledger: usize) -> Arc<Self> {
        let name = format!("ledger {}", ledger + 1);
        let (dead, calls) = (AtomicBool::new(false), AtomicU64::new(0));
        Arc::new(Self { ledger, name, dead, calls })
    }

    /// Waits for ever if the process has died.
    pub async fn goes_on(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if self.dead.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}

/// One replica.
pub struct Ledger {
    world: Arc<World>,
    /// Which.
    pub number: usize,
    spent: Arc<Vec<AtomicBool>>,
    process: RefCell<Option<Process>>,
    starts: Cell<u32>,
    /// How far a newer server secret has come: nobody knows it, all know it, it names new clients.
    pub rotated: Cell<u8>,
}

struct Process {
    life: Arc<Life>,
    parts: Parts,
    tasks: Vec<AbortHandle>,
}

impl Ledger {
    /// A replica that has not been started.
    #[must_use]
    pub fn new(world: &Arc<World>, number: usize, spent: &Arc<Vec<AtomicBool>>) -> Rc<Self> {
        Rc::new(Self {
            world: Arc::clone(world),
            number,
            spent: Arc::clone(spent),
            process: RefCell::default(),
            starts: Cell::new(0),
            rotated: Cell::new(0),
        })
    }

    /// Starts it, unless it runs.
    pub fn start(&self) {
        if self.process.borrow().is_some() {
            return;
        }
        let start = self.starts.get() + 1;
        self.starts.set(start);
        let name = format!("ledger {}", self.number + 1);
        let dice = |part: &str| self.world.dice(&format!("{name} {start} {part}"));
        let life = Life::new(self.number);
        let world = || Arc::clone(&self.world);
        let store: Arc<dyn Store> =
            Arc::new(store::Line { world: world(), life: Arc::clone(&life), dice: dice("store") });
        let provider = Arc::new(bank::line::Line {
            world: world(),
            spent: Arc::clone(&self.spent),
            life: Arc::clone(&life),
            dice: Arc::new(dice("Stripe")),
        });
        let skew = self.world.plan.skews.get(self.number).copied().unwrap_or(0);
        let edges = Edges {
            store: Arc::clone(&store),
            provider,
            clock: Arc::new(self.world.clock(skew)),
            ids: Arc::new(WorldIds(dice("ids"))),
        };
        let secrets = match self.rotated.get() {
            0 => vec!["older"],
            1 => vec!["older", "newer"],
            _ => vec!["newer", "older"],
        };
        let secrets = secrets.into_iter().map(SecretString::from).collect();
        let parts = Parts::new(edges, secrets, PaymentOptions::default());
        let sweeper = tokio::spawn(sweep(Arc::clone(&parts.topups))).abort_handle();
        self.world.tell(format_args!("{name}"), format_args!("starts"));
        let settler = tokio::spawn(settle(store)).abort_handle();
        let tasks = vec![sweeper, settler];
        *self.process.borrow_mut() = Some(Process { life, parts, tasks });
    }

    /// It dies at once.
    pub fn die(&self) {
        let Some(process) = self.process.borrow_mut().take() else { return };
        process.life.dead.store(true, Ordering::Relaxed);
        for task in process.tasks {
            task.abort();
        }
        self.world.tell(format_args!("{}", process.life.name), format_args!("dies"));
    }

    /// It takes nothing new, finishes what is under way, within the grace time, and ends.
    pub async fn stop(&self) {
        let Some(process) = self.process.borrow_mut().take() else { return };
        self.world.tell(format_args!("{}", process.life.name), format_args!("stops"));
        let _ = tokio::time::timeout(Duration::from_secs(30), process.parts.topups.finish()).await;
        process.life.dead.store(true, Ordering::Relaxed);
        for task in process.tasks {
            task.abort();
        }
    }

    /// Whether it can be reached.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.process.borrow().is_some()
    }

    /// What it is made of, if it runs.
    #[must_use]
    pub fn parts(&self) -> Option<Parts> {
        self.process.borrow().as_ref().map(|process| process.parts.clone())
    }

    /// Does something in the process: nothing comes back if it dies meanwhile.
    pub async fn within<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let task = tokio::spawn(work);
        let handle = task.abort_handle();
        // Of no effect on one that has ended.
        let _gone = Gone(handle.clone());
        {
            let mut process = self.process.borrow_mut();
            let tasks = &mut process.as_mut()?.tasks;
            tasks.retain(|task| !task.is_finished());
            tasks.push(handle);
        }
        task.await.ok()
    }

    /// A message of a gateway's, as the listener handles it.
    pub async fn answer(
        &self,
        path: &'static str,
        body: Vec<u8>,
    ) -> Option<Result<Vec<u8>, Failed>> {
        let parts = self.parts()?;
        let status = |status| Failed { status, of_ledger: true, overloaded: false };
        self.within(async move {
            match path {
                "/v1/batch" => {
                    let received = Received::from_compact(&body).map_err(|_| status(400))?;
                    let Received { batch, refused } = received;
                    let version = batch.version;
                    let answer = parts.keys.batch(batch).await.map_err(|_| status(503))?;
                    Ok(refused.complete(answer).encode(version))
                }
                "/v1/payments" => {
                    let request: CardPayment =
                        serde_json::from_slice(&body).map_err(|_| status(400))?;
                    let answer = parts.payments.pay(&request).await.map_err(|_| status(503))?;
                    serde_json::to_vec(&answer).map_err(|_| status(500))
                }
                _ => Err(status(404)),
            }
        })
        .await
    }
}

/// Whoever waits no longer ends the work that the listener does for it, as a closed connection does.
struct Gone(AbortHandle);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// As the service does: holds that nobody captured until their end, and what has expired of grants.
async fn settle(store: Arc<dyn Store>) {
    loop {
        let _ = store.settle_ended_holds(256).await;
        let _ = store.expire_grants(256).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

/// As the service does: at the start everything, then at intervals what has lain for one.
async fn sweep(topups: Arc<TopUps>) {
    let mut idle = Duration::ZERO;
    loop {
        let _ = topups.sweep(idle).await;
        tokio::time::sleep(SWEEP).await;
        idle = SWEEP;
    }
}

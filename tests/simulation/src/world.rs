//! What every part of a world shares: its time, its story, and what was found wrong.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use stripe402_ledger::{
    accounting::KeyHash,
    clock::{Clock, Ids},
    store::InMemory,
};
use stripe402_protocol::{ClientId, DeductionId};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    bank::Bank,
    dice::Dice,
    plan::{Fault, Plan},
};

/// Unix milliseconds at the beginning of every world.
pub const BEGINNING_MS: u64 = 1_795_000_000_000;
/// As the ledger's default.
const CHARGE_MEMORY: Duration = Duration::from_secs(7 * 24 * 3_600);

/// A rule that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its name, the same for the same rule.
    pub rule: &'static str,
    /// What was seen.
    pub seen: String,
}

/// One world.
pub struct World {
    /// What was planned.
    pub plan: Plan,
    /// The store, as it really is.
    pub books: Arc<InMemory>,
    /// Stripe, as it really is.
    pub bank: Arc<Bank>,
    began: Instant,
    told: bool,
    story: Mutex<Vec<String>>,
    found: Mutex<Vec<Violation>>,
    /// From when on nothing goes wrong any more, in milliseconds.
    healed_ms: AtomicU64,
    events: AtomicUsize,
    /// What was really done, whatever anybody was told.
    pub truth: Mutex<Truth>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("World")
    }
}

/// What was really done.
#[derive(Debug, Default)]
pub struct Truth {
    /// By the random part of its id: what became of a charge that a gateway minted.
    pub charges: BTreeMap<[u8; 10], Minted>,
    /// Charges that were made, whatever became of them.
    pub deducted: BTreeSet<[u8; 10]>,
    /// What the API said that a request had used, by the random part of its hold's id.
    pub used: BTreeMap<[u8; 10], i64>,
    /// How the requests of each card ended, where leases pay.
    pub requests: BTreeMap<usize, Requests>,
    /// Units that gateways say were paid from leases and came too late.
    pub lost: i64,
    /// Refunds that operators ordered: name → most units, and whose.
    pub refunds: BTreeMap<String, (usize, i64)>,
    /// Deductions that keys made.
    pub by_key: BTreeMap<KeyHash, BTreeSet<DeductionId>>,
    /// Clients whose id was rotated without a grace, and whoever asked has the answer: which generation spends.
    pub rotated: BTreeMap<ClientId, u32>,
    /// Cards whose account somebody outside has changed: a dispute, a refund, a correction.
    pub touched: BTreeSet<usize>,
}

/// Requests of one card.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// The API did its work.
    pub served: i64,
    /// The process that knew of them died.
    pub unknown: i64,
    /// They passed at once: a lease paid.
    pub leased: i64,
}

/// What became of a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minted {
    /// Whose.
    pub card: usize,
    /// By which gateway.
    pub gateway: usize,
    /// Whether it is known of which request it is, and not only of which card.
    pub sure: bool,
    /// How its request ended.
    pub end: End,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Not yet, or without the API.
    Unserved,
    /// The API did its work.
    Served,
    /// The process that knew of it died: it may stand.
    Unknown,
}

impl World {
    /// A world, now. Its story is kept only if somebody wants to read it.
    #[must_use]
    pub fn new(plan: Plan, told: bool) -> Arc<Self> {
        let began = Instant::now();
        let books = InMemory::new(WorldClock { began, skew_ms: 0 }, CHARGE_MEMORY);
        Arc::new(Self {
            plan,
            books: Arc::new(books),
            bank: Arc::default(),
            began,
            told,
            story: Mutex::default(),
            found: Mutex::default(),
            healed_ms: AtomicU64::new(u64::MAX),
            events: AtomicUsize::new(0),
            truth: Mutex::default(),
        })
    }

    /// Dice of a part of it.
    #[must_use]
    pub fn dice(&self, name: &str) -> Dice {
        Dice::new(self.plan.seed, name)
    }

    /// Milliseconds since the beginning.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A clock that is off by so much.
    #[must_use]
    pub const fn clock(&self, skew_ms: i64) -> WorldClock {
        WorldClock { began: self.began, skew_ms }
    }

    /// Writes a line of the story.
    pub fn tell(&self, who: fmt::Arguments<'_>, what: fmt::Arguments<'_>) {
        if self.told {
            let now = self.now_ms();
            let line = format!("{:>9}.{:03} s  {who}: {what}", now / 1_000, now % 1_000);
            lock(&self.story).push(line);
        }
    }

    /// What was told.
    #[must_use]
    pub fn story(&self) -> Vec<String> {
        lock(&self.story).clone()
    }

    /// A rule does not hold.
    pub fn violated(&self, rule: &'static str, seen: String) {
        self.tell(format_args!("RULE"), format_args!("{rule}: {seen}"));
        lock(&self.found).push(Violation { rule, seen });
    }

    /// Which rules did not hold.
    #[must_use]
    pub fn found(&self) -> Vec<Violation> {
        lock(&self.found).clone()
    }

    /// What was really done.
    pub fn truth(&self) -> MutexGuard<'_, Truth> {
        lock(&self.truth)
    }

    /// From now on nothing goes wrong.
    pub fn heal(&self) {
        self.healed_ms.store(self.now_ms(), Ordering::Relaxed);
        self.tell(format_args!("world"), format_args!("nothing goes wrong from here on"));
    }

    /// Whether nothing goes wrong any more.
    #[must_use]
    pub fn is_healed(&self) -> bool {
        self.now_ms() >= self.healed_ms.load(Ordering::Relaxed)
    }

    /// An event of Stripe's is being delivered.
    pub fn event_begins(&self) {
        self.events.fetch_add(1, Ordering::Relaxed);
    }

    /// It was, or was given up.
    pub fn event_ends(&self) {
        self.events.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many are being delivered.
    #[must_use]
    pub fn events_under_way(&self) -> usize {
        self.events.load(Ordering::Relaxed)
    }

    /// The first fault of some kind that goes on now.
    pub fn now<T>(&self, wanted: impl Fn(Fault) -> Option<T>) -> Option<T> {
        if self.is_healed() {
            return None;
        }
        let now_ms = self.now_ms();
        let current = self.plan.faults.iter().filter(|fault| fault.covers(now_ms));
        current.filter_map(|fault| wanted(fault.what)).next()
    }
}

/// Nothing panics while it holds one of these.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sleeps in the world's time.
pub async fn pass(ms: u64) {
    if ms == 0 {
        tokio::task::yield_now().await;
    } else {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

/// A clock of the world, off by so many milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct WorldClock {
    began: Instant,
    skew_ms: i64,
}

impl Clock for WorldClock {
    fn now_ms(&self) -> u64 {
        let since = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        BEGINNING_MS.saturating_add(since).saturating_add_signed(self.skew_ms)
    }
}

/// Names from the world's dice.
#[derive(Debug)]
pub struct WorldIds(pub Dice);

impl Ids for WorldIds {
    fn make(&self) -> Uuid {
        Uuid::from_u64_pair(self.0.bits(), self.0.bits())
    }
}

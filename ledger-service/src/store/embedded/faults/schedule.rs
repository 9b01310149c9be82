//! One schedule: a few lives of a ledger on a disk that fails, each compared with the books.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;

use super::{
    books::{Books, MEMORY, SKEW},
    calls::{Caller, pick},
    media::{Fault, Shared},
    shown,
};
use crate::{
    clock::Clock,
    store::{
        StoreError,
        conformance::random::Dice,
        embedded::{Embedded, EmbeddedOptions, writer::Turns},
    },
};

const NOW: u64 = 1_795_000_000_000;

/// What was seen, to know that schedules are not all of one kind.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) schedules: u64,
    pub(super) commits: u64,
    pub(super) failed: u64,
    pub(super) went_on: u64,
    pub(super) syncs_failed: u64,
    pub(super) cuts: u64,
    pub(super) kills: u64,
    pub(super) opens_failed: u64,
    pub(super) damage_refused: u64,
    pub(super) damage_without_effect: u64,
    pub(super) trace: u64,
}

#[derive(Clone)]
struct Time(Arc<AtomicU64>);

impl Clock for Time {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

pub(super) struct Schedule<'s> {
    dice: Dice,
    media: Shared,
    caller: Caller,
    /// Every state that the books may be in: calls that were cut off have happened or not.
    states: Vec<Books>,
    time: Time,
    at: String,
    seen: &'s mut Seen,
}

struct Life {
    store: Embedded,
    turns: Turns,
}

impl<'s> Schedule<'s> {
    pub(super) fn new(seed: u64, seen: &'s mut Seen) -> Self {
        seen.schedules += 1;
        let media = Shared::new(seed);
        Self {
            dice: Dice::new(seed),
            media,
            caller: Caller::new(),
            states: vec![Books::default()],
            time: Time(Arc::new(AtomicU64::new(NOW))),
            at: format!("STRIPE402_FAULTS_SEED={seed}"),
            seen,
        }
    }

    pub(super) async fn run(mut self) {
        for _ in 0..1 + self.dice.throw(3) {
            if self.dice.throw(6) == 0 {
                let fault = self.fault();
                self.fail(fault, 30);
            }
            match self.begin() {
                Ok(life) => self.live(life).await,
                Err(error) => {
                    self.seen.opens_failed += 1;
                    self.says_what_to_do(&error);
                    let off = self.media.lock().is_off();
                    assert!(off || self.media.lock().fault().is_some(), "{}: {error}", self.at);
                }
            }
            self.restart();
        }
        let Life { store, turns } = self.begin().unwrap_or_else(|error| {
            panic!("{}: what was acknowledged cannot be opened: {error}", self.at)
        });
        self.compare(&store, "at the end").await;
        shown::verify(&store, &self.caller.keys, &self.at).await;
        drop((store, turns));
        self.damage().await;
        let trace = self.media.lock().trace;
        self.seen.trace = self.seen.trace.rotate_left(1) ^ trace;
    }

    fn fault(&mut self) -> Fault {
        *pick(
            &mut self.dice,
            &[
                Fault::Full,
                Fault::NoGrowth,
                Fault::Writes,
                Fault::Reads,
                Fault::Syncs,
                Fault::Cut,
                Fault::Kill,
            ],
        )
    }

    fn fail(&mut self, fault: Fault, within: u64) {
        let after = self.dice.throw(within);
        self.media.lock().fail(fault, after);
    }

    fn begin(&mut self) -> Result<Life, StoreError> {
        // Small, so that pages are read again and written early.
        let cache = *pick(&mut self.dice, &[0, 1 << 16, 1 << 20]);
        let opener = self.media.opener(Some(cache));
        let options = EmbeddedOptions {
            path: "ledger.redb".into(),
            charge_memory: MEMORY,
            clock_skew: SKEW,
            queue: 64,
        };
        let time = Arc::new(self.time.clone());
        let (store, turns) = Embedded::open_by(opener, Duration::ZERO, options, time)?;
        Ok(Life { store, turns })
    }

    async fn live(&mut self, life: Life) {
        let mut failed_before = false;
        if self.media.lock().fault().is_none() {
            self.compare(&life.store, "after a start").await;
        }
        for _ in 0..self.dice.throw(12) {
            match self.dice.throw(5) {
                _ if self.media.lock().is_off() => {}
                0 => {
                    let fault = self.fault();
                    self.fail(fault, 20);
                }
                1 | 2 => self.media.lock().mend(),
                _ => {}
            }
            let went_well = self.turn(&life, failed_before).await;
            failed_before = !went_well;
            if went_well && self.dice.throw(4) == 0 && self.media.lock().fault().is_none() {
                self.compare(&life.store, "while it runs").await;
            }
            let step = *pick(&mut self.dice, &[0, 1, 1_000, 600_000, 3_600_000]);
            self.time.0.fetch_add(step, Ordering::SeqCst);
        }
        if self.dice.throw(2) == 0 && self.media.lock().fault().is_none() {
            let fault = if self.dice.throw(2) == 0 { Fault::Cut } else { Fault::Kill };
            self.media.lock().fail(fault, 0);
        }
    }

    /// Some calls in one commit. Whether they were carried out.
    async fn turn(&mut self, life: &Life, failed_before: bool) -> bool {
        let now_ms = self.time.now_ms();
        let calls: Vec<_> =
            (0..1 + self.dice.throw(5)).map(|_| self.caller.draw(&mut self.dice, now_ms)).collect();
        let (fault, distrusted) = {
            let media = self.media.lock();
            (media.fault(), media.syncs_failed > 0)
        };
        // Each is polled once, and waits; the writer takes its turn; then each has its answer.
        let asked = calls.iter().cloned().map(|call| call.ask(&life.store));
        let mut asked = Box::pin(join_all(asked));
        assert!(futures_util::poll!(&mut asked).is_pending(), "{}", self.at);
        assert!(life.turns.take());
        let answers = asked.await;
        let applied: Vec<_> = self
            .states
            .iter()
            .map(|state| {
                let mut state = state.clone();
                let expected: Vec<_> = calls.iter().map(|call| state.apply(call, now_ms)).collect();
                (state, expected)
            })
            .collect();
        let acknowledged = answers.iter().filter(|answer| answer.is_ok()).count();
        if acknowledged == 0 {
            self.seen.failed += 1;
            // What failed between two turns, redb knows, and the store with its next write.
            let excused = fault.is_some() || distrusted || !failed_before;
            assert!(excused, "{}: refused though the disk is well: {answers:?}", self.at);
            for error in answers.into_iter().filter_map(Result::err) {
                self.says_what_to_do(&error);
            }
            for (state, _) in applied {
                if !self.states.contains(&state) {
                    self.states.push(state);
                }
            }
            return false;
        }
        assert_eq!(acknowledged, calls.len(), "{}: {answers:?}", self.at);
        assert!(!distrusted, "{}: acknowledged after a sync had failed", self.at);
        self.seen.commits += 1;
        self.seen.went_on += u64::from(failed_before);
        let given: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        let mut left: Vec<Books> = Vec::new();
        for (state, expected) in &applied {
            if *expected == given && !left.contains(state) {
                left.push(state.clone());
            }
        }
        assert!(
            !left.is_empty(),
            "{}: {calls:?}\nwere answered {given:#?}\nand should be {:#?}",
            self.at,
            applied.first().map(|(_, expected)| expected)
        );
        self.states = left;
        true
    }

    /// An error names what and where, and what an operator can do.
    fn says_what_to_do(&self, error: &StoreError) {
        let text = error.to_string();
        assert!(!matches!(error, StoreError::Overloaded), "{}: {text}", self.at);
        let known = ["ledger.redb", "the transaction was given up", "I/O", "io_"];
        assert!(known.iter().any(|words| text.contains(words)), "{}: {text}", self.at);
    }

    /// The store shows one of the states that it may be in.
    async fn compare(&mut self, store: &Embedded, when: &str) {
        let now_ms = self.time.now_ms();
        let found = shown::of_store(store, &self.caller, now_ms).await;
        let found = found.unwrap_or_else(|error| panic!("{}, {when}: {error}", self.at));
        let mut nearest = None;
        self.states.retain(|state| {
            let expected = shown::of_books(state, &self.caller, now_ms);
            let same = expected == found;
            nearest.get_or_insert(expected);
            same
        });
        if self.states.is_empty() {
            let nearest = nearest.unwrap_or_default();
            let differs: Vec<_> =
                nearest.iter().zip(&found).filter(|(one, other)| one != other).collect();
            panic!("{}, {when}: the books differ: {differs:#?}", self.at);
        }
    }

    fn restart(&mut self) {
        let mut media = self.media.lock();
        match media.fault() {
            Some(Fault::Kill) => self.seen.kills += 1,
            Some(Fault::Cut) => {
                self.seen.cuts += 1;
                // At zero it was cut already, but for one that was only announced.
                media.cut();
            }
            _ if self.dice.throw(2) == 0 => media.cut(),
            _ => {}
        }
        self.seen.syncs_failed += media.syncs_failed;
        media.restart();
    }

    /// Something happens to the file while nobody has it open: it is noticed, or it was nothing.
    async fn damage(&mut self) {
        {
            let mut media = self.media.lock();
            let bytes = media.at_rest();
            let most = bytes.len() as u64;
            match self.dice.throw(4) {
                0 if self.dice.throw(4) == 0 => bytes.clear(),
                0 => bytes.truncate(self.dice.throw(most) as usize),
                1 => {
                    let at = self.dice.throw(400.min(most)) as usize;
                    bytes[at] ^= 1 << self.dice.throw(8);
                }
                2 => {
                    let at = (self.dice.throw(most / 512) * 512) as usize;
                    bytes[at..at + 512].fill(0);
                }
                _ => {
                    // Where something is: most of a small file is empty.
                    let used: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
                    let at = *pick(&mut self.dice, &used);
                    bytes[at] ^= 1 << self.dice.throw(8);
                }
            }
            media.show();
            media.restart();
        }
        match self.begin() {
            Ok(life) => {
                self.seen.damage_without_effect += 1;
                self.compare(&life.store, "after damage at rest").await;
                shown::verify(&life.store, &self.caller.keys, &self.at).await;
            }
            Err(error) => {
                self.seen.damage_refused += 1;
                let text = error.to_string();
                assert!(matches!(error, StoreError::Damaged(_)), "{}: {text}", self.at);
                assert!(text.contains("ledger.redb is not as the ledger wrote it"), "{text}");
                assert!(text.contains("restore the last backup"), "{text}");
            }
        }
    }
}

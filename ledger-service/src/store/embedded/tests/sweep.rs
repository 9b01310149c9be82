//! What is forgotten goes, as fast as it comes, and never all at once.

use std::sync::atomic::{AtomicU64, Ordering};

use redb::ReadableTableMetadata as _;

use super::{super::writer::Turns, *};

const MEMORY_MS: u64 = 4 * 3_600_000;

#[derive(Clone)]
pub(super) struct Time(pub(super) Arc<AtomicU64>);

impl Clock for Time {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

pub(super) struct FileUnderTest {
    pub(super) store: Embedded,
    turns: Turns,
    pub(super) time: Time,
    minted: u64,
    _folder: tempfile::TempDir,
}

impl FileUnderTest {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let time = Time(Arc::new(AtomicU64::new(NOW)));
        let path = folder.path().join("ledger.redb");
        let options = EmbeddedOptions {
            path: path.clone(),
            charge_memory: Duration::from_millis(MEMORY_MS),
            clock_skew: Duration::from_secs(60),
            queue: 64,
        };
        let opener = Opener::of(path);
        let clock = Arc::new(time.clone());
        let (store, turns) = Embedded::open_by(opener, Duration::ZERO, options, clock).unwrap();
        Self { store, turns, time, minted: 0, _folder: folder }
    }

    /// What a call says that has a commit of its own.
    pub(super) async fn run<T: std::fmt::Debug>(
        &self,
        asked: impl Future<Output = Result<T, StoreError>>,
    ) -> T {
        let mut asked = Box::pin(asked);
        assert!(futures_util::poll!(&mut asked).is_pending());
        self.turns.take();
        asked.await.unwrap()
    }

    fn kept(&self) -> u64 {
        self.store.file.begin_read().unwrap().open_table(schema::CHARGES).unwrap().len().unwrap()
    }

    /// One commit that adds so many marks.
    async fn add(&mut self, many: u64) {
        let now = self.time.now_ms();
        let voids = (0..many).map(|_| {
            self.minted += 1;
            let mut random = [0; 10];
            random[..8].copy_from_slice(&self.minted.to_be_bytes());
            stripe402_protocol::message::Void {
                id: DeductionId::mint(now, random),
                client_id: None,
            }
        });
        let batch =
            Batch { version: 1, deductions: Vec::new(), voids: voids.collect(), captures: vec![] };
        self.run(self.store.batch(batch)).await;
    }

    /// A commit that adds nothing, as a probe's.
    pub(super) async fn ping(&self) {
        self.run(self.store.ping()).await;
    }

    pub(super) fn pass(&self, ms: u64) {
        self.time.0.fetch_add(ms, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_steady_ledger_keeps_what_it_remembers_and_no_more() {
    let mut under_test = FileUnderTest::new();
    let each = MEMORY_MS / 20;
    for commit in 0..80 {
        under_test.add(1_000).await;
        let remembered = 1_000 * (commit + 1_u64).min(21);
        assert_eq!(under_test.kept(), remembered, "after commit {commit}");
        under_test.pass(each);
    }
}

#[tokio::test]
async fn a_commit_removes_more_than_it_adds_and_never_all_at_once() {
    let mut under_test = FileUnderTest::new();
    for _ in 0..4 {
        under_test.add(10_000).await;
    }
    under_test.pass(MEMORY_MS + 1);
    for (adds, removes) in [(0, 256), (1, 256), (1_000, 2_000), (9_000, 9_000), (4_500, 8_192)] {
        let before = under_test.kept();
        under_test.add(adds).await;
        assert_eq!(before + adds - under_test.kept(), removes, "of a commit that adds {adds}");
    }
}

#[tokio::test]
async fn where_nobody_charges_probes_sweep() {
    let mut under_test = FileUnderTest::new();
    under_test.add(1_000).await;
    under_test.pass(MEMORY_MS + 1);
    for left in [744, 488, 232, 0, 0] {
        under_test.ping().await;
        assert_eq!(under_test.kept(), left);
    }
}

/// It is not swept out yet, and counts as gone.
#[tokio::test]
async fn what_is_forgotten_is_gone_before_it_is_removed() {
    let mut under_test = FileUnderTest::new();
    under_test.add(1_000).await;
    under_test.pass(MEMORY_MS + 1);
    let mut random = [0; 10];
    random[..8].copy_from_slice(&1_000_u64.to_be_bytes());
    let last = DeductionId::mint(NOW, random);
    let void = stripe402_protocol::message::Void { id: last, client_id: None };
    let batch = Batch { version: 1, deductions: Vec::new(), voids: vec![void], captures: vec![] };
    let outcome = under_test.run(under_test.store.batch(batch)).await.voids[0].1;
    assert!(under_test.kept() > 0);
    assert_eq!(outcome, stripe402_protocol::message::VoidOutcome::Stale);
}

//! What is said while the disk fails, and that the store goes on afterwards, or does not.

use super::{
    super::{
        faults::media::{Fault, Shared},
        writer::Turns,
    },
    *,
};

struct FileUnderTest {
    disk: Shared,
    store: Embedded,
    turns: Turns,
}

impl FileUnderTest {
    fn on(disk: Shared, closed: Duration) -> Self {
        let options = EmbeddedOptions {
            path: "ledger.redb".into(),
            charge_memory: Duration::from_secs(4 * 3600),
            clock_skew: Duration::from_secs(60),
            queue: 64,
        };
        let (opener, clock) = (disk.opener(None), Arc::new(Stopped(NOW)));
        let (store, turns) = Embedded::open_by(opener, closed, options, clock).unwrap();
        Self { disk, store, turns }
    }

    /// What a probe and a call hear: both the same.
    async fn says(&self) -> Result<(), String> {
        let posting = Posting {
            kind: Kind::AdjustmentUp,
            reference: Uuid::new_v4().to_string(),
            amount: Units::from_u32(1),
            note: None,
        };
        let mut probe = self.store.ping();
        let mut call = self.store.post(account(), posting);
        assert!(futures_util::poll!(&mut probe).is_pending());
        assert!(futures_util::poll!(&mut call).is_pending());
        self.turns.take();
        let (probe, call) = (probe.await, call.await.map(drop));
        assert_eq!(format!("{probe:?}"), format!("{call:?}"));
        probe.map_err(|error| error.to_string())
    }

    async fn left(&self) -> i64 {
        self.store.account(account()).await.unwrap().available.get()
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_the_store_goes_on_by_itself() {
    let under_test = FileUnderTest::on(Shared::new(1), Duration::ZERO);
    under_test.says().await.unwrap();
    under_test.disk.lock().fail(Fault::Full, 0);
    let _ = under_test.says().await.unwrap_err();
    let said = under_test.says().await.unwrap_err();
    for words in ["ledger.redb is closed after an error", "no storage space", "make room"] {
        assert!(said.contains(words), "{said}");
    }
    under_test.disk.lock().mend();
    under_test.says().await.unwrap();
    assert_eq!(under_test.left().await, 2);
}

/// Opening it reads all of it: callers must not wait for that again and again.
#[tokio::test]
async fn a_file_that_failed_stays_closed_for_a_time() {
    let under_test = FileUnderTest::on(Shared::new(1), Duration::from_secs(3600));
    under_test.disk.lock().fail(Fault::Full, 0);
    let _ = under_test.says().await.unwrap_err();
    under_test.disk.lock().mend();
    let before = under_test.disk.lock().trace;
    assert!(under_test.says().await.unwrap_err().contains("ledger.redb is closed after an error"));
    assert_eq!(under_test.disk.lock().trace, before, "the disk was asked");
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_written_before_a_restart() {
    let under_test = FileUnderTest::on(Shared::new(1), Duration::ZERO);
    under_test.says().await.unwrap();
    under_test.disk.lock().fail(Fault::Syncs, 0);
    let _ = under_test.says().await.unwrap_err();
    under_test.disk.lock().mend();
    for _ in 0..3 {
        let said = under_test.says().await.unwrap_err();
        assert!(said.contains("a sync of ledger.redb failed"), "{said}");
        assert!(said.contains("restart the ledger"), "{said}");
    }
    let FileUnderTest { disk, store, turns } = under_test;
    drop((store, turns));
    disk.lock().restart();
    let under_test = FileUnderTest::on(disk, Duration::ZERO);
    under_test.says().await.unwrap();
    assert!(
        [2, 3].contains(&under_test.left().await),
        "what was acknowledged, and perhaps what failed"
    );
}

//! What was made long ago and changes now: reconciling since yesterday sees it.

use super::*;

const DAY: Duration = Duration::from_secs(24 * 3_600);

impl Scene {
    /// What reconciling since an hour ago finds, mends, and leaves.
    async fn reconcile_the_last_hour(&self) -> (Vec<&'static str>, usize) {
        let since_ms = BEGINNING_MS + self.world.now_ms() - 3_600_000;
        let accounts = [self.key];
        let found = self.parts.sync.differences(&accounts, since_ms).await.unwrap();
        for difference in &found {
            self.parts.sync.repair(difference).await.unwrap();
        }
        let left = self.parts.sync.differences(&accounts, since_ms).await.unwrap();
        (found.iter().map(|difference| difference.problem.as_str()).collect(), left.len())
    }
}

/// The bank sends a refund back after days, and the event is lost.
#[tokio::test(start_paused = true)]
async fn a_refund_that_fails_late() {
    let scene = Scene::new();
    scene.pay(1, 100).await;
    let intent = scene.paid()[0].id.clone();
    let refund = scene.world.bank.give_back(&intent, 300, None, scene.world.now_ms()).unwrap();
    scene.parts.sync.sync_refunds(&intent.parse().unwrap()).await.unwrap();
    assert_eq!(scene.available().await, i64::from(BLOCK) - 100 - 30_000);
    tokio::time::advance(7 * DAY).await;
    scene.world.bank.fail_refund(&refund.id, scene.world.now_ms());
    assert_eq!(scene.reconcile_the_last_hour().await, (vec!["failed_refund_not_posted"], 0));
    assert_eq!(scene.available().await, i64::from(BLOCK) - 100);
    tokio::time::advance(DAY).await;
    assert_eq!(scene.reconcile_the_last_hour().await, (vec![], 0), "long ago");
}

/// The cardholder confirms the next day, and the ledger is down.
#[tokio::test(start_paused = true)]
async fn a_charge_that_is_confirmed_late() {
    let scene = Scene::new();
    scene.world.bank.add_method("pm_1", "fingerprint", Bank::Asks);
    let answer = scene.parts.payments.pay(&scene.ask(1, 100)).await.unwrap();
    assert!(matches!(answer, CardAnswer::Refused { .. }), "{answer:?}");
    let id = scene.world.bank.with(|state| state.intents.keys().next().unwrap().clone());
    tokio::time::advance(DAY).await;
    scene.world.bank.confirm(&id, true, scene.world.now_ms());
    assert_eq!(scene.reconcile_the_last_hour().await, (vec!["not_credited"], 0));
    assert_eq!(scene.available().await, i64::from(BLOCK));
}

/// An old charge is disputed, and the books have heard of nothing.
#[tokio::test(start_paused = true)]
async fn a_dispute_that_goes_on() {
    let scene = Scene::new();
    scene.pay(1, 100).await;
    let intent = scene.paid()[0].id.clone();
    let id = scene.world.bank.open_dispute(&intent, scene.world.now_ms()).unwrap();
    tokio::time::advance(7 * DAY).await;
    scene.world.bank.move_dispute(&id, DisputePhase::Lost, scene.world.now_ms());
    assert_eq!(scene.reconcile_the_last_hour().await, (vec!["dispute_not_posted"], 0));
    assert_eq!(scene.available().await, 0, "and a debt of 100");
}

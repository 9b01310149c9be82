//! What is going on: the last days' revenue, card charges, disputes, and the state of store and Stripe.

use std::{sync::Arc, time::Duration};

use stripe402_protocol::Currency;
use tokio::sync::Mutex;

use super::{Operations, OperatorError, view::Health};
use crate::{
    accounting::{AccountKey, HOUR_MS, Kind, Movement, TopUp},
    store::{Page, Tally},
};

/// How far back revenue goes, in days.
pub const DAYS: u64 = 30;
/// How many of the latest top-ups and disputes are shown.
const TOP_UPS: usize = 500;
const DISPUTES: usize = 50;
/// So long an overview serves whoever asks: some stores look through every account for it.
const KEPT_MS: u64 = 5_000;
/// How long the store and Stripe may take to show that they are there.
const PATIENCE: Duration = Duration::from_secs(3);

/// The last overview, and the lock that lets one be made at a time.
pub(super) type Kept = Mutex<Option<Arc<Overview>>>;

/// What is going on.
#[derive(Clone, Debug)]
pub struct Overview {
    /// When this was looked up, Unix milliseconds.
    pub at_ms: u64,
    /// Deductions less voids, by currency, route and hour, of the last [`DAYS`].
    pub revenue: Vec<(Currency, Tally)>,
    /// The latest card charges, newest first.
    pub top_ups: Vec<TopUp>,
    /// Card charges without an end.
    pub in_flight: Vec<TopUp>,
    /// The latest movements about disputes, newest first.
    pub disputes: Vec<(AccountKey, Movement)>,
}

impl Operations {
    /// What is going on, at most a few seconds ago.
    ///
    /// # Errors
    /// [`OperatorError`] if the store cannot be read.
    pub async fn overview(&self) -> Result<Arc<Overview>, OperatorError> {
        let mut kept = self.overview.lock().await;
        let now_ms = self.clock.now_ms();
        if let Some(last) = kept.as_ref().filter(|last| now_ms < last.at_ms.saturating_add(KEPT_MS))
        {
            return Ok(Arc::clone(last));
        }
        let since_hour = (now_ms / HOUR_MS).saturating_sub(DAYS.saturating_mul(24));
        let disputes = [Kind::DisputeOpened, Kind::DisputeWon, Kind::DisputeLost];
        let overview = Arc::new(Overview {
            at_ms: now_ms,
            revenue: self.store.revenue(since_hour).await?,
            top_ups: self.store.recent_top_ups(Page::newest(TOP_UPS)).await?,
            in_flight: self.store.unfinished_top_ups().await?,
            disputes: self.store.latest_movements(&disputes, Page::newest(DISPUTES)).await?,
        });
        let clients = overview.top_ups.iter().chain(&overview.in_flight).map(|of| of.account);
        let disputed = overview.disputes.iter().map(|(key, _)| *key);
        clients.chain(disputed).for_each(|key| self.directory.learn(key.client));
        *kept = Some(Arc::clone(&overview));
        Ok(overview)
    }

    /// Asks the store and Stripe.
    pub async fn health(&self) -> Health {
        let late = |_| Err("no answer in time".to_owned());
        let store = async {
            let answer = tokio::time::timeout(PATIENCE, self.store.ping()).await;
            answer.map_or_else(late, |answer| answer.map_err(|error| error.to_string()))
        };
        let stripe = async {
            let Some(parts) = &self.parts else { return Err("no key is set".to_owned()) };
            if let Some(problem) = parts.payments.problem() {
                return Err(problem.to_owned());
            }
            let answer = tokio::time::timeout(PATIENCE, parts.payments.reach()).await;
            answer.map_or_else(late, |answer| answer.map_err(|error| error.to_string()))
        };
        let (store, stripe) = tokio::join!(store, stripe);
        Health { store: store.into(), stripe: stripe.into() }
    }
}

//! Whether a connection has a request under way, and since when it has none.
//!
//! A request only notes that it begins and ends. Whoever waits for the connection to be idle looks at
//! that when the time may have come: to be told of each request would wake a task twice for each.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep};

/// The shortest time between two looks.
const LOOK: Duration = Duration::from_millis(1);

/// What a connection has to do.
#[derive(Debug)]
pub(super) struct Activity {
    now: Mutex<Now>,
}

#[derive(Clone, Copy, Debug)]
struct Now {
    under_way: usize,
    /// Whether there was a request at all.
    served: bool,
    /// When the last request ended; at first, when the connection was made.
    ended: Instant,
}

/// A request that is under way, until it is dropped.
pub(super) struct UnderWay(Arc<Activity>);

impl Activity {
    /// Of a connection that is made now.
    pub(super) fn new() -> Arc<Self> {
        let now = Now { under_way: 0, served: false, ended: Instant::now() };
        Arc::new(Self { now: Mutex::new(now) })
    }

    /// A request begins.
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        let mut now = self.now();
        now.under_way = now.under_way.saturating_add(1);
        now.served = true;
        drop(now);
        UnderWay(Arc::clone(self))
    }

    /// Returns when no request was under way for this long, counted from this call at the earliest:
    /// `first` while there was no request at all, `later` afterwards.
    pub(super) async fn idle(&self, first: Duration, later: Duration) {
        let asked = Instant::now();
        loop {
            let now = *self.now();
            let patience = if now.served { later } else { first };
            let since = now.ended.max(asked);
            let left = match now.under_way {
                0 => patience.saturating_sub(since.elapsed()),
                _ => patience,
            };
            if left.is_zero() {
                return;
            }
            // A first request may come in between, and what counts then is `later`.
            sleep(left.min(later).max(LOOK)).await;
        }
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut now = self.0.now();
        now.under_way = now.under_way.saturating_sub(1);
        now.ended = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(400);
    const LATER: Duration = Duration::from_millis(100);

    async fn idle_after(activity: &Activity) -> Duration {
        let start = Instant::now();
        activity.idle(FIRST, LATER).await;
        start.elapsed()
    }

    #[tokio::test]
    async fn a_connection_without_a_request_is_idle_after_the_first_time() {
        let waited = idle_after(&Activity::new()).await;
        assert!((FIRST..FIRST.saturating_mul(2)).contains(&waited), "{waited:?}");
    }

    #[tokio::test]
    async fn a_request_under_way_is_waited_for_and_the_time_counts_from_its_end() {
        let activity = Activity::new();
        let (one, other) = (activity.begin(), activity.begin());
        drop(one);
        let ends = async {
            sleep(LATER.saturating_mul(3)).await;
            drop(other);
        };
        let (waited, ()) = tokio::join!(idle_after(&activity), ends);
        assert!((LATER.saturating_mul(4)..LATER.saturating_mul(6)).contains(&waited), "{waited:?}");
    }

    #[tokio::test]
    async fn a_first_request_that_has_ended_is_noticed_within_the_later_time() {
        let activity = Activity::new();
        let once = async { drop(activity.begin()) };
        let (waited, ()) = tokio::join!(idle_after(&activity), once);
        assert!((LATER..FIRST).contains(&waited), "{waited:?}");
    }
}

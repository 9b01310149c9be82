//! Which top-ups this process is carrying out.
//!
//! Only a courtesy: two that carry out the same top-up use the same idempotency key, and Stripe
//! would answer one of them late.

use std::sync::Arc;

use super::TopUps;
use crate::accounting::TopUpId;

/// Marks a top-up as carried out here, for as long as it lives.
pub(crate) struct RunningTopUp {
    topups: Arc<TopUps>,
    id: TopUpId,
}

impl RunningTopUp {
    /// `None` if it is marked already.
    pub(crate) fn mark(topups: &Arc<TopUps>, id: TopUpId) -> Option<Self> {
        let new = topups.under_way.lock().is_ok_and(|mut marked| marked.insert(id));
        new.then(|| Self { topups: Arc::clone(topups), id })
    }
}

impl Drop for RunningTopUp {
    fn drop(&mut self) {
        if let Ok(mut marked) = self.topups.under_way.lock() {
            marked.remove(&self.id);
        }
    }
}

//! Which top-ups this process is carrying out.
//!
//! Only a courtesy: two that carry out the same top-up use the same idempotency key, and Stripe
//! would answer one of them late.

use std::sync::Arc;

use stripe402_protocol::PaymentMethodId;

use super::Payments;
use crate::accounting::TopUpId;

/// Marks a top-up as carried out here, for as long as it lives.
pub(super) struct UnderWay {
    payments: Arc<Payments>,
    id: TopUpId,
}

impl UnderWay {
    /// `None` if it is marked already.
    pub(super) fn mark(payments: &Arc<Payments>, id: TopUpId) -> Option<Self> {
        let new = payments.under_way.lock().is_ok_and(|mut marked| marked.insert(id));
        new.then(|| Self { payments: Arc::clone(payments), id })
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Ok(mut marked) = self.payments.under_way.lock() {
            marked.remove(&self.id);
        }
    }
}

/// A PaymentMethod that is being verified here, for as long as it lives.
pub(super) struct Verifying {
    payments: Arc<Payments>,
    card: PaymentMethodId,
}

impl Verifying {
    /// Waits until nobody else verifies it here.
    pub(super) async fn turn(payments: &Arc<Payments>, card: &PaymentMethodId) -> Self {
        loop {
            let new = payments.verifying.lock().is_ok_and(|mut all| all.insert(card.clone()));
            if new {
                let (payments, card) = (Arc::clone(payments), card.clone());
                return Self { payments, card };
            }
            tokio::time::sleep(payments.options.poll).await;
        }
    }
}

impl Drop for Verifying {
    fn drop(&mut self) {
        if let Ok(mut all) = self.payments.verifying.lock() {
            all.remove(&self.card);
        }
    }
}

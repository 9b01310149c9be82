//! Which PaymentMethods this process is verifying.

use std::sync::Arc;

use stripe402_protocol::PaymentMethodId;

use super::CardPayments;

/// A PaymentMethod that is being verified here, for as long as it lives.
pub(super) struct Verifying {
    payments: Arc<CardPayments>,
    card: PaymentMethodId,
}

impl Verifying {
    /// Waits until nobody else verifies it here.
    pub(super) async fn turn(payments: &Arc<CardPayments>, card: &PaymentMethodId) -> Self {
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

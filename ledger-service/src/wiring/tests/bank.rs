//! A provider that takes every card.

use super::*;

/// A bank that takes every card, and counts.
pub(super) struct Bank {
    pub(super) charges: AtomicU32,
    pub(super) refunded: Mutex<Vec<String>>,
    /// How it shows every card.
    pub(super) card: Mutex<(&'static str, Option<&'static str>)>,
    /// How charges end.
    pub(super) status: Mutex<IntentStatus>,
    /// What it lists of refunds.
    pub(super) refunds: Mutex<Vec<Refund>>,
    /// What it says of every dispute.
    pub(super) dispute: Mutex<Option<Dispute>>,
    pub(super) cancelled: AtomicU32,
    /// While a customer is made, another ledger begins to look for the charge, in this store.
    pub(super) taken_on_at: Mutex<Option<Arc<dyn Store>>>,
    /// Whether cards can be verified.
    pub(super) verifies: Mutex<bool>,
    /// What was made.
    pub(super) intents: Mutex<BTreeMap<String, Intent>>,
}

impl Default for Bank {
    fn default() -> Self {
        Self {
            charges: AtomicU32::default(),
            refunded: Mutex::default(),
            card: Mutex::new(("fp", Some("cus_1"))),
            status: Mutex::new(IntentStatus::Succeeded),
            refunds: Mutex::default(),
            dispute: Mutex::default(),
            cancelled: AtomicU32::default(),
            taken_on_at: Mutex::default(),
            verifies: Mutex::new(true),
            intents: Mutex::default(),
        }
    }
}

#[async_trait]
impl Provider for Bank {
    async fn card(&self, id: &PaymentMethodId) -> Result<Card, Failure> {
        let (fingerprint, customer) = *self.card.lock().unwrap();
        let customer = customer.map(ToOwned::to_owned);
        Ok(Card {
            id: id.clone().into(),
            fingerprint: fingerprint.into(),
            customer,
            shown: None,
            token: None,
        })
    }
    async fn create_customer(&self, _: &str, _: &str) -> Result<String, Failure> {
        let store = self.taken_on_at.lock().unwrap().clone();
        if let Some(store) = store {
            let open = store.unfinished_top_ups().await.unwrap();
            let looking = Claim { epoch: 9, until_ms: u64::MAX, looking: true };
            store.advance_top_up(open[0].id, None, State::Charging(looking)).await.unwrap();
        }
        Ok("cus_1".into())
    }
    async fn has_customer(&self, _: &str) -> Result<bool, Failure> {
        Ok(true)
    }
    async fn charge(&self, charge: &CardCharge) -> Result<Intent, Failure> {
        self.charges.fetch_add(1, Ordering::SeqCst);
        let intent = Intent {
            id: format!("pi_{}", charge.top_up.replace('-', "")),
            status: *self.status.lock().unwrap(),
            amount_minor: charge.amount_minor,
            received_minor: charge.amount_minor,
            books: Some(charge.books.clone()),
            currency: charge.currency.to_string(),
            card: Some(charge.card.as_str().to_owned()),
            client_secret: None,
            top_up: Some(charge.top_up.clone()),
            customer: Some(charge.customer.clone()),
            subject: Some(charge.subject.clone()),
            declined: false,
        };
        self.intents.lock().unwrap().insert(intent.id.clone(), intent.clone());
        Ok(intent)
    }
    async fn intent(&self, id: &PaymentIntentId) -> Result<Intent, Failure> {
        let known = self.intents.lock().unwrap().get(id.as_str()).cloned();
        known.ok_or_else(|| Failure::Invalid("none".into()))
    }
    async fn intents_of(&self, _: &str, _: u64) -> Result<Vec<Intent>, Failure> {
        Ok(Vec::new())
    }
    async fn refund(&self, wanted: &NewRefund) -> Result<Refund, Failure> {
        let line = format!("{} {}", wanted.intent.as_str(), wanted.amount_minor);
        self.refunded.lock().unwrap().push(line);
        Ok(Refund {
            id: "re_1".into(),
            intent: Some(wanted.intent.as_str().to_owned()),
            hold: Some(wanted.hold.clone()),
            amount_minor: wanted.amount_minor,
            currency: "usd".into(),
            failed: false,
        })
    }
    async fn intents_since(&self, _: u64) -> Result<Vec<Intent>, Failure> {
        Ok(self.intents.lock().unwrap().values().cloned().collect())
    }
    async fn refunds_since(&self, _: u64) -> Result<Vec<Refund>, Failure> {
        Ok(self.refunds.lock().unwrap().clone())
    }
    async fn disputes_since(&self, _: u64) -> Result<Vec<Dispute>, Failure> {
        Ok(Vec::new())
    }
    async fn changed_since(&self, _: u64) -> Result<Changed, Failure> {
        Ok(Changed::default())
    }
    async fn refunds(&self, id: &PaymentIntentId) -> Result<Vec<Refund>, Failure> {
        let all = self.refunds.lock().unwrap();
        let of = |refund: &&Refund| refund.intent.as_deref().is_none_or(|of| of == id.as_str());
        Ok(all.iter().filter(of).cloned().collect())
    }
    async fn dispute(&self, _: &str) -> Result<Dispute, Failure> {
        self.dispute.lock().unwrap().clone().ok_or_else(|| Failure::Invalid("none".into()))
    }
    async fn cancel(&self, id: &PaymentIntentId, _: &str) -> Result<Intent, Failure> {
        self.cancelled.fetch_add(1, Ordering::SeqCst);
        Ok(Intent { status: IntentStatus::Canceled, ..self.intent(id).await? })
    }
    async fn verify(&self, _: &str, _: &PaymentMethodId, _: &str) -> Result<Verification, Failure> {
        let verified = *self.verifies.lock().unwrap();
        Ok(if verified { Verification::Verified } else { Verification::Failed })
    }
}

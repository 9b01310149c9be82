//! Everything that the stand-in remembers, and the records by which it survives a restart.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::idempotency::Completed;
use crate::objects::charge::Charge;
use crate::objects::customer::Customer;
use crate::objects::dispute::Dispute;
use crate::objects::event::Event;
use crate::objects::granted_token::GrantedToken;
use crate::objects::payment_intent::PaymentIntent;
use crate::objects::payment_method::PaymentMethod;
use crate::objects::refund::Refund;
use crate::objects::setup_intent::SetupIntent;
use crate::table::{Row, Table};

/// The security code that a card number was first seen with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KnownCvc {
    pub(crate) number: String,
    pub(crate) cvc: String,
}

impl Row for KnownCvc {
    fn id(&self) -> &str {
        &self.number
    }
}

/// Where events are delivered.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookEndpoint {
    /// An `http` address.
    pub url: String,
    /// What deliveries are signed with: `whsec_…`.
    pub secret: String,
}

impl fmt::Debug for WebhookEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookEndpoint").field("url", &self.url).finish_non_exhaustive()
    }
}

/// One changed object.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", content = "row", rename_all = "snake_case")]
pub(crate) enum Record {
    Charge(Charge),
    Completed(Completed),
    Customer(Customer),
    Dispute(Dispute),
    Event(Event),
    GrantedToken(GrantedToken),
    KnownCvc(KnownCvc),
    PaymentIntent(PaymentIntent),
    PaymentMethod(PaymentMethod),
    Refund(Refund),
    SetupIntent(SetupIntent),
    Webhook(Option<WebhookEndpoint>),
}

#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) charges: Table<Charge>,
    pub(crate) completed: Table<Completed>,
    pub(crate) customers: Table<Customer>,
    pub(crate) disputes: Table<Dispute>,
    pub(crate) events: Table<Event>,
    pub(crate) granted_tokens: Table<GrantedToken>,
    pub(crate) known_cvcs: Table<KnownCvc>,
    pub(crate) payment_intents: Table<PaymentIntent>,
    pub(crate) payment_methods: Table<PaymentMethod>,
    pub(crate) refunds: Table<Refund>,
    pub(crate) setup_intents: Table<SetupIntent>,
    pub(crate) webhook: Option<WebhookEndpoint>,
}

impl World {
    /// Takes what has changed since the last call, for the journal.
    pub(crate) fn drain(&mut self) -> Vec<Record> {
        let intents = self.payment_intents.drain();
        let mut records: Vec<Record> = intents.into_iter().map(Record::PaymentIntent).collect();
        records.extend(self.charges.drain().into_iter().map(Record::Charge));
        records.extend(self.completed.drain().into_iter().map(Record::Completed));
        records.extend(self.customers.drain().into_iter().map(Record::Customer));
        records.extend(self.disputes.drain().into_iter().map(Record::Dispute));
        records.extend(self.events.drain().into_iter().map(Record::Event));
        records.extend(self.granted_tokens.drain().into_iter().map(Record::GrantedToken));
        records.extend(self.known_cvcs.drain().into_iter().map(Record::KnownCvc));
        records.extend(self.payment_methods.drain().into_iter().map(Record::PaymentMethod));
        records.extend(self.refunds.drain().into_iter().map(Record::Refund));
        records.extend(self.setup_intents.drain().into_iter().map(Record::SetupIntent));
        records
    }

    /// Puts a record of the journal back.
    pub(crate) fn restore(&mut self, record: Record) {
        match record {
            Record::Charge(row) => self.charges.restore(row),
            Record::Completed(row) => self.completed.restore(row),
            Record::Customer(row) => self.customers.restore(row),
            Record::Dispute(row) => self.disputes.restore(row),
            Record::Event(row) => self.events.restore(row),
            Record::GrantedToken(row) => self.granted_tokens.restore(row),
            Record::KnownCvc(row) => self.known_cvcs.restore(row),
            Record::PaymentIntent(row) => self.payment_intents.restore(row),
            Record::PaymentMethod(row) => self.payment_methods.restore(row),
            Record::Refund(row) => self.refunds.restore(row),
            Record::SetupIntent(row) => self.setup_intents.restore(row),
            Record::Webhook(endpoint) => self.webhook = endpoint,
        }
    }
}

//! What becomes of one request: a pure state machine.
//!
//! Events go in (the request's head, the ledger's answers, the response's head, the end), and
//! what is to be done comes out. Every stream ends in exactly one reply or one pass.

mod end;
mod head;
mod reply;
mod request;

use std::rc::Rc;

use stripe402_protocol::{
    ChargeId, ClientId, PaymentIntentId, PaymentMethodId, Units,
    message::{CardPayment, Charge, Void},
};

use crate::config::{Config, Route};

pub use end::{Origin, ResponseHead};
pub use head::Head;
pub use reply::Reply;

/// One request on its way through the gate.
#[derive(Debug)]
pub struct Stream {
    config: Rc<Config>,
    phase: Phase,
}

/// How far a stream is.
#[derive(Debug)]
enum Phase {
    /// No request seen yet.
    New,
    /// Not priced: passes.
    Free,
    /// A charge is on its way to the ledger.
    Charging { sale: Sale, charge: ChargeId, client: ClientId, card: Option<CardOffer> },
    /// A card payment is on its way to the ledger.
    Paying { sale: Sale, charge: ChargeId },
    /// Charged, and on its way to the API.
    Served { sale: Sale, charge: ChargeId, client: ClientId, receipt: String },
    /// Answered by us.
    Refused,
    /// Nothing more to decide.
    Settled,
}

/// What is being bought.
#[derive(Clone, Debug)]
struct Sale {
    route: Rc<Route>,
    /// As the client wrote it, without the query.
    path: String,
}

/// A card that pays if credits do not.
#[derive(Clone, Debug)]
struct CardOffer {
    payment_method: PaymentMethodId,
    payment_intent: Option<PaymentIntentId>,
    top_up_amount: Option<i64>,
    idempotency_key: Option<String>,
}

/// What is to be done with the request now.
#[derive(Debug)]
pub enum Step {
    /// It goes on to the API, with these headers set.
    Pass(Vec<(String, String)>),
    /// It waits while this charge is made.
    Charge(Charge),
    /// It waits while this card payment is made.
    Pay(Box<CardPayment>),
    /// It is answered here.
    Reply(Reply),
}

/// What is to be done with the response.
#[derive(Debug, Default)]
pub struct ResponseStep {
    /// Headers to set.
    pub set: Vec<(&'static str, String)>,
    /// Headers to remove.
    pub remove: Vec<&'static str>,
    /// The charge to give back.
    pub void: Option<Void>,
}

/// Mints charge ids; `None` where the VM has no random source.
pub type Mint<'m> = &'m mut dyn FnMut() -> Option<ChargeId>;

impl Stream {
    /// A stream of which nothing is known yet. It keeps its configuration to its end, whatever
    /// is loaded meanwhile.
    #[must_use]
    pub const fn new(config: Rc<Config>) -> Self {
        Self { config, phase: Phase::New }
    }

    /// The charge that the ledger is being asked for.
    #[must_use]
    pub const fn waits_for(&self) -> Option<ChargeId> {
        match &self.phase {
            Phase::Charging { charge, .. } | Phase::Paying { charge, .. } => Some(*charge),
            _ => None,
        }
    }

    /// Charged: the request goes on, and the API learns who paid.
    fn serve(
        &mut self,
        sale: Sale,
        charge: ChargeId,
        client: ClientId,
        left: Units,
        charged_by: Option<String>,
    ) -> Step {
        let client_id = client.to_hex();
        let names = &self.config.identity;
        let headers = vec![
            (names.client_id.clone(), client_id.clone()),
            (names.credits_remaining.clone(), left.to_string()),
            (names.price.clone(), sale.route.price.to_string()),
            (names.charge_id.clone(), charge.to_string()),
        ];
        let receipt = stripe402_protocol::encode(&stripe402_protocol::Receipt {
            success: true,
            charge_id: charged_by,
            credits_remaining: left,
            client_id,
        });
        self.phase = Phase::Served { sale, charge, client, receipt };
        Step::Pass(headers)
    }

    fn refuse(&mut self, reply: Reply) -> Step {
        self.phase = Phase::Refused;
        Step::Reply(reply)
    }
}

#[cfg(test)]
mod tests;

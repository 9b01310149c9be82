//! What becomes of one request: a pure state machine.
//!
//! Events go in (the request's head, the ledger's answers, the response's head, the end), and
//! what is to be done comes out. Every stream ends in exactly one reply or one pass.

mod anonymous;
mod cache;
mod describe;
mod discovery;
mod encoded_reply;
mod end;
mod extend;
mod head;
mod json_rpc;
mod keys;
mod mcp;
mod metering;
mod mpp;
mod paid;
mod paywall;
mod published;
mod reply;
mod request;
mod reserved;
mod trace;
mod x402;

use std::{borrow::Cow, rc::Rc, time::Duration};

use stripe402_protocol::{
    ClientId, Currency, DeductionId, Instrument, PaymentIntentId, Receipt, ReceiptHold, Units,
    message::{
        AutoTopUpOff, Balance, BalanceAnswer, CardPayment, Deduction, KeyAnswer, KeyRequest,
        Settlement, SettlementQuery, Void,
    },
};

use crate::{
    config::{Config, LedgerUnavailable},
    pricing::{Offer, Pricing},
};
use reply::Reply;

pub use encoded_reply::EncodedReply;
pub use end::{Origin, ResponseHead};
use extend::Extension;
pub use extend::{Ended, Extending};
pub use head::{Audience, Head, Mirror, is_mirror};
pub use mcp::Decided;
use metering::Metering;
pub use metering::{BodyStep, Metered, RequestBodyUse};
use mpp::Negotiation;
pub use mpp::Offered;
pub use paid::{Paid, Passed};
pub use reserved::DEADLINE;
pub use trace::Trace;

/// One request on its way through the gate.
#[derive(Debug)]
pub struct Stream {
    config: Rc<Config>,
    audience: Audience,
    phase: Phase,
    /// Whether there is a reading of the request that no rule is about.
    open: bool,
    /// What measures the answer, where the price is known afterwards.
    metering: Option<Box<Metering>>,
    /// What it says of MPP, where the gate speaks it and the request is priced.
    mpp: Option<Box<Negotiation>>,
    /// Of a request of MCP's the id of its message, once that was read.
    call_id: Option<mcp::Answered>,
}

/// How far a stream is.
#[derive(Debug)]
enum Phase {
    /// No request seen yet.
    New,
    /// Without a payment: whether its address has one left is being looked up.
    Counting(PricedRequest),
    /// Its body is on its way, which says what it costs.
    Reading(Box<mcp::Reading>),
    /// Not priced: passes.
    Free,
    /// A deduction is on its way to the ledger.
    Deducting {
        priced: PricedRequest,
        deduction: DeductionId,
        client: ClientId,
        card: Option<CardOffer>,
    },
    /// A card payment is on its way to the ledger.
    Paying { priced: PricedRequest, deduction: DeductionId },
    /// The ledger is asked for a balance, or a receipt.
    Asking { question: DeductionId },
    /// Deducted, and on its way to the API.
    Served { priced: PricedRequest, deduction: DeductionId, client: ClientId, receipt: String },
    /// Answered by a gRPC API that has not said yet whether it succeeded: its trailers do.
    Streaming { priced: PricedRequest, deduction: DeductionId, client: ClientId },
    /// Answered, and measured as the answer passes.
    Metering {
        priced: PricedRequest,
        deduction: DeductionId,
        client: ClientId,
        /// Whose answer it is.
        by: AnsweredBy,
        /// Whether a part of its body has passed.
        answered: bool,
    },
    /// Measured, and cut off: what is held is used up.
    Ended,
    /// Not deducted, since the ledger gave no answer or it is anonymous, and on its way to the API all the same.
    Unpaid,
    /// Answered by us.
    Refused,
    /// Nothing more to decide.
    Settled,
}

/// Whose answer a client gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AnsweredBy {
    /// The API's own.
    Api,
    /// Envoy's, for what the API did or did not do.
    EnvoyForApi,
    /// Envoy's, for what the client did.
    EnvoyForClient,
}

/// What is being bought.
#[derive(Clone, Debug)]
struct PricedRequest {
    offer: Rc<Offer>,
    /// As the client wrote it, without the query.
    path: String,
}

impl PricedRequest {
    /// What it takes from a client's credit.
    fn deduction(&self, id: DeductionId, client: ClientId) -> Deduction {
        let offer = &self.offer;
        Deduction {
            id,
            client_id: client,
            currency: offer.currency,
            amount: offer.price(),
            route: offer.name.clone(),
            hold: offer.terms(&id, Duration::ZERO),
        }
    }
}

/// What the route in Envoy says of its price.
#[derive(Clone, Debug)]
pub enum RouteOverride {
    /// This.
    Offer(Rc<Offer>),
    /// That it is free.
    Free,
    /// Something that cannot be understood.
    Invalid,
    /// Nothing; here is its name, where that matters.
    None(Option<String>),
    /// Nothing; but its virtual host says what everything costs that no rule is about: this, or
    /// that it is free.
    Inherited(Option<String>, Pricing),
}

/// Why there is no word of the ledger's on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerError {
    /// It gave no answer at all.
    Unreachable,
    /// It gave one that is of no use.
    InvalidResponse,
}

/// A card that pays if credits do not.
#[derive(Clone, Debug)]
struct CardOffer {
    instrument: Instrument,
    payment_intent: Option<PaymentIntentId>,
    top_up_amount: Option<i64>,
    idempotency_key: Option<String>,
}

/// What is to be done with the request now.
#[derive(Debug)]
pub enum Step {
    /// It goes on to the API, which is told why.
    Pass(Passed),
    /// It waits while this deduction is made.
    Deduct(Deduction),
    /// It waits while this card payment is made.
    Pay(Box<CardPayment>),
    /// It waits while the ledger is asked.
    Ask(Question),
    /// It goes on if its address has had fewer than so many today without a payment.
    Count(u32),
    /// It waits for its body, which says what it costs.
    Read,
    /// It is answered here.
    Reply(EncodedReply),
}

/// What the ledger is asked for a client, and nothing is bought.
#[derive(Clone, Debug)]
pub enum Question {
    /// What it has left.
    Balance(Balance),
    /// What became of a request that it paid for.
    Settlement(SettlementQuery),
    /// That something is done with its keys.
    Keys(Box<KeyRequest>),
}

/// The ledger's answer to a [`Question`].
#[derive(Clone, Debug)]
pub enum QuestionAnswer {
    /// What is left.
    Balance(BalanceAnswer),
    /// What became of a request; `None` if it knows no such request of the client's.
    Settlement(Option<Settlement>),
    /// What is answered about keys.
    Keys(KeyAnswer),
}

/// What is to be done with the response.
#[derive(Debug, Default)]
pub struct ResponseStep {
    /// Headers to set.
    pub set: Vec<(&'static str, Cow<'static, str>)>,
    /// Headers to remove.
    pub remove: Vec<Cow<'static, str>>,
    /// The deduction to give back.
    pub void: Option<Void>,
    /// What access logs are told anew.
    pub describe: Option<String>,
}

/// What the ledger said besides what is left.
#[derive(Debug, Default)]
struct Told {
    /// The PaymentIntent by which the card was charged for this request.
    charged_by: Option<String>,
    /// Why the key that pays tops up no more.
    auto_top_up: Option<AutoTopUpOff>,
}

/// Mints deduction ids; `None` where the VM has no random source.
pub type Mint<'m> = &'m mut dyn FnMut() -> Option<DeductionId>;

impl Stream {
    /// A stream of which nothing is known yet. It keeps its configuration to its end, whatever
    /// is loaded meanwhile.
    #[must_use]
    pub const fn new(config: Rc<Config>) -> Self {
        Self {
            config,
            audience: Audience::Json,
            phase: Phase::New,
            open: false,
            metering: None,
            mpp: None,
            call_id: None,
        }
    }

    /// The deduction, or the question, that the ledger is being asked for.
    #[must_use]
    pub fn waits_for(&self) -> Option<DeductionId> {
        match &self.phase {
            Phase::Deducting { deduction, .. } | Phase::Paying { deduction, .. } => {
                Some(*deduction)
            }
            Phase::Asking { question } => Some(*question),
            Phase::Metering { .. } => self.metering.as_ref()?.extension.asking(),
            _ => None,
        }
    }

    /// What a request buys that waits for a deduction, if a lease may pay for it.
    #[must_use]
    pub fn leasing(&self) -> Option<&Offer> {
        match &self.phase {
            Phase::Deducting { priced, .. } if priced.offer.leases => Some(&priced.offer),
            _ => None,
        }
    }

    /// In which currency the request pays, if it does.
    #[must_use]
    pub fn currency(&self) -> Option<Currency> {
        match &self.phase {
            Phase::Deducting { priced, .. }
            | Phase::Paying { priced, .. }
            | Phase::Served { priced, .. }
            | Phase::Streaming { priced, .. }
            | Phase::Metering { priced, .. } => Some(priced.offer.currency),
            _ => None,
        }
    }

    /// The deduction that a request waits for, once more.
    #[must_use]
    pub fn deduction_again(&self) -> Option<Deduction> {
        let Phase::Deducting { priced, deduction, client, .. } = &self.phase else { return None };
        Some(priced.deduction(*deduction, *client))
    }

    /// The deduction of a request that went on, while it is not decided whether it stands.
    #[must_use]
    pub const fn served(&self) -> Option<DeductionId> {
        match &self.phase {
            Phase::Served { deduction, .. } | Phase::Streaming { deduction, .. } => {
                Some(*deduction)
            }
            _ => None,
        }
    }

    /// Whether the head of the response matters: not if it is our own.
    #[must_use]
    pub const fn wants_response(&self) -> bool {
        !matches!(self.phase, Phase::Refused)
    }

    /// Deducted: the request goes on, and the API learns who paid.
    fn serve(
        &mut self,
        priced: PricedRequest,
        deduction: DeductionId,
        client: ClientId,
        left: Units,
        told: Told,
    ) -> Step {
        let Told { charged_by, auto_top_up } = told;
        self.receipt_by_mpp(deduction, &client, left, charged_by.as_deref());
        let hold = self.metering.is_some().then(|| ReceiptHold {
            id: deduction,
            amount: priced.offer.price(),
            captured: None,
        });
        let receipt = if charged_by.is_none() && hold.is_none() && auto_top_up.is_none() {
            Receipt::spent(left, &client, priced.offer.currency)
        } else {
            let receipt = Receipt {
                success: true,
                charge_id: charged_by,
                credits_remaining: left,
                client_id: client.to_hex(),
                currency: Some(priced.offer.currency),
                hold,
                auto_top_up,
            };
            let encoded = stripe402_protocol::encode(&receipt);
            if let Some(metering) = &mut self.metering {
                metering.receipt = Some(receipt);
            }
            encoded
        };
        let price = priced.offer.price();
        self.phase = Phase::Served { priced, deduction, client, receipt };
        Step::Pass(Passed::Paid(Paid { client, left, price, deduction }))
    }

    /// No word of the ledger's: nothing is served, unless the operator prefers that to a refusal.
    fn without_ledger(&mut self, trouble: LedgerError) -> Step {
        let allowed = self.config.ledger_unavailable == LedgerUnavailable::Allow;
        if trouble == LedgerError::InvalidResponse || !allowed {
            return self.refuse(Reply::unavailable());
        }
        self.phase = Phase::Unpaid;
        Step::Pass(Passed::Unpaid)
    }

    fn refuse(&mut self, reply: Reply) -> Step {
        self.phase = Phase::Refused;
        Step::Reply(match (self.audience, &self.call_id) {
            (Audience::Grpc, _) => EncodedReply::grpc(reply),
            (_, Some(id)) => json_rpc::encode(reply, id.as_ref()),
            (Audience::Html | Audience::Json, None) => EncodedReply::http(reply),
        })
    }
}

#[cfg(test)]
mod tests;

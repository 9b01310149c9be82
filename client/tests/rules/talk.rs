//! One call after the other against a server, carried out as an adapter would.

use std::sync::Arc;

use stripe402_client::{
    Call, Error, Event, Outcome, Paid, Pays, Policy, Purse, Request, Secret, Step,
};
use stripe402_protocol::PaymentMethodId;

use crate::server::{Fault, Server};

pub(crate) const ORIGIN: &str = "https://api.example";
pub(crate) const NOW: u64 = 1_800_000_000;

pub(crate) fn card(name: &str) -> PaymentMethodId {
    name.parse().unwrap()
}

pub(crate) fn policy() -> Policy {
    Policy::card(card("pm_1"))
}

pub(crate) fn request() -> Request {
    Request {
        asks_price: false,
        origin: ORIGIN.into(),
        method: "GET".into(),
        path: "/api/weather".into(),
        replayable: true,
        key: String::new(),
        pays: Pays::Yes,
    }
}

/// What an adapter keeps between calls, and how many there were.
#[derive(Default)]
pub(crate) struct Payer {
    pub(crate) purse: Purse,
    pub(crate) calls: usize,
    pub(crate) now: u64,
    /// How many bodies were sent in the last call.
    pub(crate) bodies: usize,
    /// What is chosen when a card is asked for.
    pub(crate) chooses: Option<PaymentMethodId>,
}

impl Payer {
    pub(crate) fn call(
        &mut self,
        server: &mut Server,
        policy: &Policy,
        request: Request,
    ) -> Result<Outcome, Error> {
        self.faulty(server, policy, request, &mut Vec::new())
    }

    /// The faults meet the requests of this call, one each.
    pub(crate) fn faulty(
        &mut self,
        server: &mut Server,
        policy: &Policy,
        request: Request,
        faults: &mut Vec<Option<Fault>>,
    ) -> Result<Outcome, Error> {
        self.calls += 1;
        self.bodies = 0;
        let replayable = request.replayable;
        let key = format!("key-{}", self.calls);
        let mut call = Call::new(Arc::new(policy.clone()), Request { key, ..request });
        let mut event = Event::Start;
        for _ in 0..50 {
            let step = call.step(&mut self.purse, event, NOW + self.now);
            // What is kept survives being written and read.
            let kept = serde_json::to_string(&self.purse).unwrap();
            assert_eq!(serde_json::from_str::<Purse>(&kept).unwrap(), self.purse);
            event = match step {
                Step::Send { payment, .. } => {
                    self.bodies += 1;
                    assert!(replayable || self.bodies == 1, "the body was sent twice");
                    let fault = if faults.is_empty() { None } else { faults.remove(0) };
                    match server.answer(self.calls, payment.as_ref().map(Secret::expose), fault) {
                        Some(answer) => Event::Answer(answer),
                        None => Event::Lost,
                    }
                }
                Step::Ask => Event::Answer(server.answer(self.calls, None, None).unwrap()),
                Step::TakeTurn => Event::Turn,
                Step::AskForCard { .. } => Event::Card(self.chooses.clone()),
                Step::Pause { .. } => Event::Resumed,
                Step::Done { outcome } => return Ok(outcome),
                Step::Fail { error } => return Err(*error),
            };
        }
        panic!("no end")
    }

    pub(crate) fn paid(&mut self, server: &mut Server, policy: &Policy) -> Paid {
        match self.call(server, policy, request()) {
            Ok(Outcome::Paid(paid)) => paid,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn failed(&mut self, server: &mut Server, policy: &Policy) -> Error {
        self.call(server, policy, request()).unwrap_err()
    }
}

//! A server by the book (protocol, "What the server does with a request on a priced route"), in
//! memory, with whatever faults a test wants.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use stripe402_client::Answer;
use stripe402_protocol::{ClientId, DeductionId, Intent, Payment, encode};

/// Something that goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// 503 before anything was done.
    Unavailable,
    /// The card is charged, then 503: the ledger was too slow.
    UnavailableAfterCharge,
    /// Everything is done, and the connection breaks.
    LostAnswer,
    /// The API behind the gateway fails: the deduction is taken back, the top-up stays.
    ApiFails,
}

/// A top-up that waits for its cardholder.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) intent: String,
    key: String,
    amount: i64,
    confirmed: bool,
}

/// The server.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) price: i64,
    pub(crate) min_top_up: i64,
    pub(crate) extensions: bool,
    /// Whether it takes nothing in another currency than the payment names. Its own is always the dollar.
    pub(crate) compares_currencies: bool,
    pub(crate) declines: bool,
    /// What it sells in.
    pub(crate) currency: &'static str,
    /// The card whose bank asks its holder, and what waits for that (3D Secure).
    pub(crate) asking: Option<&'static str>,
    pub(crate) waiting: Option<Waiting>,
    /// Whether the price is known only afterwards: then it is held.
    pub(crate) meters: bool,
    /// What is held and for which card, and what it cost where that is known.
    pub(crate) holds: BTreeMap<DeductionId, (String, i64, Option<i64>)>,
    /// Balances by card.
    pub(crate) balances: BTreeMap<String, i64>,
    /// Keys that topped up.
    pub(crate) keys: BTreeSet<String>,
    /// What cards were charged.
    pub(crate) charges: Vec<i64>,
    /// By which call each deduction was.
    pub(crate) served: Vec<usize>,
    /// The `payment` headers that came.
    pub(crate) seen: Vec<Option<Value>>,
}

pub(crate) fn client_id(card: &str) -> ClientId {
    ClientId::derive(b"server", card)
}

impl Server {
    pub(crate) fn new() -> Self {
        Self {
            price: 500,
            min_top_up: 50_000,
            extensions: true,
            compares_currencies: true,
            declines: false,
            currency: "usd",
            asking: None,
            waiting: None,
            meters: false,
            holds: BTreeMap::new(),
            balances: BTreeMap::new(),
            keys: BTreeSet::new(),
            charges: Vec::new(),
            served: Vec::new(),
            seen: Vec::new(),
        }
    }

    pub(crate) fn charged(&self) -> i64 {
        self.charges.iter().sum()
    }

    pub(crate) fn challenge(&self) -> Value {
        let mut challenge = json!({
            "stripe402Version": 1,
            "price": self.price,
            "minTopUp": self.min_top_up,
            "resource": {"url": "/api/weather"},
            "accepts": [{
                "scheme": "stripe", "currency": self.currency, "amount": self.price,
                "minTopUp": self.min_top_up, "publishableKey": "pk_test_1",
            }],
        });
        if self.meters {
            challenge["pricing"] = json!({
                "kind": "upto", "most": self.price, "least": 0, "description": "Tokens",
            });
        }
        if self.extensions {
            let mut extensions = vec!["maxPrice", "idempotencyKey", "paymentIntentId"];
            extensions.extend(self.compares_currencies.then_some("currency"));
            challenge["extensions"] = json!(extensions);
        }
        challenge
    }

    /// The answer to a request of this call, or `None` where it is lost.
    pub(crate) fn answer(
        &mut self,
        call: usize,
        payment: Option<&str>,
        fault: Option<Fault>,
    ) -> Option<Answer> {
        let payment = payment.map(|header| Payment::decode(header.as_bytes()).unwrap());
        self.seen.push(payment.as_ref().map(|payment| json!(payment)));
        if fault == Some(Fault::Unavailable) {
            return Some(unavailable());
        }
        let answer = match payment {
            Some(payment) if payment.intent() != Intent::Nothing => {
                self.paid(call, &payment, fault)
            }
            _ => challenge(&self.challenge()),
        };
        (fault != Some(Fault::LostAnswer)).then_some(answer)
    }

    fn paid(&mut self, call: usize, payment: &Payment, fault: Option<Fault>) -> Answer {
        if self.extensions && payment.max_price.is_some_and(|most| self.price > most) {
            return challenge(&self.challenge());
        }
        let compares = self.extensions && self.compares_currencies;
        if compares && payment.currency.as_ref().is_some_and(|named| named != self.currency) {
            return challenge(&self.challenge());
        }
        if let Some(id) = &payment.client_id {
            let card = self.balances.keys().find(|card| client_id(card).to_hex() == *id).cloned();
            if let Some(card) = card
                && self.balances[&card] >= self.price
            {
                return self.serve(call, &card, None, fault);
            }
        }
        let Some(card) = payment.payment_method_id.clone() else {
            return self.short();
        };
        if self.balances.get(&card).is_some_and(|balance| *balance >= self.price) {
            return self.serve(call, &card, None, fault);
        }
        if self.declines {
            return refused("card_declined", None);
        }
        let key = payment.idempotency_key.clone().filter(|_| self.extensions);
        if key.as_ref().is_some_and(|key| self.keys.contains(key)) {
            return self.short();
        }
        let amount = payment.top_up_amount.unwrap_or(self.min_top_up);
        if amount < self.min_top_up {
            return refused("top_up_below_minimum", None);
        }
        if self.asking.is_some_and(|asking| asking == card) {
            return self.ask_cardholder(call, &card, key.unwrap_or_default(), amount, fault);
        }
        self.keys.extend(key);
        self.charges.push(amount);
        *self.balances.entry(card.clone()).or_default() += amount;
        if fault == Some(Fault::UnavailableAfterCharge) {
            return unavailable();
        }
        self.serve(call, &card, Some("pi_1"), fault)
    }

    /// One attempt at a time: another key replaces it.
    fn ask_cardholder(
        &mut self,
        call: usize,
        card: &str,
        key: String,
        amount: i64,
        fault: Option<Fault>,
    ) -> Answer {
        if let Some(done) = self.waiting.take_if(|open| open.key == key && open.confirmed) {
            self.keys.insert(key);
            *self.balances.entry(card.to_owned()).or_default() += done.amount;
            return self.serve(call, card, Some(&done.intent), fault);
        }
        if self.waiting.as_ref().is_none_or(|open| open.key != key) {
            let intent = format!("pi_{}", self.seen.len());
            self.waiting = Some(Waiting { intent, key, amount, confirmed: false });
        }
        let intent = self.waiting.as_ref().map(|open| open.intent.clone());
        let answer = refused("payment_failed", Some("authentication_required"));
        let mut body: Value = serde_json::from_str(answer.body.as_deref().unwrap()).unwrap();
        body["paymentIntentId"] = json!(intent);
        Answer { body: Some(body.to_string()), ..answer }
    }

    /// The cardholder confirms at the bank: the card is charged now.
    pub(crate) fn confirm(&mut self, intent: &str) {
        if let Some(open) = self.waiting.as_mut().filter(|open| open.intent == intent)
            && !open.confirmed
        {
            open.confirmed = true;
            self.charges.push(open.amount);
        }
    }

    /// Too late: the attempt is cancelled.
    pub(crate) fn cancel(&mut self) {
        if let Some(open) = self.waiting.take_if(|open| !open.confirmed) {
            self.keys.insert(open.key);
        }
    }

    fn serve(
        &mut self,
        call: usize,
        card: &str,
        charge: Option<&str>,
        fault: Option<Fault>,
    ) -> Answer {
        if fault == Some(Fault::ApiFails) {
            return Answer { status: 500, ..Answer::default() };
        }
        let balance = self.balances.get_mut(card).unwrap();
        *balance -= self.price;
        self.served.push(call);
        let mut receipt = json!({
            "success": true, "creditsRemaining": *balance, "clientId": client_id(card).to_hex(),
        });
        if let Some(charge) = charge {
            receipt["chargeId"] = json!(charge);
        }
        if self.meters {
            let id = DeductionId::mint(u64::try_from(self.served.len()).unwrap(), [7; 10]);
            self.holds.insert(id, (card.to_owned(), self.price, None));
            receipt["hold"] = json!({"id": id, "amount": self.price});
        }
        Answer { status: 200, payment_response: Some(encode(&receipt)), ..Answer::default() }
    }

    /// The answer has ended, and cost so much: the rest is released.
    pub(crate) fn capture(&mut self, id: DeductionId, cost: i64) {
        let (card, amount, captured) = self.holds.get_mut(&id).unwrap();
        *captured = Some(cost);
        *self.balances.get_mut(card).unwrap() += *amount - cost;
    }

    /// What the address of receipts answers.
    pub(crate) fn settlement(&self, id: DeductionId) -> (u16, Value) {
        let Some((card, amount, captured)) = self.holds.get(&id) else {
            return (404, json!({"error": {"code": "not_found"}}));
        };
        let state = if captured.is_some() { "captured" } else { "held" };
        let mut told = json!({
            "id": id, "state": state, "held": amount, "currency": "usd",
            "creditsRemaining": self.balances[card],
        });
        if let Some(cost) = captured {
            told["captured"] = json!(cost);
        }
        (200, told)
    }

    fn short(&self) -> Answer {
        let mut told = self.challenge();
        told["error"] = json!("insufficient_credits");
        challenge(&told)
    }
}

/// A 402 with this challenge, in its header and its body.
pub(crate) fn challenge(challenge: &Value) -> Answer {
    Answer {
        status: 402,
        payment_required: Some(encode(challenge)),
        body: Some(challenge.to_string()),
        ..Answer::default()
    }
}

/// A 402 that refuses a payment.
pub(crate) fn refused(code: &str, reason: Option<&str>) -> Answer {
    let mut body = json!({
        "success": false, "creditsRemaining": 0, "clientId": "", "error": "no", "errorCode": code,
    });
    if let Some(reason) = reason {
        body["reason"] = json!(reason);
    }
    let header = Some(encode(&Server::new().challenge()));
    Answer {
        status: 402,
        payment_required: header,
        body: Some(body.to_string()),
        ..Answer::default()
    }
}

/// The gateway's 503.
pub(crate) fn unavailable() -> Answer {
    let body = json!({"error": {"code": "ledger_unavailable", "message": "retry"}}).to_string();
    Answer { status: 503, retry_after: Some(1), body: Some(body), ..Answer::default() }
}

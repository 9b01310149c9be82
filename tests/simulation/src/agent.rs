//! Programs that pay: they ask, pay, confirm, retry as they are told, and give up.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use serde_json::{Value, json};
use stripe402_filter::host::StreamId;
use tokio::sync::oneshot;

use crate::{
    dice::Dice,
    gateway::{Gateway, Heard},
    world::{World, pass},
};

/// One program with one PaymentMethod.
pub struct Agent {
    world: Arc<World>,
    /// Which card.
    pub card: usize,
    /// For the story.
    pub name: String,
    method: String,
    client: RefCell<Option<String>>,
    gateways: Vec<Rc<Gateway>>,
    dice: Dice,
}

/// How a call ended for who wanted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The API answered.
    Served,
    /// Definitely refused.
    Refused,
    /// Given up.
    GivenUp,
}

impl Agent {
    /// The number-th program of a card.
    #[must_use]
    pub fn new(
        world: &Arc<World>,
        card: usize,
        number: usize,
        gateways: &[Rc<Gateway>],
    ) -> Rc<Self> {
        let name = format!("agent {}.{}", card + 1, number + 1);
        let method = format!("pm_{card}_{number}");
        let bank = world.plan.cards[card].bank;
        world.bank.add_method(&method, &fingerprint(card), bank);
        Rc::new(Self {
            world: Arc::clone(world),
            card,
            method,
            client: RefCell::default(),
            gateways: gateways.to_vec(),
            dice: world.dice(&name),
            name,
        })
    }

    /// One call, until it is served, refused, or has lasted for `patience_ms`; one that hangs up leaves
    /// in the middle of a request.
    pub async fn call(
        &self,
        named: Option<String>,
        patience_ms: u64,
        hang_up_ms: Option<u64>,
    ) -> Ended {
        let began_ms = self.world.now_ms();
        let mut with_card = self.client.borrow().is_none() || self.dice.chance(300);
        let mut intent: Option<String> = None;
        let mut confirmations = 0;
        loop {
            let heard = self.ask(with_card, named.as_ref(), intent.take(), hang_up_ms).await;
            let wait_ms = match heard {
                None => return Ended::GivenUp,
                Some(Heard::Answer(status, receipt)) => {
                    self.learn(receipt.as_deref());
                    if status < 500 {
                        return Ended::Served;
                    }
                    self.dice.between(100, 1_000)
                }
                Some(Heard::Broken) => self.dice.between(200, 2_000),
                Some(Heard::Reply(402, said, _)) => {
                    let field = |name| said.get(name).and_then(Value::as_str).unwrap_or_default();
                    match (field("errorCode"), field("reason")) {
                        (_, "authentication_required") => {
                            confirmations += 1;
                            let id = field("paymentIntentId").to_owned();
                            if id.is_empty() || confirmations > 2 {
                                return Ended::Refused;
                            }
                            pass(self.dice.between(500, 20_000)).await;
                            self.world.bank.confirm(
                                &id,
                                self.dice.chance(850),
                                self.world.now_ms(),
                            );
                            intent = Some(id);
                            0
                        }
                        (_, "rate_limited") => self.dice.between(10_000, 60_000),
                        ("insufficient_credits" | "", _) if !with_card => {
                            with_card = true;
                            0
                        }
                        // Others of the same client were quicker.
                        ("insufficient_credits", _) => self.dice.between(500, 3_000),
                        _ => return Ended::Refused,
                    }
                }
                Some(Heard::Reply(503, ..)) => self.dice.between(1_000, 3_000),
                Some(Heard::Reply(status, said, _)) => {
                    self.world.violated("answers_make_sense", format!("{status} {said}"));
                    return Ended::Refused;
                }
            };
            if self.world.now_ms().saturating_sub(began_ms) > patience_ms {
                return Ended::GivenUp;
            }
            pass(wait_ms).await;
        }
    }

    async fn ask(
        &self,
        with_card: bool,
        named: Option<&String>,
        intent: Option<String>,
        hang_up_ms: Option<u64>,
    ) -> Option<Heard> {
        let mut payment = json!({});
        if let Some(client) = self.client.borrow().as_ref().filter(|_| intent.is_none()) {
            payment["clientId"] = json!(client);
        }
        if with_card || intent.is_some() {
            payment["paymentMethodId"] = json!(self.method);
            if let Some(named) = named {
                payment["idempotencyKey"] = json!(named);
            }
        }
        if let Some(intent) = intent {
            payment["paymentIntentId"] = json!(intent);
        }
        let gateway = self.dice.pick(&self.gateways);
        let payment = stripe402_protocol::encode(&payment);
        let Some((stream, told)) = gateway.request(self.card, ("payment", &payment)) else {
            return Some(Heard::Broken);
        };
        let heard = hear(&self.world, &self.name, gateway, stream, told, hang_up_ms).await?;
        let shown = heard.shown();
        let how = if with_card { "with its card" } else { "with its client id" };
        self.world.tell(format_args!("{}", self.name), format_args!("asked {how}: {shown}"));
        Some(heard)
    }

    fn learn(&self, receipt: Option<&str>) {
        let receipt = receipt
            .and_then(|receipt| stripe402_protocol::decode::<Value>(receipt.as_bytes()).ok());
        let client =
            receipt.and_then(|receipt| Some(receipt.get("clientId")?.as_str()?.to_owned()));
        if client.is_some() {
            *self.client.borrow_mut() = client;
        }
    }
}

/// What comes of a request, unless whoever asked hangs up before.
pub(crate) async fn hear(
    world: &World,
    name: &str,
    gateway: &Gateway,
    stream: StreamId,
    told: oneshot::Receiver<Heard>,
    hang_up_ms: Option<u64>,
) -> Option<Heard> {
    let Some(after) = hang_up_ms else { return Some(told.await.unwrap_or(Heard::Broken)) };
    tokio::select! {
        biased;
        heard = told => Some(heard.unwrap_or(Heard::Broken)),
        () = pass(after) => {
            gateway.hang_up(stream);
            world.tell(format_args!("{name}"), format_args!("hangs up"));
            None
        }
    }
}

impl Heard {
    /// For the story.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Answer(status, _) => status.to_string(),
            Self::Broken => "broken".to_owned(),
            Self::Reply(status, said, _) => {
                let field = |name| said.get(name).and_then(Value::as_str).unwrap_or_default();
                format!("{status} {} {}", field("errorCode"), field("reason"))
            }
        }
    }
}

/// Of a card's number, at Stripe.
#[must_use]
pub fn fingerprint(card: usize) -> String {
    format!("fingerprint{card}")
}

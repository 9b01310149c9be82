//! Programs that pay by MPP: each challenge with a Shared Payment Token of its own, and a credential as often
//! as its answer is lost.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use serde_json::{Map, Value, json};

use crate::{
    agent::{Ended, fingerprint, hear},
    dice::Dice,
    gateway::{Gateway, Heard},
    plan::{Bank, Fault, Outage},
    world::{World, pass},
};

/// A client that pays fresh challenges does so no oftener for one call.
const PAYS: u32 = 3;
/// As the gate's default for `mpp.expires`.
const CHALLENGE_MS: u64 = 5 * 60_000;

/// A buyer's account with one card.
pub struct Buyer {
    world: Arc<World>,
    /// Which card.
    card: usize,
    /// Whether it knows the card's number and no more: its bank declines.
    thief: bool,
    name: String,
    gateways: Vec<Rc<Gateway>>,
    dice: Dice,
    /// Tokens of its own that were charged.
    used: RefCell<Vec<String>>,
}

/// What pays a challenge.
struct Credential {
    token: String,
    /// Whether the token was charged for another challenge.
    reused: bool,
    text: String,
    until_ms: u64,
}

impl Buyer {
    /// One for each card; and for each card one that only knows its number.
    #[must_use]
    pub fn new(world: &Arc<World>, card: usize, thief: bool, gateways: &[Rc<Gateway>]) -> Rc<Self> {
        let name = format!("{} {}", if thief { "thief" } else { "buyer" }, card + 1);
        let dice = world.dice(&name);
        Rc::new(Self {
            world: Arc::clone(world),
            card,
            thief,
            name,
            gateways: gateways.to_vec(),
            dice,
            used: RefCell::default(),
        })
    }

    /// One call, until it is served, refused, or has lasted for `patience_ms`.
    pub async fn call(&self, patience_ms: u64, hang_up_ms: Option<u64>) -> Ended {
        let began_ms = self.world.now_ms();
        let mut credential: Option<Credential> = None;
        let mut paid = 0;
        loop {
            let Some(heard) = self.ask(credential.as_ref(), hang_up_ms).await else {
                return Ended::GivenUp;
            };
            let wait_ms = match heard {
                Heard::Answer(status, _) if status < 500 => {
                    self.served(credential.as_ref());
                    return Ended::Served;
                }
                Heard::Answer(..) => self.dice.between(100, 1_000),
                Heard::Broken => self.dice.between(200, 2_000),
                Heard::Reply(503, ..) => self.dice.between(1_000, 30_000),
                Heard::Reply(402 | 403, said, challenge) => {
                    if let Some(credential) = &credential {
                        self.check_refused(credential, &said);
                    }
                    let Some(challenge) = challenge.filter(|_| paid < PAYS) else {
                        return Ended::Refused;
                    };
                    paid += 1;
                    credential = Some(self.pay(&challenge));
                    0
                }
                Heard::Reply(status, said, _) => {
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

    async fn ask(&self, credential: Option<&Credential>, hang_up_ms: Option<u64>) -> Option<Heard> {
        let gateway = self.dice.pick(&self.gateways);
        let text = credential.map_or("", |of| of.text.as_str());
        // A thief is somebody else, elsewhere.
        let who = if self.thief { self.card + 100 } else { self.card };
        let Some((stream, told)) = gateway.request(who, ("authorization", text)) else {
            return Some(Heard::Broken);
        };
        let heard = hear(&self.world, &self.name, gateway, stream, told, hang_up_ms).await?;
        let how = credential.map_or("nothing", |of| of.token.as_str());
        self.world.tell(
            format_args!("{}", self.name),
            format_args!("asked with {how}: {}", heard.shown()),
        );
        Some(heard)
    }

    fn served(&self, credential: Option<&Credential>) {
        if self.thief {
            self.world.violated("nobody_spends_anothers_credit", self.name.clone());
        }
        let Some(Credential { token, reused, .. }) = credential else { return };
        if *reused {
            self.world.violated("a_token_pays_once", format!("{}: {token}", self.name));
        } else if self.was_charged(token) {
            self.used.borrow_mut().push(token.clone());
        }
    }

    fn was_charged(&self, token: &str) -> bool {
        self.world.bank.with(|state| state.tokens.get(token).is_some_and(|token| token.consumed))
    }

    /// Has a token made, and puts it beside the challenge; or one that was used, now and then.
    fn pay(&self, challenge: &str) -> Credential {
        let parameters = challenge.strip_prefix("Payment ").unwrap_or_default().split("\", ");
        let parameters = parameters.filter_map(|parameter| {
            let (name, value) = parameter.split_once("=\"")?;
            Some((name.to_owned(), json!(value.trim_end_matches('"'))))
        });
        let challenge: Map<String, Value> = parameters.collect();
        let (agent, bank) = match self.thief {
            true => (format!("profile_thief_{}", self.card), Bank::Declines(u32::MAX)),
            false => (format!("profile_{}", self.card), self.world.plan.cards[self.card].bank),
        };
        let used = self.used.borrow().last().filter(|_| self.dice.chance(150)).cloned();
        let reused = used.is_some();
        let token =
            used.unwrap_or_else(|| self.world.bank.grant(&agent, &fingerprint(self.card), bank));
        let credential = json!({"challenge": challenge, "payload": {"spt": token}});
        let text = format!("Payment {}", stripe402_protocol::encode(&credential));
        Credential { token, reused, text, until_ms: self.world.now_ms() + CHALLENGE_MS }
    }

    /// Whose card was charged for a credential is not refused it, however often its answer was lost; but
    /// others of the same client may have been quicker.
    fn check_refused(&self, credential: &Credential, said: &Value) {
        let charged = self.was_charged(&credential.token) && !credential.reused;
        let touched = self.world.truth().touched.contains(&self.card);
        let spent = ["errorCode", "error"].iter().any(|of| said[of] == "insufficient_credits");
        // What Stripe did long after it was given up is found later.
        let late = |outage| matches!(outage, Fault::Stripe(Outage::HangsForLong));
        let late = self.world.plan.faults.iter().any(|fault| late(fault.what));
        if charged && !touched && !spent && !late && self.world.now_ms() < credential.until_ms {
            let seen = format!("{}: {} was charged, and heard {said}", self.name, credential.token);
            self.world.violated("charged_is_served", seen);
        }
    }
}

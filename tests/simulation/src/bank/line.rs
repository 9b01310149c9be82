//! The line from one ledger to Stripe: it is slow, it breaks, and Stripe behind it fails.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use stripe402_ledger::stripe::{
    Card, CardCharge, Changed, Dispute, Failure, GrantedToken, Intent, NewRefund, Provider, Refund,
    Verification,
};
use stripe402_protocol::{GrantedTokenId, PaymentIntentId, PaymentMethodId};

use super::{Bank, Begun, keys::Answer};
use crate::{
    dice::Dice,
    ledger::Life,
    plan::{Call, Fault, Outage, When},
    world::{World, pass},
};

/// As the ledger's default for `STRIPE_TIMEOUT`.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Stripe, from one ledger's side.
#[derive(Debug)]
pub struct Line {
    /// The world.
    pub world: Arc<World>,
    /// Which stored failures have happened, of the plan's faults.
    pub spent: Arc<Vec<AtomicBool>>,
    /// The ledger's.
    pub life: Arc<Life>,
    /// Its own.
    pub dice: Arc<Dice>,
}

impl Line {
    /// A question that changes nothing.
    async fn read<T: Send + 'static>(
        &self,
        what: &str,
        look: impl FnOnce(&Bank) -> Result<T, Failure> + Send,
    ) -> Result<T, Failure> {
        self.life.goes_on().await;
        pass(self.dice.below(40)).await;
        self.life.goes_on().await;
        let outage = self.outage();
        let answer = match outage {
            None => look(&self.world.bank),
            Some(Outage::Gone) => Err(Failure::Unknown("cannot be reached".to_owned())),
            Some(Outage::Busy) => Err(Failure::Unknown("status 429".to_owned())),
            Some(Outage::Fails | Outage::FailsAfter | Outage::Balks) => Err(self.broken()),
            Some(Outage::Hangs | Outage::HangsForLong) => {
                tokio::time::sleep(TIMEOUT).await;
                Err(Failure::Unknown("timed out".to_owned()))
            }
        };
        pass(self.dice.below(20)).await;
        self.life.goes_on().await;
        if let Err(failure) = &answer {
            self.world.tell(
                format_args!("{} ⇄ Stripe", self.life.name),
                format_args!("{what}: {failure}"),
            );
        }
        answer
    }

    /// A call that changes something, under its key. What Stripe does it does whether or not anybody
    /// listens: in a task of its own.
    async fn write(
        &self,
        call: Call,
        key: &str,
        parameters: String,
        work: impl FnOnce(&Bank, u64) -> Result<Answer, Failure> + Send + 'static,
    ) -> Result<Answer, Failure> {
        self.life.goes_on().await;
        let (tell, told) = tokio::sync::oneshot::channel();
        let (world, dice) = (Arc::clone(&self.world), Arc::clone(&self.dice));
        let bank = Arc::clone(&world.bank);
        let outage = self.outage();
        let stored = self.stored(call);
        let name = self.life.name.clone();
        let key = key.to_owned();
        let until_there = match outage {
            // Above the time-out, and within what the ledger allows for: stripe_timeout + 5 s.
            Some(Outage::Hangs) => self.dice.between(10_000, 14_000),
            Some(Outage::HangsForLong) => self.dice.between(60_000, 2_400_000),
            _ => self.dice.span(1, 400),
        };
        tokio::spawn(async move {
            pass(until_there).await;
            let fails = match outage {
                Some(Outage::Gone) => return drop(tell.send(gone())),
                Some(Outage::Busy) => {
                    let busy = Err(Failure::Unknown("status 429".to_owned()));
                    return drop(tell.send(busy));
                }
                Some(Outage::Balks) => {
                    let (cause, log) =
                        ("status 500, api_error".to_owned(), format!("req_{:016x}", dice.bits()));
                    let balks = Err(Failure::Broken { cause, log: Some(log) });
                    return drop(tell.send(balks));
                }
                Some(Outage::Fails) => Some(When::Before),
                Some(Outage::FailsAfter) => Some(When::After),
                Some(Outage::Hangs | Outage::HangsForLong) | None => stored,
            };
            let begun = bank.with(|state| state.keys.begin(&key, &parameters, world.now_ms()));
            let answer = match begun {
                Begun::Again(result) => *result,
                Begun::Busy => {
                    Err(Failure::Unknown("status 409, idempotency_key_in_use".to_owned()))
                }
                Begun::Differs => {
                    world.violated("one_key_one_request", format!("{key}: {parameters}"));
                    Err(Failure::Unknown("status 400, idempotency_error".to_owned()))
                }
                Begun::First => {
                    pass(dice.span(1, 1_500)).await;
                    let log = format!("req_{:016x}", dice.bits());
                    let broken = || {
                        let cause = "status 500, api_error".to_owned();
                        Err(Failure::Broken { cause, log: Some(log.clone()) })
                    };
                    if call == Call::Charge {
                        world.at_charge(&key);
                    }
                    let result = match fails {
                        Some(When::Before) => broken(),
                        Some(When::After) => {
                            let _ = work(&bank, world.now_ms());
                            broken()
                        }
                        None => work(&bank, world.now_ms()),
                    };
                    bank.with(|state| state.keys.end(&key, result.clone()));
                    result
                }
            };
            world.tell(
                format_args!("Stripe → {name}"),
                format_args!("{call:?} {key}: {}", shown(&answer)),
            );
            pass(dice.span(1, 100)).await;
            let _ = tell.send(answer);
        });
        let answer = tokio::time::timeout(TIMEOUT, told).await;
        self.life.goes_on().await;
        match answer {
            Ok(Ok(answer)) => answer,
            _ => Err(Failure::Unknown("timed out".to_owned())),
        }
    }

    fn outage(&self) -> Option<Outage> {
        self.world.now(|fault| match fault {
            Fault::Stripe(outage) => Some(outage),
            _ => None,
        })
    }

    /// Whether this call is the one whose failure is planned to be stored.
    fn stored(&self, call: Call) -> Option<When> {
        if self.world.is_healed() {
            return None;
        }
        let now_ms = self.world.now_ms();
        let planned = self.world.plan.faults.iter().zip(self.spent.iter());
        for (fault, spent) in planned {
            if let Fault::Stored(of, when) = fault.what
                && of == call
                && fault.at_ms <= now_ms
                && !spent.swap(true, Ordering::Relaxed)
            {
                return Some(when);
            }
        }
        None
    }

    fn broken(&self) -> Failure {
        let log = Some(format!("req_{:016x}", self.dice.bits()));
        Failure::Broken { cause: "status 500, api_error".to_owned(), log }
    }
}

fn gone() -> Result<Answer, Failure> {
    Err(Failure::Unknown("cannot be reached".to_owned()))
}

fn shown(answer: &Result<Answer, Failure>) -> String {
    match answer {
        Ok(Answer::Intent(intent)) => format!("{} {:?}", intent.id, intent.status),
        Ok(Answer::Customer(id)) => id.clone(),
        Ok(Answer::Refund(refund)) => format!("{} {}", refund.id, refund.amount_minor),
        Ok(Answer::Verification(Verification::Verified)) => "verified".to_owned(),
        Ok(Answer::Verification(_)) => "not verified".to_owned(),
        Err(failure) => failure.to_string(),
    }
}

#[async_trait]
impl Provider for Line {
    async fn card(&self, id: &PaymentMethodId) -> Result<Card, Failure> {
        self.read("a PaymentMethod", |bank| bank.card(id)).await
    }

    async fn granted_token(&self, id: &GrantedTokenId) -> Result<GrantedToken, Failure> {
        self.read("a Shared Payment Token", |bank| bank.granted_token(id)).await
    }

    async fn create_customer(&self, subject: &str, key: &str) -> Result<String, Failure> {
        let made = |bank: &Bank, _| Ok(Answer::Customer(bank.create_customer()));
        match self.write(Call::Customer, key, subject.to_owned(), made).await? {
            Answer::Customer(id) => Ok(id),
            _ => Err(other()),
        }
    }

    async fn has_customer(&self, customer: &str) -> Result<bool, Failure> {
        let look =
            |bank: &Bank| Ok(bank.with(|state| state.customers.get(customer) == Some(&true)));
        self.read("a customer", look).await
    }

    async fn charge(&self, charge: &CardCharge) -> Result<Intent, Failure> {
        self.world.before_charge(charge).await;
        let key = format!("stripe402-top-up-{}", charge.top_up);
        let wanted = charge.clone();
        let stripped = self.world.now(|fault| (fault == Fault::Stripped).then_some(())).is_some();
        let made = move |bank: &Bank, now_ms| {
            let made = bank.charge(&wanted, now_ms).map(Answer::Intent);
            if stripped {
                bank.strip(&wanted.top_up);
            }
            made
        };
        match self.write(Call::Charge, &key, format!("{charge:?}"), made).await? {
            Answer::Intent(intent) => Ok(intent),
            _ => Err(other()),
        }
    }

    async fn intent(&self, id: &PaymentIntentId) -> Result<Intent, Failure> {
        self.read("a PaymentIntent", |bank| bank.intent(id)).await
    }

    async fn intents_of(&self, customer: &str, since_ms: u64) -> Result<Vec<Intent>, Failure> {
        let since = since(since_ms);
        self.read("the customer's PaymentIntents", |bank| {
            Ok(bank.intents(|intent| {
                intent.customer.as_deref() == Some(customer) && intent.created_ms >= since
            }))
        })
        .await
    }

    async fn refund(&self, wanted: &NewRefund) -> Result<Refund, Failure> {
        let key = wanted.key();
        let order = wanted.clone();
        let stripped = self.world.now(|fault| (fault == Fault::Stripped).then_some(())).is_some();
        let made = move |bank: &Bank, now_ms| {
            let made = bank.refund(&order, now_ms).map(Answer::Refund);
            if stripped {
                bank.strip_refunds(&order.hold);
            }
            made
        };
        match self.write(Call::Refund, &key, format!("{wanted:?}"), made).await? {
            Answer::Refund(refund) => Ok(refund),
            _ => Err(other()),
        }
    }

    async fn intents_since(&self, since_ms: u64) -> Result<Vec<Intent>, Failure> {
        let since = since(since_ms);
        let ours = move |intent: &super::Paid| intent.created_ms >= since;
        self.read("PaymentIntents", move |bank| Ok(bank.intents(ours))).await
    }

    async fn refunds_since(&self, since_ms: u64) -> Result<Vec<Refund>, Failure> {
        let since = since(since_ms);
        self.read("refunds", |bank| Ok(bank.refunds(|of| of.created_ms >= since))).await
    }

    async fn disputes_since(&self, since_ms: u64) -> Result<Vec<Dispute>, Failure> {
        let since = since(since_ms);
        self.read("disputes", |bank| Ok(bank.disputes(|of| of.created_ms >= since))).await
    }

    async fn changed_since(&self, since_ms: u64) -> Result<Changed, Failure> {
        let since = since(since_ms);
        self.read("events", |bank| Ok(bank.changed_since(since))).await
    }

    async fn refunds(&self, intent: &PaymentIntentId) -> Result<Vec<Refund>, Failure> {
        let of = |refund: &super::Refunded| refund.intent == intent.as_str();
        self.read("a PaymentIntent's refunds", |bank| Ok(bank.refunds(of))).await
    }

    async fn dispute(&self, id: &str) -> Result<Dispute, Failure> {
        self.read("a dispute", |bank| {
            let found = bank.disputes(|of| of.id == id).into_iter().next();
            found.ok_or_else(|| Failure::Invalid("resource_missing".to_owned()))
        })
        .await
    }

    async fn cancel(&self, id: &PaymentIntentId, key: &str) -> Result<Intent, Failure> {
        let wanted = id.clone();
        let made = move |bank: &Bank, _| bank.cancel(&wanted).map(Answer::Intent);
        match self.write(Call::Cancel, key, id.as_str().to_owned(), made).await? {
            Answer::Intent(intent) => Ok(intent),
            _ => Err(other()),
        }
    }

    async fn verify(
        &self,
        customer: &str,
        card: &PaymentMethodId,
        key: &str,
    ) -> Result<Verification, Failure> {
        let parameters = format!("{customer} {}", card.as_str());
        let (customer, card) = (customer.to_owned(), card.clone());
        let made = move |bank: &Bank, _| bank.verify(&customer, &card).map(Answer::Verification);
        match self.write(Call::Setup, key, parameters, made).await? {
            Answer::Verification(verification) => Ok(verification),
            _ => Err(other()),
        }
    }
}

/// As the ledger's own client asks: its clock may be ahead of Stripe's.
fn since(unix_ms: u64) -> u64 {
    unix_ms.saturating_sub(crate::world::BEGINNING_MS).saturating_sub(300_000)
}

fn other() -> Failure {
    Failure::Unknown("an answer to another question".to_owned())
}

//! One request, from its first sending to its answer: a state machine.
//!
//! ```text
//!  start ─┬─ known client id ──────────────▶ spend ── served ──▶ done
//!         ├─ a balance known to be short ─┐    │ short
//!         └─ ask (unpaid) ── 402 ─────────┴──▶ turn ── card ──▶ charge ── served ──▶ done
//! ```
//! Only a call that has its origin's turn may send a card, so however many calls run at once, one
//! of them pays and the others find its credits.

mod charge;
mod credentials;
mod spend;
mod step;

use std::sync::Arc;

use stripe402_protocol::{ClientId, PaymentMethodId};

pub use step::{Event, Outcome, Paid, Pays, Request, Step};

use crate::{Error, Known, Policy, Purse, Secret, Terms};

/// More sendings than any honest conversation needs.
const MOST_SENDINGS: u8 = 8;

/// What the call waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// To be begun.
    Start,
    /// The answer to the request without payment.
    Unpaid,
    /// The answer to a request without payment and without body.
    Asked,
    /// The answer to the request, of which is known that it costs nothing.
    Free,
    /// The answer to a client id.
    Spending { payment: Secret },
    /// The origin's turn to pay.
    Waiting,
    /// Somebody's choice of a card.
    Choosing,
    /// The answer to a card.
    Charging(Charging),
    /// The moment at which the same is sent again.
    Pausing(Box<Phase>),
    /// Nothing: it is over.
    Ended,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Charging {
    payment: Secret,
    /// Whether this is the first that the server hears of its key: then a refusal means that
    /// nothing was charged.
    fresh: bool,
}

/// One request of a caller's.
#[derive(Clone, Debug)]
pub struct Call {
    policy: Arc<Policy>,
    request: Request,
    phase: Phase,
    terms: Option<Terms>,
    /// The client id that could not pay, and how many top-ups were known then.
    tried: Option<(ClientId, u64)>,
    chosen: Option<PaymentMethodId>,
    sendings: u8,
    retries: u8,
}

impl Call {
    /// A call by this policy, to be begun with [`Event::Start`].
    #[must_use]
    pub fn new(policy: Arc<Policy>, request: Request) -> Self {
        let retries = policy.retries;
        Self {
            policy,
            request,
            phase: Phase::Start,
            terms: None,
            tried: None,
            chosen: None,
            sendings: 0,
            retries,
        }
    }

    /// What to do next. What the purse says afterwards must be kept before the step is carried out:
    /// a charge is written down before the card is sent. `now` is in Unix seconds.
    pub fn step(&mut self, purse: &mut Purse, event: Event, now: u64) -> Step {
        let phase = std::mem::replace(&mut self.phase, Phase::Ended);
        let next = match (phase, event) {
            (Phase::Start, Event::Start) => self.start(purse),
            (Phase::Unpaid | Phase::Asked, Event::Answer(answer)) if answer.status == 402 => {
                self.asked_to_pay(purse, &answer)
            }
            (Phase::Asked, Event::Answer(_)) => {
                self.phase = Phase::Free;
                Ok(Step::Send { payment: None, card: false })
            }
            (Phase::Free, Event::Answer(answer)) if answer.status == 402 => {
                self.priced_meanwhile(purse, &answer)
            }
            (Phase::Unpaid | Phase::Free, Event::Answer(_)) => {
                Ok(Step::Done { outcome: Outcome::Free })
            }
            (Phase::Spending { payment }, Event::Answer(answer)) => {
                self.spent(purse, payment, &answer, now)
            }
            (Phase::Waiting, Event::Turn) => self.turn(purse, now),
            (Phase::Choosing, Event::Card(Some(card))) => {
                self.chosen = Some(card);
                self.turn(purse, now)
            }
            (Phase::Choosing, Event::Card(None)) => Err(self.cannot_pay(purse)),
            (Phase::Charging(charging), Event::Answer(answer)) => {
                self.charged(purse, charging, &answer, now)
            }
            (Phase::Pausing(phase), Event::Resumed) => self.again(*phase),
            // The card may have been charged before the connection failed.
            (Phase::Charging(_), Event::Lost) => Err(Error::OutcomeUnknown),
            (_, Event::Lost) => Err(Error::Transport),
            (_, _) => Err(Error::OutOfOrder),
        };
        next.unwrap_or_else(|error| Step::Fail { error: Box::new(error) })
    }

    fn start(&mut self, purse: &mut Purse) -> Result<Step, Error> {
        if self.may_pay().is_ok() && self.is_guarded(purse) {
            if self.is_short(purse) {
                return Ok(self.take_turn());
            }
            if let Some(client) = self.client(purse) {
                return self.spend(purse, client);
            }
        }
        Ok(self.ask())
    }

    /// Whether nothing is paid, whatever this costs by now, but what the caller allows: the server compares the
    /// price, and the currency too, or else the currency was told before. A caller who wants to know the price
    /// is told it first.
    fn is_guarded(&self, purse: &Purse) -> bool {
        let Some(known) = self.known(purse) else { return false };
        let told = known.routes.get(&self.request.route()).map(|terms| terms.currency);
        if self.request.asks_price && told.is_none() {
            return false;
        }
        known.knows_max_price && (known.knows_currency || told == Some(self.policy.currency))
    }

    /// Asks for the price: with the request itself where it can be sent again.
    fn ask(&mut self) -> Step {
        if self.request.replayable || self.may_pay().is_err() {
            self.phase = Phase::Unpaid;
            Step::Send { payment: None, card: false }
        } else {
            self.phase = Phase::Asked;
            Step::Ask
        }
    }

    /// The first 402.
    fn asked_to_pay(&mut self, purse: &mut Purse, answer: &crate::Answer) -> Result<Step, Error> {
        self.may_pay()?;
        self.agree(purse, answer)?;
        match self.client(purse) {
            Some(client) => self.spend(purse, client),
            None => self.by_card(purse),
        }
    }

    /// Free when asked without its body, and priced with it.
    fn priced_meanwhile(
        &mut self,
        purse: &mut Purse,
        answer: &crate::Answer,
    ) -> Result<Step, Error> {
        self.may_pay()?;
        let terms = Box::new(self.agree(purse, answer)?);
        Err(Error::BodyConsumed { terms })
    }

    /// Reads what is asked for, and remembers it if the caller agrees.
    fn agree(&mut self, purse: &mut Purse, answer: &crate::Answer) -> Result<Terms, Error> {
        let terms = Terms::read(answer.payment_required.as_deref())?;
        terms.agreed(&self.policy)?;
        purse.learn(&self.request.origin, &self.request.route(), &terms);
        self.terms = Some(terms.clone());
        Ok(terms)
    }

    /// A card is needed: is there one, and may the request be sent again?
    fn by_card(&mut self, purse: &Purse) -> Result<Step, Error> {
        if self.card(purse)?.is_none() && !self.policy.can_ask_for_card {
            return Err(self.cannot_pay(purse));
        }
        Ok(self.take_turn())
    }

    fn take_turn(&mut self) -> Step {
        self.phase = Phase::Waiting;
        Step::TakeTurn
    }

    /// It is this call's turn: another may have paid meanwhile.
    fn turn(&mut self, purse: &mut Purse, now: u64) -> Result<Step, Error> {
        let client = self.client(purse);
        let untried = client.filter(|id| self.tried != Some((*id, self.top_ups(purse))));
        if let Some(client) = untried
            && !self.is_short(purse)
        {
            return self.spend(purse, client);
        }
        match self.card(purse)? {
            Some(card) => match (self.charge(purse, card, now), untried) {
                // The card may not pay; the balance may suffice after all, if others topped it up.
                (Err(Error::BudgetExceeded { .. } | Error::ChargeTooHigh { .. }), Some(client)) => {
                    self.spend(purse, client)
                }
                (next, _) => next,
            },
            None if self.policy.can_ask_for_card && self.chosen.is_none() => {
                self.phase = Phase::Choosing;
                Ok(Step::AskForCard { terms: Box::new(self.terms()?) })
            }
            None => Err(self.cannot_pay(purse)),
        }
    }

    /// The same again, after a pause.
    fn again(&mut self, phase: Phase) -> Result<Step, Error> {
        let (payment, card) = match &phase {
            Phase::Spending { payment } => (payment.clone(), false),
            Phase::Charging(charging) => (charging.payment.clone(), true),
            _ => return Err(Error::OutOfOrder),
        };
        self.phase = phase;
        self.send(payment, card)
    }

    fn send(&mut self, payment: Secret, card: bool) -> Result<Step, Error> {
        self.sendings = self.sendings.saturating_add(1);
        if self.sendings > MOST_SENDINGS {
            self.phase = Phase::Ended;
            return Err(Error::PaymentLoop { card_sent: card });
        }
        Ok(Step::Send { payment: Some(payment), card })
    }

    /// Waits if the server says that the request was not served, and it can be sent again.
    fn pause(&mut self, phase: Phase, answer: &crate::Answer) -> Option<Step> {
        if !self.request.replayable || self.retries == 0 {
            return None;
        }
        self.retries = self.retries.saturating_sub(1);
        self.phase = Phase::Pausing(Box::new(phase));
        Some(Step::Pause { seconds: answer.retry_after.unwrap_or(1).min(30) })
    }

    /// Whether the last receipt left less than this request cost when it was last asked for, so
    /// that the card can go with it at once.
    fn is_short(&self, purse: &Purse) -> bool {
        let Some(known) = self.known(purse) else { return false };
        let Some(terms) = known.routes.get(&self.request.route()) else { return false };
        let left = known.balances.get(terms.currency.as_str());
        left.is_some_and(|left| *left < terms.price)
            && known.client_id.is_some()
            && self.card(purse).is_ok_and(|card| card.is_some())
            && terms.agreed(&self.policy).is_ok()
    }

    fn cannot_pay(&self, purse: &Purse) -> Error {
        let terms = match self.terms() {
            Ok(terms) => Box::new(terms),
            Err(error) => return error,
        };
        if self.client(purse).is_some() {
            Error::InsufficientCredits { terms }
        } else {
            Error::NothingToPayWith { terms }
        }
    }

    /// What was agreed to.
    fn terms(&self) -> Result<Terms, Error> {
        self.terms.clone().ok_or(Error::OutOfOrder)
    }

    fn known<'a>(&self, purse: &'a Purse) -> Option<&'a Known> {
        purse.known(&self.request.origin)
    }

    fn top_ups(&self, purse: &Purse) -> u64 {
        self.known(purse).map(|known| known.top_ups).unwrap_or_default()
    }
}

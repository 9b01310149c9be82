//! What is for sale: one offer, and its challenges.

use std::{cell::OnceCell, rc::Rc, time::Duration};

use stripe402_protocol::{
    Anonymous, Challenge, Currency, DeductionId, Resource, Trial, Units,
    message::{CardTrial, HoldTerms, KeyRefusal},
};

use super::{Price, Tools};

/// What a request costs, as far as anything says so.
#[derive(Clone, Debug)]
pub enum Pricing {
    /// This.
    Offer(Rc<Offer>),
    /// Nothing.
    Free,
    /// Nobody says anything of it.
    Unlisted,
}

impl Pricing {
    /// What a rule, a route or a virtual host says: no offer means that it is free.
    #[must_use]
    pub fn of(offer: Option<&Rc<Offer>>) -> Self {
        offer.map_or(Self::Free, |offer| Self::Offer(Rc::clone(offer)))
    }

    /// The dearer of two that both say something; the other one if they are alike.
    #[must_use]
    pub fn dearer(self, other: Self) -> Self {
        if other.price() >= self.price() { other } else { self }
    }

    fn price(&self) -> i64 {
        match self {
            Self::Offer(offer) => offer.price().get(),
            Self::Free => 0,
            Self::Unlisted => -1,
        }
    }
}

/// One thing that is for sale.
#[derive(Debug)]
pub struct Offer {
    /// For the books and the log.
    pub name: String,
    /// What one request costs.
    pub price: Price,
    /// The currency of every amount here.
    pub currency: Currency,
    /// The least that a card is charged; never below the price.
    pub min_top_up: Units,
    /// The most.
    pub max_top_up: Units,
    /// For people and agents that choose.
    pub description: Option<String>,
    /// The media type of the answer.
    pub mime_type: Option<String>,
    /// Which failures give the price back.
    pub void_on: VoidOn,
    /// Whether busy clients may be paid for from leases.
    pub leases: bool,
    /// What a card that never paid gets without a charge; never below the price.
    pub trial: Option<CardTrial>,
    /// How many requests an address has in a day without a payment; 0: none.
    pub anonymous: u32,
    /// What MCP's messages cost each, where the body says which one it is; `price` is the dearest.
    pub tools: Option<Box<Tools>>,
    pub(crate) encoded: EncodedChallenges,
}

/// The challenges for the one path that most clients ask for, once they were asked for.
#[derive(Debug, Default)]
pub(crate) struct EncodedChallenges {
    path: Option<Box<str>>,
    first: OnceCell<EncodedChallenge>,
    insufficient: OnceCell<EncodedChallenge>,
}

impl EncodedChallenges {
    /// For requests of this path.
    pub(crate) fn of(path: Option<Box<str>>) -> Self {
        Self { path, ..Self::default() }
    }
}

/// A challenge as it travels.
#[derive(Clone, Debug)]
pub struct EncodedChallenge {
    /// The `payment-required` header.
    pub header: Rc<str>,
    /// The body: the same JSON.
    pub body: Rc<[u8]>,
}

/// Which failures of a request give its price back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a set: each is on or off by itself")]
pub struct VoidOn {
    /// The API answered 5xx.
    pub upstream_5xx: bool,
    /// The API could not be reached, or broke off.
    pub upstream_reset: bool,
    /// The API did not answer in time.
    pub upstream_timeout: bool,
    /// A gRPC API says that it failed: `grpc-status` 2, 4, 8, 13 or 14.
    pub grpc_failure: bool,
    /// The API answered 4xx.
    pub upstream_4xx: bool,
    /// The API answered 304.
    pub not_modified: bool,
    /// The client left after the request was forwarded.
    pub client_gone: bool,
}

impl Offer {
    /// What one request costs at the most: what its challenge says.
    #[must_use]
    pub fn price(&self) -> Units {
        self.price.most()
    }

    /// The challenge for a request of this path.
    #[must_use]
    pub fn challenge(
        &self,
        path: &str,
        insufficient: bool,
        publishable_key: &str,
    ) -> EncodedChallenge {
        let make = || {
            let challenge = self.unencoded(path, publishable_key);
            let challenge = if insufficient { challenge.insufficient_credits() } else { challenge };
            EncodedChallenge::new(&challenge)
        };
        if self.encoded.path.as_deref() != Some(path) {
            return make();
        }
        let kept = if insufficient { &self.encoded.insufficient } else { &self.encoded.first };
        kept.get_or_init(make).clone()
    }

    /// The terms of a hold of this id; `None` if the price is known beforehand.
    #[must_use]
    pub fn terms(&self, id: &DeductionId, opened_within: Duration) -> Option<HoldTerms> {
        match &self.price {
            Price::Flat(_) => None,
            Price::Metered(price) => Some(price.terms(id, opened_within)),
        }
    }

    /// The challenge to a client that owes so much.
    #[must_use]
    pub fn challenge_in_debt(
        &self,
        path: &str,
        owed: Units,
        publishable_key: &str,
    ) -> EncodedChallenge {
        EncodedChallenge::new(&self.unencoded(path, publishable_key).in_debt(owed))
    }

    /// The challenge to a key whose limits do not allow the request.
    #[must_use]
    pub fn challenge_to_key(
        &self,
        path: &str,
        refusal: KeyRefusal,
        publishable_key: &str,
    ) -> EncodedChallenge {
        let challenge = self.unencoded(path, publishable_key);
        EncodedChallenge::new(&challenge.refused_to_key(refusal.reason()))
    }

    fn unencoded(&self, path: &str, publishable_key: &str) -> Challenge {
        let resource = Resource {
            url: path.to_owned(),
            description: self.description.clone(),
            mime_type: self.mime_type.clone(),
        };
        let (price, currency) = (self.price(), self.currency);
        let challenge = Challenge::new(resource, price, self.min_top_up, currency, publishable_key);
        let (trial, anonymous) = (self.trial_told(), self.anonymous_told());
        Challenge { pricing: self.price.told(), trial, anonymous, ..challenge }
    }

    /// What buyers are told of trial credit. Of MCP's tools each says its own.
    #[must_use]
    pub fn trial_told(&self) -> Option<Trial> {
        let trial = self.trial.filter(|_| self.tools.is_none());
        trial.map(|trial| Trial { units: trial.units })
    }

    /// What they are told of requests without a payment, in the same way.
    #[must_use]
    pub fn anonymous_told(&self) -> Option<Anonymous> {
        let offers = self.anonymous > 0 && self.tools.is_none();
        offers.then_some(Anonymous { requests: self.anonymous })
    }
}

impl EncodedChallenge {
    fn new(challenge: &Challenge) -> Self {
        let body = serde_json::to_vec(challenge).unwrap_or_default();
        Self { header: stripe402_protocol::encode_bytes(&body).into(), body: body.into() }
    }
}

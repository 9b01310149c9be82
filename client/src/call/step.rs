//! What a call is told, and what it asks for.

use serde::{Deserialize, Serialize};
use stripe402_protocol::{ClientId, PaymentMethodId, Units};

use crate::{Answer, Error, Hold, Secret, Terms};

/// What the rules have to know of a request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Scheme, host and port as browsers write them, such as `https://api.example`.
    pub origin: String,
    /// The method, in capitals.
    pub method: String,
    /// The path, without its query.
    pub path: String,
    /// Whether the body, if there is one, can be sent a second time.
    pub replayable: bool,
    /// The name of the one top-up that this call may make: 1–64 printable ASCII characters that
    /// nobody used before.
    pub key: String,
    /// Whether this may be paid for.
    #[serde(default)]
    pub pays: Pays,
    /// Whether its price is asked for before the first payment of its route, so that the caller can be told
    /// what it paid.
    #[serde(default)]
    pub asks_price: bool,
}

/// Whether a request may be paid for: after a redirect it may not always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Pays {
    /// As the policy says.
    #[default]
    Yes,
    /// The caller asked another origin and was redirected here.
    NotThere,
    /// The caller has paid for the answer that redirected here.
    NotAgain,
}

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The caller wants an answer.
    Start,
    /// The answer to what was sent.
    Answer(Answer),
    /// What was sent got no answer.
    Lost,
    /// Nobody else pays at this origin now, and the purse is as the last one left it.
    Turn,
    /// The card that somebody chose, if they did.
    Card(Option<PaymentMethodId>),
    /// The pause is over.
    Resumed,
}

/// What to do next.
#[derive(Debug)]
pub enum Step {
    /// Send the request, its body included, with this `payment` header or with none; and tell the
    /// answer. The turn is kept if there is a `card` in it, else given back.
    Send {
        /// The header's value.
        payment: Option<Secret>,
        /// Whether a card may be charged.
        card: bool,
    },
    /// Send the request without payment and without its body, to learn the price; and tell the
    /// answer.
    Ask,
    /// Wait until nobody else pays at this origin, then read the purse anew.
    TakeTurn,
    /// Ask somebody for a card, keeping the turn.
    AskForCard {
        /// What it is for.
        terms: Box<Terms>,
    },
    /// Wait, keeping the turn if it was taken.
    Pause {
        /// For so many seconds.
        seconds: u32,
    },
    /// The last answer is the caller's. The turn is given back.
    Done {
        /// How it was paid for.
        outcome: Outcome,
    },
    /// There is no answer for the caller. The turn is given back.
    Fail {
        /// Why.
        error: Box<Error>,
    },
}

/// How an answer was paid for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Not at all: nobody asked for it.
    Free,
    /// By a receipt.
    Paid(Paid),
    /// A payment was sent, and there is no receipt: the API failed, and its gateway took nothing
    /// (or took back what it took); a card that was charged has its credit.
    NotTaken,
}

/// What a receipt says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Paid {
    /// What is left.
    pub credits_remaining: Units,
    /// The id that pays from now on; a bearer credential.
    pub client_id: ClientId,
    /// The PaymentIntent, where a card was charged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charge_id: Option<String>,
    /// What the card was charged, in units of credit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charged: Option<Units>,
    /// What is held, where the price is known only after the answer. [`Self::credits_remaining`]
    /// leaves it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
}

impl Request {
    /// How the price of this request is remembered.
    pub(super) fn route(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

impl Step {
    /// Whether the origin's turn, if it was taken, is kept while the step is carried out.
    #[must_use]
    pub fn keeps_turn(&self) -> bool {
        match self {
            Self::Send { card, .. } => *card,
            Self::Pause { .. } | Self::AskForCard { .. } | Self::TakeTurn => true,
            Self::Ask | Self::Done { .. } | Self::Fail { .. } => false,
        }
    }
}

//! Which rows are wanted.

use stripe402_protocol::{ClientId, Currency};

use crate::{
    accounting::{Kind, OrderKind},
    operator::work::view::Stage,
};

/// Which rows of a table are wanted: those that fit all that is said. What a table does not have is not asked
/// of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// When they came.
    pub period: Period,
    /// Whose: a subject or a client id.
    pub client: Option<String>,
    /// In which currency.
    pub currency: Option<Currency>,
    /// At least so many units, without their sign.
    pub least: Option<u64>,
    /// At most so many.
    pub most: Option<u64>,
    /// What names it: an id of Stripe's, an operator's reference, the id of a card charge or an action.
    pub about: Option<String>,
    /// The last four digits of the card.
    pub card: Option<String>,
    /// Movements of these kinds; of all without any.
    pub kinds: Vec<Kind>,
    /// Card charges that are so far.
    pub stage: Option<Stage>,
    /// What this operator did.
    pub actor: Option<String>,
    /// Actions of this kind.
    pub action: Option<OrderKind>,
}

/// From when until before when, Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first millisecond.
    pub from_ms: u64,
    /// The first one after it.
    pub until_ms: u64,
}

impl Default for Period {
    /// All time.
    fn default() -> Self {
        Self { from_ms: 0, until_ms: u64::MAX }
    }
}

/// A filter, with its client found.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Wanted {
    pub(super) filter: Filter,
    pub(super) client: Option<ClientId>,
}

impl Wanted {
    pub(in super::super) const fn client(&self) -> Option<ClientId> {
        self.client
    }

    pub(in super::super) fn is_of(&self, client: ClientId, currency: Currency) -> bool {
        self.client.is_none_or(|of| of == client)
            && self.filter.currency.is_none_or(|of| of == currency)
    }

    pub(super) fn has_amount(&self, units: i64) -> bool {
        let size = units.unsigned_abs();
        self.filter.least.is_none_or(|least| size >= least)
            && self.filter.most.is_none_or(|most| size <= most)
    }

    /// Whether one of these texts is what the rows are wanted about. A text that is made of several, as the
    /// name of a refund's hold is of a PaymentIntent and a reference, names each.
    pub(super) fn is_about<'t>(&self, texts: impl IntoIterator<Item = &'t str>) -> bool {
        let Some(about) = self.filter.about.as_deref() else { return true };
        texts.into_iter().any(|text| text == about || text.split(':').any(|part| part == about))
    }
}

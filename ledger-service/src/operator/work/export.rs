//! Whole tables for bookkeeping and support, read piece by piece: as many rows as there are, in little memory.

use std::sync::Arc;

use futures_util::stream::{self, Stream};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    Operations, OperatorError,
    view::{Account, Entry, Movement, TopUp},
};
use crate::{
    accounting::{AccountKey, AuditKey, Kind},
    store::{MovementPlace, Page, Placed as _, Store, StoreError, TopUpPlace},
};

/// Rows that are read at once.
const PIECE: usize = 500;

/// What can be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Table {
    /// What each account holds now; it has no time.
    Clients,
    /// Charges to cards, also those that were declined.
    CardCharges,
    /// Every movement.
    Movements,
    /// Of these, refunds: `capture` was ordered here, `refund` at Stripe.
    Refunds,
    /// Of these, disputes.
    Disputes,
    /// What operators did.
    Audit,
}

/// From when until before when, Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first millisecond.
    pub from_ms: u64,
    /// The first one after it.
    pub until_ms: u64,
}

/// A row: an object of the operator API.
pub type Row = Map<String, Value>;

/// Where the next piece begins.
#[derive(Clone, Debug)]
enum Place {
    Account(AccountKey),
    TopUp(TopUpPlace),
    Movement(MovementPlace),
    Audit(AuditKey),
}

impl Table {
    /// The names of a row's fields, in the order in which people read them. The first is a time, if any is.
    #[must_use]
    pub const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Clients => {
                &["subject", "currency", "available", "pending", "debt", "frozen", "generation"]
            }
            Self::CardCharges => &[
                "created_ms",
                "id",
                "subject",
                "currency",
                "amount",
                "state",
                "payment_intent",
                "code",
                "message",
            ],
            Self::Movements | Self::Refunds | Self::Disputes => {
                &["at_ms", "subject", "currency", "kind", "amount", "reference", "note"]
            }
            Self::Audit => &[
                "at_ms",
                "action",
                "actor",
                "kind",
                "subject",
                "currency",
                "units",
                "reference",
                "reason",
                "outcome",
                "detail",
            ],
        }
    }

    fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Refunds => &[Kind::Capture, Kind::Refund, Kind::RefundFailed],
            Self::Disputes => &[Kind::DisputeOpened, Kind::DisputeWon, Kind::DisputeLost],
            _ => &Kind::ALL,
        }
    }
}

impl Operations {
    /// The rows of a table, newest first, some at a time. Each row that was there at the beginning comes once.
    /// An error is the last thing that comes.
    pub fn export(
        &self,
        table: Table,
        period: Period,
    ) -> impl Stream<Item = Result<Vec<Row>, OperatorError>> + Send + use<> {
        // None once there is no more.
        let beginning = Some((Arc::clone(&self.store), None));
        stream::unfold(beginning, move |next| async move {
            let (store, place) = next?;
            Some(match piece(store.as_ref(), table, period, place).await {
                Ok((rows, place)) => (Ok(rows), place.map(|place| (store, Some(place)))),
                Err(error) => (Err(error.into()), None),
            })
        })
    }
}

/// Some rows after this place, and the place of the last one.
async fn piece(
    store: &dyn Store,
    table: Table,
    period: Period,
    after: Option<Place>,
) -> Result<(Vec<Row>, Option<Place>), StoreError> {
    match table {
        Table::Clients => {
            let after = if let Some(Place::Account(key)) = after { Some(key) } else { None };
            let keys = store.accounts(None, after, PIECE).await?;
            let mut rows = Vec::new();
            for key in &keys {
                let account = Account::of(key, &store.account(*key).await?);
                let mut shown = row(&account);
                shown.insert("subject".to_owned(), key.client.subject().into());
                rows.push(shown);
            }
            Ok((rows, keys.last().map(|key| Place::Account(*key))))
        }
        Table::CardCharges => {
            let before = if let Some(Place::TopUp(place)) = after { Some(place) } else { None };
            let found = store.recent_top_ups(period.page(before)).await?;
            let next = found.last().map(|last| Place::TopUp(last.place()));
            Ok((found.iter().map(|of| row(&TopUp::from(of))).collect(), next))
        }
        Table::Audit => {
            let before = if let Some(Place::Audit(place)) = after { Some(place) } else { None };
            let found = store.audit(period.page(before)).await?;
            let next = found.last().map(|last| Place::Audit(last.place()));
            Ok((found.into_iter().map(|of| row(&Entry::from(of))).collect(), next))
        }
        Table::Movements | Table::Refunds | Table::Disputes => {
            let before = if let Some(Place::Movement(place)) = after { Some(place) } else { None };
            let found = store.latest_movements(table.kinds(), period.page(before)).await?;
            let next = found.last().map(|last| Place::Movement(last.place()));
            let rows = found.into_iter().map(|(key, of)| row(&Movement::of(&key, of)));
            Ok((rows.collect(), next))
        }
    }
}

impl Period {
    const fn page<P>(self, before: Option<P>) -> Page<P> {
        Page { from_ms: self.from_ms, until_ms: self.until_ms, before, most: PIECE }
    }
}

/// What the API shows of it.
fn row(of: &impl Serialize) -> Row {
    match serde_json::to_value(of) {
        Ok(Value::Object(row)) => row,
        _ => Row::new(),
    }
}

//! Whole tables for bookkeeping and support, read piece by piece: as many rows as there are, in little memory.

use std::sync::Arc;

use futures_util::stream::{self, Stream};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    Operations, OperatorError,
    table::{Filter, Tabled, Wanted, piece},
    view::{self, Account, Entry},
};
use crate::{
    accounting::{AccountKey, AuditEntry, Kind, Movement, TopUp},
    store::{Placed, Store},
};

/// Rows that are read at once.
const PIECE: usize = 500;

/// What can be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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

/// A row: an object of the operator API.
pub type Row = Map<String, Value>;

/// Where the next piece begins.
#[derive(Clone)]
enum Place {
    Account(AccountKey),
    TopUp(<TopUp as Placed>::Place),
    Movement(<(AccountKey, Movement) as Placed>::Place),
    Audit(<AuditEntry as Placed>::Place),
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
                "card",
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

    /// The kinds of movements that it has; all without any.
    #[must_use]
    pub const fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Refunds => &[Kind::Capture, Kind::Refund, Kind::RefundFailed],
            Self::Disputes => &[Kind::DisputeOpened, Kind::DisputeWon, Kind::DisputeLost],
            _ => &[],
        }
    }

    /// The names of what its rows can be chosen by.
    #[must_use]
    pub const fn filters(self) -> &'static [&'static str] {
        match self {
            Self::Clients => &["client", "currency"],
            Self::CardCharges => {
                &["client", "currency", "from_ms", "until_ms", "least", "most", "about", "state", "card"]
            }
            Self::Movements => {
                &["client", "currency", "from_ms", "until_ms", "least", "most", "about", "kind"]
            }
            Self::Refunds | Self::Disputes => {
                &["client", "currency", "from_ms", "until_ms", "least", "most", "about"]
            }
            Self::Audit => &[
                "client", "currency", "from_ms", "until_ms", "least", "most", "about", "kind",
                "actor",
            ],
        }
    }
}

impl Operations {
    /// The rows of a table that fit, newest first, some at a time. Each row that was there at the beginning
    /// comes once. An error is the last thing that comes.
    ///
    /// # Errors
    /// [`OperatorError`] if there is no such client, or the store cannot be read.
    pub async fn export(
        &self,
        table: Table,
        mut filter: Filter,
    ) -> Result<impl Stream<Item = Result<Vec<Row>, OperatorError>> + Send + use<>, OperatorError>
    {
        if !table.kinds().is_empty() {
            filter.kinds = table.kinds().to_vec();
        }
        let wanted = Arc::new(self.wanted(&filter).await?);
        // None once there is no more.
        let beginning = Some((Arc::clone(&self.store), None));
        Ok(stream::unfold(beginning, move |next| {
            let wanted = Arc::clone(&wanted);
            async move {
                let (store, place) = next?;
                Some(match rows(store.as_ref(), table, &wanted, place).await {
                    Ok((rows, place)) => (Ok(rows), place.map(|place| (store, Some(place)))),
                    Err(error) => (Err(error), None),
                })
            }
        }))
    }
}

/// Some rows after this place, and the place to go on from.
async fn rows(
    store: &dyn Store,
    table: Table,
    wanted: &Wanted,
    after: Option<Place>,
) -> Result<(Vec<Row>, Option<Place>), OperatorError> {
    match table {
        Table::Clients => {
            let after = if let Some(Place::Account(key)) = after { Some(key) } else { None };
            let keys = store.accounts(wanted.client(), after, PIECE).await?;
            let mut rows = Vec::new();
            for key in keys.iter().filter(|key| wanted.is_of(key.client, key.currency)) {
                let account = Account::of(key, &store.account(*key).await?);
                let mut shown = row(&account);
                shown.insert("subject".to_owned(), key.client.subject().into());
                rows.push(shown);
            }
            Ok((rows, keys.last().map(|key| Place::Account(*key))))
        }
        Table::CardCharges => {
            let before = if let Some(Place::TopUp(place)) = after { Some(place) } else { None };
            let shown = |of: TopUp| row(&view::TopUp::from(&of));
            shown_rows(store, wanted, before, (shown, Place::TopUp)).await
        }
        Table::Audit => {
            let before = if let Some(Place::Audit(place)) = after { Some(place) } else { None };
            let shown = |of: AuditEntry| row(&Entry::from(of));
            shown_rows(store, wanted, before, (shown, Place::Audit)).await
        }
        Table::Movements | Table::Refunds | Table::Disputes => {
            let before = if let Some(Place::Movement(place)) = after { Some(place) } else { None };
            let shown = |(key, of): (AccountKey, Movement)| row(&view::Movement::of(&key, of));
            shown_rows(store, wanted, before, (shown, Place::Movement)).await
        }
    }
}

async fn shown_rows<T: Tabled>(
    store: &dyn Store,
    wanted: &Wanted,
    before: Option<T::Place>,
    (shown, placed): (impl Fn(T) -> Row, impl Fn(T::Place) -> Place),
) -> Result<(Vec<Row>, Option<Place>), OperatorError> {
    let found = piece::<T>(store, wanted, before, PIECE).await?;
    Ok((found.rows.into_iter().map(shown).collect(), found.next.map(placed)))
}

/// What the API shows of it.
fn row(of: &impl Serialize) -> Row {
    match serde_json::to_value(of) {
        Ok(Value::Object(row)) => row,
        _ => Row::new(),
    }
}

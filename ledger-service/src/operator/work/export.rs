//! Whole tables for bookkeeping and support, read piece by piece: as many rows as there are, in little memory.

use std::{sync::Arc, time::Instant};

use futures_util::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, Stream},
};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    Operations, OperatorError,
    table::{Filter, SLOW, Tabled, Wanted, piece},
    view::{self, Account, Entry},
};
use crate::{
    accounting::{AccountKey, AuditEntry, Kind, Movement, TopUp},
    config::Table,
    store::{Placed, Store},
};

/// Rows that are read at once.
const PIECE: usize = 500;
/// The same, of a store that looks through all there is for each piece: some 50 MB.
const LARGE: usize = 50_000;
/// Accounts that are read at once.
const AT_ONCE: usize = 16;

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
            Self::CardCharges => &[
                "client", "currency", "from_ms", "until_ms", "least", "most", "about", "state",
                "card",
            ],
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
        let beginning = Some((Arc::clone(&self.store), None, PIECE));
        Ok(stream::unfold(beginning, move |next| {
            let wanted = Arc::clone(&wanted);
            async move {
                let (store, place, many) = next?;
                let began = Instant::now();
                let found = rows(store.as_ref(), table, &wanted, (place, many)).await;
                let many = if began.elapsed() < SLOW { many } else { LARGE };
                Some(match found {
                    Ok((rows, place)) => (Ok(rows), place.map(|place| (store, Some(place), many))),
                    Err(error) => (Err(error), None),
                })
            }
        }))
    }
}

/// So many rows after this place, and the place to go on from.
async fn rows(
    store: &dyn Store,
    table: Table,
    wanted: &Wanted,
    (after, many): (Option<Place>, usize),
) -> Result<(Vec<Row>, Option<Place>), OperatorError> {
    match table {
        Table::Clients => {
            let after = if let Some(Place::Account(key)) = after { Some(key) } else { None };
            let keys = store.accounts(wanted.client(), after, PIECE).await?;
            let last = keys.last().map(|key| Place::Account(*key));
            let wanted = keys.into_iter().filter(|key| wanted.is_of(key.client, key.currency));
            let rows = stream::iter(wanted).map(|key| async move {
                let mut shown = row(&Account::of(&key, &store.account(key).await?));
                shown.insert("subject".to_owned(), key.client.subject().into());
                Ok::<_, OperatorError>(shown)
            });
            Ok((rows.buffered(AT_ONCE).try_collect().await?, last))
        }
        Table::CardCharges => {
            let before = if let Some(Place::TopUp(place)) = after { Some(place) } else { None };
            let shown = |of: TopUp| row(&view::TopUp::from(&of));
            shown_rows(store, wanted, (before, many), (shown, Place::TopUp)).await
        }
        Table::Audit => {
            let before = if let Some(Place::Audit(place)) = after { Some(place) } else { None };
            let shown = |of: AuditEntry| row(&Entry::from(of));
            shown_rows(store, wanted, (before, many), (shown, Place::Audit)).await
        }
        Table::Movements | Table::Refunds | Table::Disputes => {
            let before = if let Some(Place::Movement(place)) = after { Some(place) } else { None };
            let shown = |(key, of): (AccountKey, Movement)| row(&view::Movement::of(&key, of));
            shown_rows(store, wanted, (before, many), (shown, Place::Movement)).await
        }
    }
}

async fn shown_rows<T: Tabled>(
    store: &dyn Store,
    wanted: &Wanted,
    (before, many): (Option<T::Place>, usize),
    (shown, placed): (impl Fn(T) -> Row, impl Fn(T::Place) -> Place),
) -> Result<(Vec<Row>, Option<Place>), OperatorError> {
    let found = piece::<T>(store, wanted, before, many).await?;
    Ok((found.rows.into_iter().map(shown).collect(), found.next.map(placed)))
}

/// What the API shows of it.
fn row(of: &impl Serialize) -> Row {
    match serde_json::to_value(of) {
        Ok(Value::Object(row)) => row,
        _ => Row::new(),
    }
}

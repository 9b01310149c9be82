//! What the rows of each table have in common.

use sha2::{Digest as _, Sha256};
use stripe402_protocol::hex;

use super::filter::Wanted;
use crate::{
    accounting::{AccountKey, AuditEntry, Kind, Movement, ShownCard, State, TopUp, TopUpId},
    operator::work::{OperatorError, view::Stage},
    store::{MovementPlace, Page, Placed, Store, StoreError, TopUpPlace},
};

/// So many movements of one millisecond are read at once, to find the place of one.
const OF_A_MOMENT: usize = 1_000;
/// The accounts of one client that are looked at, at most: one for each currency.
const ACCOUNTS: usize = 500;

/// A row of a table.
pub(in super::super) trait Tabled: Placed + Clone + Send + Sync + Sized {
    /// A piece of the table: at least those rows of it that are wanted.
    fn read(
        store: &dyn Store,
        wanted: &Wanted,
        page: Page<Self::Place>,
    ) -> impl Future<Output = Result<Vec<Self>, StoreError>> + Send;

    /// Whether it is wanted.
    fn fits(&self, wanted: &Wanted) -> bool;

    /// A place as an address may hold it: without a client id, which spends.
    fn cursor(place: &Self::Place) -> String;

    /// The place of a cursor.
    fn place_of(
        store: &dyn Store,
        cursor: &str,
    ) -> impl Future<Output = Result<Self::Place, OperatorError>> + Send;
}

impl Tabled for TopUp {
    async fn read(
        store: &dyn Store,
        wanted: &Wanted,
        page: Page<TopUpPlace>,
    ) -> Result<Vec<Self>, StoreError> {
        if wanted.filter.stage != Some(Stage::InFlight) {
            return store.recent_top_ups(page).await;
        }
        let mut found = store.unfinished_top_ups().await?;
        found.retain(|of| page.has(of.created_ms, &of.place()));
        page.cut(&mut found, Placed::place);
        Ok(found)
    }

    fn fits(&self, wanted: &Wanted) -> bool {
        let is_so_far = match wanted.filter.stage {
            None => true,
            Some(Stage::InFlight) => !self.state.is_finished(),
            Some(Stage::Credited) => matches!(self.state, State::Credited { .. }),
            Some(Stage::Refused) => matches!(self.state, State::Refused { .. }),
        };
        let intent = self.state.payment_intent().unwrap_or_default();
        let last4 = self.card.as_ref().map(ShownCard::last4);
        is_so_far
            && (wanted.filter.card.is_none() || wanted.filter.card.as_deref() == last4)
            && wanted.is_of(self.account.client, self.account.currency)
            && wanted.has_amount(self.amount.get())
            && wanted.is_about([self.id.to_string().as_str(), intent])
    }

    fn cursor(TopUpPlace { created_ms, id }: &TopUpPlace) -> String {
        format!("{created_ms:015}.{}", id.0.simple())
    }

    async fn place_of(_: &dyn Store, cursor: &str) -> Result<TopUpPlace, OperatorError> {
        let (created_ms, id) = moment_and_name(cursor).ok_or_else(no_cursor)?;
        let id = id.parse().map(TopUpId).map_err(|_| no_cursor())?;
        Ok(TopUpPlace { created_ms, id })
    }
}

impl Tabled for (AccountKey, Movement) {
    async fn read(
        store: &dyn Store,
        wanted: &Wanted,
        page: Page<MovementPlace>,
    ) -> Result<Vec<Self>, StoreError> {
        let kinds = &wanted.filter.kinds;
        let kinds = if kinds.is_empty() { &Kind::ALL[..] } else { kinds };
        let Some(client) = wanted.client else { return store.latest_movements(kinds, page).await };
        let mut found = Vec::new();
        for key in store.accounts(Some(client), None, ACCOUNTS).await? {
            let own = store.movements(key).await?.into_iter().map(|of| (key, of));
            found.extend(own.filter(|row| {
                kinds.contains(&row.1.posting.kind) && page.has(row.1.at_ms, &row.place())
            }));
        }
        page.cut(&mut found, Placed::place);
        Ok(found)
    }

    fn fits(&self, wanted: &Wanted) -> bool {
        let (key, Movement { posting, .. }) = self;
        let note = posting.note.as_deref().unwrap_or_default();
        wanted.is_of(key.client, key.currency)
            && wanted.has_amount(posting.amount.get())
            && (wanted.is_about([posting.reference.as_str()])
                || wanted.filter.about.as_deref() == Some(note))
    }

    fn cursor(place: &MovementPlace) -> String {
        format!("{:015}.{}", place.at_ms, name(place))
    }

    async fn place_of(store: &dyn Store, cursor: &str) -> Result<MovementPlace, OperatorError> {
        let (at_ms, wanted) = moment_and_name(cursor).ok_or_else(no_cursor)?;
        let until_ms = at_ms.saturating_add(1);
        let mut page = Page { from_ms: at_ms, until_ms, before: None, most: OF_A_MOMENT };
        loop {
            let found = store.latest_movements(&Kind::ALL, page.clone()).await?;
            let places: Vec<_> = found.iter().map(Placed::place).collect();
            page.before = places.last().cloned();
            if let Some(place) = places.into_iter().find(|place| name(place) == wanted) {
                return Ok(place);
            }
            if found.len() < OF_A_MOMENT {
                return Err(OperatorError::NotFound("no movement is known by this cursor"));
            }
        }
    }
}

impl Tabled for AuditEntry {
    async fn read(
        store: &dyn Store,
        _: &Wanted,
        page: Page<Self::Place>,
    ) -> Result<Vec<Self>, StoreError> {
        store.audit(page).await
    }

    fn fits(&self, wanted: &Wanted) -> bool {
        let (filter, order) = (&wanted.filter, &self.order);
        let subject = wanted.client.map(|client| client.subject());
        let reference = order.reference.as_deref().unwrap_or_default();
        (subject.is_none() || order.subject == subject)
            && filter.actor.as_ref().is_none_or(|actor| self.actor == *actor)
            && filter.action.is_none_or(|action| order.kind == action)
            && (filter.currency.is_none() || order.currency == filter.currency)
            && wanted.has_amount(order.units.unwrap_or(0))
            && wanted.is_about([reference, self.action.to_string().as_str()])
    }

    fn cursor(place: &Self::Place) -> String {
        place.to_string()
    }

    async fn place_of(_: &dyn Store, cursor: &str) -> Result<Self::Place, OperatorError> {
        cursor.parse().map_err(|_| no_cursor())
    }
}

/// What tells a movement from the others of its millisecond, without saying whose it is.
fn name(place: &MovementPlace) -> String {
    let MovementPlace { at_ms: _, account, kind, reference } = place;
    let text =
        format!("{} {} {} {reference}", account.client.subject(), account.currency, kind.as_str());
    let mut name = hex::to_string(&Sha256::digest(text));
    name.truncate(32);
    name
}

/// `000001795000000.…`: a moment, and 32 hex digits.
fn moment_and_name(cursor: &str) -> Option<(u64, &str)> {
    let (at_ms, name) = cursor.split_once('.')?;
    let is_decimal = at_ms.len() == 15 && at_ms.bytes().all(|byte| byte.is_ascii_digit());
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_name = name.len() == 32 && name.bytes().all(is_hex);
    Some((at_ms.parse().ok()?, name)).filter(|_| is_decimal && is_name)
}

fn no_cursor() -> OperatorError {
    OperatorError::Invalid("cursor: must be `next` of an earlier answer of this list".to_owned())
}

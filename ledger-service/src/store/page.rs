//! Lists that are read in pieces, from the newest row to the oldest.

use std::cmp::Ordering;

use crate::accounting::{AccountKey, AuditEntry, AuditKey, Kind, Movement, TopUp, TopUpId};

/// A piece of such a list. Whoever goes on with the place of the last row gets every row that was there at
/// the beginning once, whatever comes meanwhile: new rows are newer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<P> {
    /// The first millisecond of the period, Unix.
    pub from_ms: u64,
    /// The first one after the period.
    pub until_ms: u64,
    /// The rows that come after the one of this place.
    pub before: Option<P>,
    /// At most so many.
    pub most: usize,
}

impl<P> Page<P> {
    /// The newest rows of all time.
    #[must_use]
    pub const fn newest(most: usize) -> Self {
        Self { from_ms: 0, until_ms: u64::MAX, before: None, most }
    }
}

impl<P: Ord> Page<P> {
    /// Whether a row of this time and place comes in this piece, or after it.
    pub(crate) fn has(&self, at_ms: u64, place: &P) -> bool {
        (self.from_ms..self.until_ms).contains(&at_ms)
            && self.before.as_ref().is_none_or(|before| place < before)
    }

    /// Leaves of these rows those of this piece, newest first, each once.
    pub(crate) fn cut<T>(&self, rows: &mut Vec<T>, place: impl Fn(&T) -> P) {
        rows.sort_by_cached_key(|row| std::cmp::Reverse(place(row)));
        rows.dedup_by_key(|row| place(row));
        rows.truncate(self.most);
    }
}

/// The place of a card charge in their list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopUpPlace {
    /// When it was opened.
    pub created_ms: u64,
    /// Its name.
    pub id: TopUpId,
}

/// The place of a movement in the list of all clients'.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovementPlace {
    /// When it was posted.
    pub at_ms: u64,
    /// Whose it is.
    pub account: AccountKey,
    /// What it is.
    pub kind: Kind,
    /// What it is about.
    pub reference: String,
}

impl MovementPlace {
    fn order(&self) -> (u64, &AccountKey, &str, &str) {
        (self.at_ms, &self.account, self.kind.as_str(), &self.reference)
    }
}

impl Ord for MovementPlace {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for MovementPlace {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A part of the list of card charges.
pub type TopUpPage = Page<TopUpPlace>;
/// A part of the list of movements.
pub type MovementPage = Page<MovementPlace>;
/// A part of the audit record.
pub type AuditPage = Page<AuditKey>;

/// A row of such a list.
pub trait Placed {
    /// What says where it is.
    type Place: Clone + Send + Sync;

    /// Where it is.
    fn place(&self) -> Self::Place;
}

impl Placed for TopUp {
    type Place = TopUpPlace;

    fn place(&self) -> TopUpPlace {
        TopUpPlace { created_ms: self.created_ms, id: self.id }
    }
}

impl Placed for (AccountKey, Movement) {
    type Place = MovementPlace;

    fn place(&self) -> MovementPlace {
        let (account, movement) = self;
        let (at_ms, kind) = (movement.at_ms, movement.posting.kind);
        MovementPlace {
            at_ms,
            account: *account,
            kind,
            reference: movement.posting.reference.clone(),
        }
    }
}

impl Placed for AuditEntry {
    type Place = AuditKey;

    fn place(&self) -> AuditKey {
        self.key()
    }
}

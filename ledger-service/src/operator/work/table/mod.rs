//! Tables of money and of what operators did: which rows an operator wants, in pieces, newest first.

mod filter;
mod rows;

use std::time::{Duration, Instant};

pub(super) use filter::Wanted;
pub use filter::{Filter, Period};
pub(super) use rows::Tabled;

use super::{
    Operations, OperatorError,
    view::{Entries, Movement, Movements, TopUps},
};
use crate::{
    accounting::{AccountKey, AuditEntry, TopUp},
    store::{Page, Store},
};

/// So many rows are looked at for one answer, at most; or as many as are asked for, if that is more.
const LOOK: usize = 10_000;
/// So many are read at once, at most.
const PIECE: usize = 2_500;
/// A store that takes longer for a piece looks through all there is: it is asked for the rest at once.
pub(super) const SLOW: Duration = Duration::from_millis(500);

/// Rows that were wanted, and the place of the last one that was looked at, if there may be more.
pub(super) struct Piece<T: Tabled> {
    pub(super) rows: Vec<T>,
    pub(super) next: Option<T::Place>,
}

impl<T: Tabled> Piece<T> {
    fn cursor(&self) -> Option<String> {
        self.next.as_ref().map(T::cursor)
    }
}

impl Operations {
    /// Card charges, newest first.
    ///
    /// # Errors
    /// [`OperatorError`] if there is no such client or place, or the store cannot be read.
    pub async fn top_ups(
        &self,
        filter: &Filter,
        cursor: Option<&str>,
        most: usize,
    ) -> Result<TopUps, OperatorError> {
        let found = self.piece::<TopUp>(filter, cursor, most).await?;
        Ok(TopUps { next: found.cursor(), top_ups: found.rows.iter().map(Into::into).collect() })
    }

    /// Movements, newest first.
    ///
    /// # Errors
    /// As [`Self::top_ups`].
    pub async fn movements(
        &self,
        filter: &Filter,
        cursor: Option<&str>,
        most: usize,
    ) -> Result<Movements, OperatorError> {
        let found = self.piece::<(AccountKey, _)>(filter, cursor, most).await?;
        let next = found.cursor();
        let movements = found.rows.into_iter().map(|(key, of)| Movement::of(&key, of)).collect();
        Ok(Movements { movements, next })
    }

    /// Entries of the audit record, newest first.
    ///
    /// # Errors
    /// As [`Self::top_ups`].
    pub async fn audit(
        &self,
        filter: &Filter,
        cursor: Option<&str>,
        most: usize,
    ) -> Result<Entries, OperatorError> {
        let found = self.piece::<AuditEntry>(filter, cursor, most).await?;
        let next = found.cursor();
        Ok(Entries { entries: found.rows.into_iter().map(Into::into).collect(), next })
    }

    async fn piece<T: Tabled>(
        &self,
        filter: &Filter,
        cursor: Option<&str>,
        most: usize,
    ) -> Result<Piece<T>, OperatorError> {
        let wanted = self.wanted(filter).await?;
        // The cursor of a list is a place in it, whatever is wanted of it.
        let before = match cursor {
            Some(cursor) => Some(T::place_of(&*self.store, cursor).await?),
            None => None,
        };
        piece(&*self.store, &wanted, before, most).await
    }

    /// The filter, with its client found.
    pub(super) async fn wanted(&self, filter: &Filter) -> Result<Wanted, OperatorError> {
        let client = match &filter.client {
            Some(name) => Some(self.client(name).await?),
            None => None,
        };
        Ok(Wanted { filter: filter.clone(), client })
    }
}

/// Up to `most` rows before this place. It may be fewer, even none, where many were looked at in vain.
pub(super) async fn piece<T: Tabled>(
    store: &dyn Store,
    wanted: &Wanted,
    mut before: Option<T::Place>,
    most: usize,
) -> Result<Piece<T>, OperatorError> {
    let mut rows = Vec::new();
    let (mut looked, mut ask) = (0_usize, most.saturating_add(1));
    let look = LOOK.max(ask);
    loop {
        let began = Instant::now();
        let Period { from_ms, until_ms } = wanted.filter.period;
        let page = Page { from_ms, until_ms, before: before.clone(), most: ask };
        let found = T::read(store, wanted, page).await?;
        let is_last = found.len() < ask;
        looked = looked.saturating_add(found.len());
        for row in found {
            if rows.len() == most {
                return Ok(Piece { rows, next: before });
            }
            before = Some(row.place());
            if row.fits(wanted) {
                rows.push(row);
            }
        }
        if is_last {
            return Ok(Piece { rows, next: None });
        }
        if looked >= look {
            return Ok(Piece { rows, next: before });
        }
        let rest = look.saturating_sub(looked);
        ask =
            if began.elapsed() < SLOW { ask.saturating_mul(4).min(PIECE).min(rest) } else { rest };
    }
}

#[cfg(test)]
mod tests;

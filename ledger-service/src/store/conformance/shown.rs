//! What a store must show of the pure books, in the shapes that it shows them in.

use crate::{
    accounting::{AccountKey, Memory, Posting},
    store::{StoredDeduction, Tally},
};

/// An account's postings, oldest first.
pub(super) fn postings(books: &Memory, key: &AccountKey) -> Vec<Posting> {
    let own = books.movements().iter().filter(|(of, _)| of == key);
    own.map(|(_, movement)| movement.posting.clone()).collect()
}

/// An account's sums, sorted.
pub(super) fn tallies(books: &Memory, key: &AccountKey) -> Vec<Tally> {
    let own = books.tallies().iter().filter(|(of, _)| of.account == *key);
    let mut own: Vec<_> = own
        .map(|(of, &(count, amount))| Tally {
            route: of.route.clone(),
            hour: of.hour,
            count,
            amount,
        })
        .collect();
    own.sort_unstable();
    own
}

/// The deductions that stand, newest first.
pub(super) fn deductions(books: &Memory, key: &AccountKey) -> Vec<StoredDeduction> {
    let kept = books.deductions().iter().rev().filter_map(|(id, record)| {
        let (_, amount, route) = record.taken().filter(|(account, ..)| *account == key)?;
        Some(StoredDeduction { id: *id, route: route.to_owned(), amount })
    });
    kept.collect()
}

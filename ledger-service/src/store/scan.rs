//! Looking through every account: for stores that keep everything by account.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use stripe402_protocol::Currency;

use super::{MovementPage, Placed as _, Reports, StoreError, Tally, TopUpPage};
use crate::accounting::{AccountKey, Kind, Movement, TopUp};

/// How many accounts are looked at at once.
const PAGE: usize = 64;

/// So many rows are not sorted before there are twice as many.
const LEAST_CUT: usize = 1_000;

/// Sums by currency, hour and route.
pub(super) type Sums = BTreeMap<(Currency, u64, String), (i64, i64)>;

/// Adds one account's sums to those of all.
///
/// # Errors
/// [`StoreError::Damaged`] if they are no 64-bit integers together: no real deductions make so much.
pub(super) fn add(
    sums: &mut Sums,
    currency: Currency,
    hour: u64,
    route: String,
    own: (i64, i64),
) -> Result<(), StoreError> {
    let sum = sums.entry((currency, hour, route)).or_default();
    *sum = match (sum.0.checked_add(own.0), sum.1.checked_add(own.1)) {
        (Some(count), Some(amount)) => (count, amount),
        _ => return Err(StoreError::Damaged(format!("revenue of hour {hour}: out of range"))),
    };
    Ok(())
}

/// The sums as a list.
pub(super) fn listed(sums: Sums) -> Vec<(Currency, Tally)> {
    let sums = sums.into_iter().filter(|(_, sum)| *sum != (0, 0));
    sums.map(|((currency, hour, route), (count, amount))| {
        (currency, Tally { route, hour, count, amount })
    })
    .collect()
}

/// Those of these top-ups that are of this page.
pub(super) fn top_ups(found: impl Iterator<Item = TopUp>, page: &TopUpPage) -> Vec<TopUp> {
    let mut found: Vec<_> = found.filter(|of| page.has(of.created_ms, &of.place())).collect();
    page.cut(&mut found, TopUp::place);
    found
}

/// What `read` finds of every account, page by page.
async fn each<T, F: Future<Output = Result<T, StoreError>>>(
    store: &(impl Reports + ?Sized),
    read: impl Fn(AccountKey) -> F,
    mut take: impl FnMut(AccountKey, T) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let keys = store.accounts(None, after, PAGE).await?;
        let Some(last) = keys.last() else { return Ok(()) };
        after = Some(*last);
        let found = try_join_all(keys.iter().map(|key| read(*key))).await?;
        keys.into_iter().zip(found).try_for_each(|(key, found)| take(key, found))?;
    }
}

pub(super) async fn latest_movements(
    store: &(impl Reports + ?Sized),
    kinds: &[Kind],
    page: &MovementPage,
) -> Result<Vec<(AccountKey, Movement)>, StoreError> {
    let mut found = Vec::new();
    let take = |key: AccountKey, movements: Vec<Movement>| {
        let wanted = movements.into_iter().filter(|of| kinds.contains(&of.posting.kind));
        let wanted = wanted.map(|movement| (key, movement));
        let wanted = wanted.filter(|of| page.has(of.1.at_ms, &of.place()));
        found.extend(wanted);
        // To sort costs more than to read: once for as many rows as the page has.
        if found.len() >= page.most.max(LEAST_CUT).saturating_mul(2) {
            page.cut(&mut found, |of| of.place());
        }
        Ok(())
    };
    each(store, |key| store.movements(key), take).await?;
    page.cut(&mut found, |of| of.place());
    Ok(found)
}

pub(super) async fn revenue(
    store: &(impl Reports + ?Sized),
    since_hour: u64,
) -> Result<Vec<(Currency, Tally)>, StoreError> {
    let mut sums = Sums::new();
    let take = |key: AccountKey, tallies: Vec<Tally>| {
        for tally in tallies.into_iter().filter(|tally| tally.hour >= since_hour) {
            let own = (tally.count, tally.amount);
            add(&mut sums, key.currency, tally.hour, tally.route, own)?;
        }
        Ok(())
    };
    each(store, |key| store.tallies(key), take).await?;
    Ok(listed(sums))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_that_are_no_integers_are_damage_and_not_a_smaller_sum() {
        let mut sums = Sums::new();
        let mut add = |own| add(&mut sums, Currency::USD, 7, "answers".to_owned(), own);
        assert!(add((1, i64::MAX)).is_ok());
        assert!(matches!(add((1, 1)), Err(StoreError::Damaged(_))));
        assert!(add((1, 0)).is_ok());
        assert!(matches!(add((i64::MAX, 0)), Err(StoreError::Damaged(_))));
    }
}

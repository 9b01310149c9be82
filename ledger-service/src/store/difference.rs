//! Whether an account holds what its movements and deductions come to.

use super::{Store, StoreError};
use crate::accounting::AccountKey;

/// How often an account is looked at before it counts as different.
const LOOKS: usize = 5;

/// What an account's movements and sums come to and what it holds, if that differs.
///
/// # Errors
/// The store's.
pub(crate) async fn difference(
    store: &dyn Store,
    key: AccountKey,
) -> Result<Option<(i64, i64)>, StoreError> {
    let mut found = None;
    for _ in 0..LOOKS {
        let holds = store.account(key).await?.net();
        let moved = store.movements(key).await?.iter().fold(0_i64, |sum, movement| {
            sum.saturating_add(movement.posting.kind.net(movement.posting.amount))
        });
        let tallies = store.tallies(key).await?;
        let spent = tallies.iter().fold(0_i64, |sum, tally| sum.saturating_add(tally.amount));
        let explained = moved.saturating_sub(spent);
        if explained == holds && store.account(key).await?.net() == holds {
            return Ok(None);
        }
        found = Some((explained, holds));
    }
    Ok(found)
}

//! Leases of an account's credit, called back before credit is taken for something else.

use std::time::Duration;

use stripe402_protocol::Units;

use super::Unavailable;
use crate::{
    accounting::{Account, AccountKey},
    store::Store,
};

/// For how long leases may take to come back: longer than the longest lease of any gateway and the time
/// until ended ones are looked for.
pub(crate) const LEASES_COME_BACK: Duration = Duration::from_secs(16);
/// How often is looked.
const POLL: Duration = Duration::from_millis(50);

/// The account, once no leases are out that may bring back what is missing for `needed`, or none at all.
/// Those that are out are called back, and waited for.
///
/// # Errors
/// [`Unavailable`] if they do not come back.
pub(crate) async fn without_leases(
    store: &dyn Store,
    key: AccountKey,
    needed: Option<Units>,
) -> Result<Account, Unavailable> {
    let stands_in_the_way =
        |of: &Account| of.leases > 0 && needed.is_none_or(|needed| of.available < needed);
    let mut account = store.account(key).await?;
    let mut waited = Duration::ZERO;
    while stands_in_the_way(&account) {
        account = store.recall_leases(key).await?;
        if waited >= LEASES_COME_BACK {
            let text = "leases of the client's credit did not come back; try again";
            return Err(Unavailable::Other(text.to_owned()));
        }
        waited = waited.saturating_add(POLL);
        tokio::time::sleep(POLL).await;
    }
    Ok(account)
}

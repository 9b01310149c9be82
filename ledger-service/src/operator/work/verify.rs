//! Whether the books explain every account, and can all of them be read.

use futures_util::{StreamExt as _, stream};

use super::{
    Operations, OperatorError,
    view::{Unexplained, Verified},
};
use crate::store::{StoreError, difference};

/// So many accounts are looked at at once: a server's answers are waited for together, and few of its
/// connections are taken from requests.
const AT_ONCE: usize = 4;

impl Operations {
    /// Recomputes every account from its movements, sums and open holds.
    ///
    /// On a store that is being used, an account that differs is looked at again: what happens
    /// between two readings is no error.
    ///
    /// # Errors
    /// [`OperatorError`] if the store cannot be read.
    pub async fn verify(&self) -> Result<Verified, OperatorError> {
        let keys = self.all_accounts().await?;
        let (mut differ, mut damaged) = (Vec::new(), Vec::new());
        let (accounts, store) = (keys.len(), self.store.as_ref());
        let looked = keys.into_iter().map(|key| async move { (key, difference(store, key).await) });
        let mut looked = stream::iter(looked).buffered(AT_ONCE);
        while let Some((key, found)) = looked.next().await {
            match found {
                // The others are still to be looked at.
                Err(StoreError::Damaged(what)) => damaged.push(what),
                found => differ.extend(found?.map(|found| Unexplained::of(&key, &found))),
            }
        }
        Ok(Verified { accounts, differ, damaged })
    }
}

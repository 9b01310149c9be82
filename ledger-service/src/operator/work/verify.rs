//! Whether the books explain every account, and can all of them be read.

use super::{
    Operations, OperatorError,
    view::{Unexplained, Verified},
};
use crate::store::{StoreError, difference};

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
        for key in &keys {
            match difference(self.store.as_ref(), *key).await {
                // The others are still to be looked at.
                Err(StoreError::Damaged(what)) => damaged.push(what),
                found => differ.extend(found?.map(|found| Unexplained::of(key, &found))),
            }
        }
        Ok(Verified { accounts: keys.len(), differ, damaged })
    }
}

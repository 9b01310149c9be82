//! Looking at holds that are not settled.

use stripe402_protocol::ClientId;

use super::{
    Operations, OperatorError,
    view::{Hold, Holds},
};

impl Operations {
    /// The holds that are not settled, of one client or of all, the earliest end first.
    ///
    /// # Errors
    /// [`OperatorError`] if there is no such client, or the store cannot be read.
    pub async fn holds(&self, client: Option<&str>, most: usize) -> Result<Holds, OperatorError> {
        let client = match client {
            Some(name) => self.accounts_of(name).await?.first().map(|key| key.client),
            None => None,
        };
        self.open_holds(client, most).await
    }

    pub(super) async fn open_holds(
        &self,
        client: Option<ClientId>,
        most: usize,
    ) -> Result<Holds, OperatorError> {
        let mut found = self.store.open_holds(client, most.saturating_add(1)).await?;
        let more = found.len() > most;
        found.truncate(most);
        let now_ms = self.clock.now_ms();
        let holds = found.into_iter().map(|(id, hold)| {
            self.directory.learn(hold.account.client);
            Hold::of(&id, hold, now_ms)
        });
        Ok(Holds { holds: holds.collect(), more })
    }
}

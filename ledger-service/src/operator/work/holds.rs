//! Looking at holds that are not settled.

use std::str::FromStr;

use stripe402_protocol::{ClientId, DeductionId};

use super::{
    Operations, OperatorError,
    view::{Hold, Holds},
};

/// A place in the list of holds: after the hold that ends then and has this id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HoldPlace(u64, DeductionId);

impl std::fmt::Display for HoldPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl FromStr for HoldPlace {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let place = text
            .split_once('.')
            .and_then(|(ends_ms, id)| Some(Self(ends_ms.parse().ok()?, id.parse().ok()?)));
        place.ok_or("must be `next` of an earlier answer")
    }
}

impl Operations {
    /// The holds that are not settled, of one client or of all, the earliest end first; those after
    /// this place.
    ///
    /// # Errors
    /// [`OperatorError`] if there is no such client, or the store cannot be read.
    pub async fn holds(
        &self,
        client: Option<&str>,
        after: Option<HoldPlace>,
        most: usize,
    ) -> Result<Holds, OperatorError> {
        let client = match client {
            Some(name) => self.accounts_of(name).await?.first().map(|key| key.client),
            None => None,
        };
        self.open_holds(client, after, most).await
    }

    pub(super) async fn open_holds(
        &self,
        client: Option<ClientId>,
        after: Option<HoldPlace>,
        most: usize,
    ) -> Result<Holds, OperatorError> {
        // Stores list holds from the first one only.
        let read = if after.is_some() { usize::MAX } else { most.saturating_add(1) };
        let mut found = self.store.open_holds(client, read).await?;
        found.retain(|(id, hold)| after < Some(HoldPlace(hold.terms.ends_ms, *id)));
        let more = found.len() > most;
        found.truncate(most);
        let last = found.last().filter(|_| more);
        let next = last.map(|(id, hold)| HoldPlace(hold.terms.ends_ms, *id).to_string());
        let now_ms = self.clock.now_ms();
        let holds = found.into_iter().map(|(id, hold)| {
            self.directory.learn(hold.account.client);
            Hold::of(&id, hold, now_ms)
        });
        Ok(Holds { holds: holds.collect(), more, next })
    }
}

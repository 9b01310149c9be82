//! Which client is meant.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use futures_util::future::try_join_all;
use stripe402_protocol::{ClientId, Currency};

use super::{Operations, OperatorError, view::Clients};
use crate::accounting::AccountKey;

/// How many accounts are read at once.
const PAGE: usize = 500;
/// How many subjects are remembered, some 50 bytes each.
const REMEMBERED: usize = 100_000;

pub(super) const UNKNOWN: OperatorError =
    OperatorError::NotFound("there is no such client in these books");

/// Whose subject is whose. A subject is a hash: without this, every look at a client goes through
/// the accounts until it is found.
#[derive(Default)]
pub(super) struct Directory(Mutex<HashMap<String, ClientId>>);

impl Directory {
    fn get(&self, subject: &str) -> Option<ClientId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(subject).copied()
    }

    pub(super) fn learn(&self, client: ClientId) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < REMEMBERED {
            known.insert(client.subject(), client);
        }
    }
}

impl Operations {
    /// The accounts of a client named by its id or by its subject.
    ///
    /// # Errors
    /// [`OperatorError`] if there is no such client, or the store cannot be read.
    pub async fn accounts_of(&self, name: &str) -> Result<Vec<AccountKey>, OperatorError> {
        let client = self.client(name).await?;
        let found = self.store.accounts(Some(client), None, PAGE).await?;
        if found.is_empty() { Err(UNKNOWN) } else { Ok(found) }
    }

    /// The client of this id, which may have no account, or of this subject.
    pub(super) async fn client(&self, name: &str) -> Result<ClientId, OperatorError> {
        if let Ok(client) = name.parse::<ClientId>() {
            // A key's, or that of a later generation, stands for its owner's.
            return Ok(self.keys.of(&client).await?.map_or(client, |(_, key)| key.owner));
        }
        if !is_subject(name) {
            return Err(OperatorError::unnamed());
        }
        if let Some(client) = self.directory.get(name) {
            return Ok(client);
        }
        let mut after = None;
        loop {
            let page = self.store.accounts(None, after, PAGE).await?;
            let Some(last) = page.last() else { return Err(UNKNOWN) };
            after = Some(*last);
            if let Some(found) = page.iter().find(|key| key.client.subject() == name) {
                self.directory.learn(found.client);
                return Ok(found.client);
            }
        }
    }

    /// The subject of the client that the books know this PaymentIntent of.
    ///
    /// # Errors
    /// [`OperatorError`] if the store cannot be read.
    pub async fn payer(&self, payment_intent: &str) -> Result<Option<String>, OperatorError> {
        let payer = self.store.payer(payment_intent).await?;
        Ok(payer.map(|key| {
            self.directory.learn(key.client);
            key.client.subject()
        }))
    }

    /// Every account there is.
    ///
    /// # Errors
    /// [`OperatorError`] if the store cannot be read.
    pub async fn all_accounts(&self) -> Result<Vec<AccountKey>, OperatorError> {
        let mut found = Vec::new();
        loop {
            let page = self.store.accounts(None, found.last().copied(), PAGE).await?;
            if page.is_empty() {
                return Ok(found);
            }
            found.extend(page);
        }
    }

    /// Some clients after the one of this subject; with `search`, those whose id begins so, or whose
    /// subject it is.
    ///
    /// # Errors
    /// [`OperatorError`] if `search` cannot be the beginning of an id, no client is known as `after`, or
    /// the store cannot be read.
    pub async fn clients(
        &self,
        search: Option<&str>,
        after: Option<&str>,
        most: usize,
    ) -> Result<Clients, OperatorError> {
        let search = search.unwrap_or_default();
        let is_hex = search.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !is_hex || search.len() > 64 {
            let text = "search must be the beginning of a client id or a subject: up to 64 lowercase hex digits";
            return Err(OperatorError::Invalid(text.to_owned()));
        }
        if is_subject(search) && after.is_none() {
            match self.accounts_of(search).await {
                Ok(found) => return self.listed(vec![found], false).await,
                Err(OperatorError::NotFound(_)) => {}
                Err(problem) => return Err(problem),
            }
        }
        let mut from = match after {
            None => first_with(search),
            Some(name) => self.accounts_of(name).await?.last().copied(),
        };
        let mut clients: Vec<Vec<AccountKey>> = Vec::new();
        loop {
            let page = self.store.accounts(None, from, most.saturating_add(1)).await?;
            let Some(last) = page.last() else { return self.listed(clients, false).await };
            from = Some(*last);
            for key in page {
                if !key.client.to_hex().starts_with(search) {
                    return self.listed(clients, false).await;
                }
                let full = clients.len() == most;
                match clients.last_mut() {
                    Some(own) if own.first().is_some_and(|first| first.client == key.client) => {
                        own.push(key);
                    }
                    _ if full => return self.listed(clients, true).await,
                    _ => {
                        self.directory.learn(key.client);
                        clients.push(vec![key]);
                    }
                }
            }
        }
    }

    /// These clients with what they hold, and whether there are more.
    async fn listed(
        &self,
        clients: Vec<Vec<AccountKey>>,
        more: bool,
    ) -> Result<Clients, OperatorError> {
        let clients = try_join_all(clients.iter().map(|keys| self.shown(keys))).await?;
        let next = clients.last().filter(|_| more).map(|last| last.subject.clone());
        Ok(Clients { clients, next })
    }
}

/// Just before the first client whose id begins so.
fn first_with(search: &str) -> Option<AccountKey> {
    let first = format!("{search:0<64}").parse::<ClientId>().ok()?;
    let mut before = *first.as_bytes();
    // One less, as a number of 256 bits; before the first of all there is none.
    let place = before.iter().rposition(|byte| *byte > 0)?;
    for (at, byte) in before.iter_mut().enumerate().skip(place) {
        *byte = if at == place { byte.wrapping_sub(1) } else { u8::MAX };
    }
    Some(AccountKey { client: ClientId::from_bytes(before), currency: LAST_CURRENCY })
}

/// After every currency that a client of exactly that id could have.
const LAST_CURRENCY: Currency = Currency::USD;

fn is_subject(name: &str) -> bool {
    name.len() == 16 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_before_a_beginning() {
        let before = |search| first_with(search).map(|key| key.client.to_hex());
        assert_eq!(before(""), None);
        assert_eq!(before("00"), None);
        assert_eq!(before("1"), Some(format!("0f{}", "ff".repeat(31))));
        assert_eq!(before("0a1"), Some(format!("0a0f{}", "ff".repeat(30))));
        assert_eq!(before(&"1".repeat(64)), Some(format!("{}0", "1".repeat(63))));
    }
}

//! Which client is meant.

use stripe402_protocol::ClientId;

use super::Problem;
use crate::{ledger::AccountKey, store::Store};

/// How many accounts are read at once.
const PAGE: usize = 500;

/// The accounts of a client named by its id or by its subject.
pub(super) async fn accounts(store: &dyn Store, name: &str) -> Result<Vec<AccountKey>, Problem> {
    let found = match name.parse::<ClientId>() {
        Ok(client) => store.accounts(Some(client), None, PAGE).await?,
        Err(_) if is_subject(name) => {
            let mut found = all(store).await?;
            found.retain(|key| key.client.subject() == name);
            found
        }
        Err(_) => {
            let text = "a client is named by its id (64 hex digits) or its subject (16)";
            return Err(Problem(text.to_owned()));
        }
    };
    if found.is_empty() {
        return Err(Problem("there is no such client in these books".to_owned()));
    }
    Ok(found)
}

/// Every account there is.
pub(super) async fn all(store: &dyn Store) -> Result<Vec<AccountKey>, Problem> {
    let mut found = Vec::new();
    loop {
        let page = store.accounts(None, found.last().copied(), PAGE).await?;
        if page.is_empty() {
            return Ok(found);
        }
        found.extend(page);
    }
}

fn is_subject(name: &str) -> bool {
    name.len() == 16 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

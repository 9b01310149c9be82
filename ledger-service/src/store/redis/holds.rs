//! Holds that are not settled, and the list of all clients' by when they end.
//!
//! The list lies in a slot of its own. A hold is listed before it is opened: what a crash leaves between is
//! an entry too many, and goes when its time comes.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use stripe402_protocol::{
    ClientId, DeductionId,
    message::{Capture, CaptureOutcome, Deduction, HoldTerms},
};

use super::{
    super::StoreError,
    Redis,
    keys::{ClientKeys, HOLDS},
    reply::{damaged, parse, units},
    script::SETTLE_HOLDS,
};
use crate::accounting::{AccountKey, OpenHold, Settled};

impl Redis {
    /// Lists the holds among these, before they are opened.
    pub(super) async fn list_holds(&self, deductions: &[Deduction]) -> Result<(), StoreError> {
        let mut list = redis::cmd("ZADD");
        list.arg(HOLDS);
        let mut any = false;
        for deduction in deductions {
            if let Some(terms) = deduction.hold {
                any = true;
                list.arg(terms.ends_ms).arg(entry(&deduction.client_id, &deduction.id));
            }
        }
        if any {
            self.connection.command::<u64>(&list).await?;
        }
        Ok(())
    }

    /// Takes the settled ones out of the list. They would go at their end, too, so nobody hears if
    /// that fails.
    pub(super) async fn unlist_captured(
        &self,
        captures: &[Capture],
        outcomes: &[(DeductionId, CaptureOutcome)],
    ) {
        let settled = captures.iter().zip(outcomes).filter(|(_, (_, outcome))| {
            matches!(outcome, CaptureOutcome::Captured { .. } | CaptureOutcome::Voided)
        });
        let entries = settled.map(|(capture, _)| entry(&capture.client_id, &capture.id));
        if let Err(error) = self.unlist(entries.collect()).await {
            tracing::info!(%error, "settled holds stay listed until they end");
        }
    }

    async fn unlist(&self, entries: Vec<String>) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut done = redis::cmd("ZREM");
        self.connection.command::<u64>(done.arg(HOLDS).arg(entries)).await.map(drop)
    }

    pub(super) async fn settle_holds(&self, most: usize) -> Result<Vec<Settled>, StoreError> {
        let mut ended = redis::cmd("ZRANGEBYSCORE");
        ended.arg(HOLDS).arg("-inf").arg(self.clock.now_ms()).arg("LIMIT").arg(0).arg(most);
        let entries: Vec<String> = self.connection.command(&ended).await?;
        let mut of_clients: BTreeMap<ClientId, Vec<DeductionId>> = BTreeMap::new();
        for (client, id) in
            entries.iter().map(|entry| read_entry(entry)).collect::<Result<Vec<_>, _>>()?
        {
            of_clients.entry(client).or_default().push(id);
        }
        let settling = of_clients.iter().map(|(client, ids)| self.settle_of(*client, ids));
        let mut settled = Vec::new();
        for own in join_all(settling).await {
            match own {
                // Left for people: it must not keep others' from being settled.
                Err(StoreError::Damaged(why)) => {
                    tracing::error!(why, "a client's ended holds cannot be settled");
                }
                own => settled.extend(own?),
            }
        }
        Ok(settled)
    }

    async fn settle_of(
        &self,
        client: ClientId,
        ids: &[DeductionId],
    ) -> Result<Vec<Settled>, StoreError> {
        let own = ClientKeys::of(&client);
        let mut keys = vec![own.sums(), own.holds(), own.hold_ends()];
        let mut arguments = vec![self.charge_memory_ms().to_string().into_bytes()];
        for id in ids {
            keys.push(own.deductions(id.minted_ms()));
            arguments.push(id.to_string().into_bytes());
            arguments.push(id.minted_ms().to_string().into_bytes());
        }
        let mut reply = self.on_accounts(&SETTLE_HOLDS, &client, &keys, &arguments).await?;
        let (mut settled, mut over) = (Vec::new(), Vec::new());
        for id in ids {
            match reply.text()?.as_str() {
                "open" => continue,
                "gone" => {}
                "settled" => {
                    settled.push(Settled { id: *id, hold: stored_hold(client, &reply.text()?)? });
                }
                _ => return Err(damaged(&client, "an unknown answer to settling")),
            }
            over.push(entry(&client, id));
        }
        self.unlist(over).await?;
        Ok(settled)
    }

    pub(super) async fn read_open_holds(
        &self,
        client: Option<ClientId>,
        most: usize,
    ) -> Result<Vec<(DeductionId, OpenHold)>, StoreError> {
        let mut found = Vec::new();
        if let Some(client) = client {
            for (id, stored) in self.scan(&ClientKeys::of(&client).holds()).await? {
                found.push((parse(&id, "a hold's id")?, stored_hold(client, &stored)?));
            }
            found.sort_by_key(|(id, hold)| (hold.terms.ends_ms, *id));
            found.truncate(most);
            return Ok(found);
        }
        // Entries too many are passed over, so the list is read until there are enough.
        for first in (0_usize..).step_by(PAGE) {
            let mut page = redis::cmd("ZRANGE");
            page.arg(HOLDS).arg(first).arg(first.saturating_add(PAGE).saturating_sub(1));
            let entries: Vec<String> = self.connection.command(&page).await?;
            let reading = entries.iter().map(|entry| self.read_listed(entry));
            for hold in join_all(reading).await {
                found.extend(hold?);
            }
            if entries.len() < PAGE || found.len() >= most {
                break;
            }
        }
        found.truncate(most);
        Ok(found)
    }

    async fn read_listed(
        &self,
        entry: &str,
    ) -> Result<Option<(DeductionId, OpenHold)>, StoreError> {
        let (client, id) = read_entry(entry)?;
        Ok(self.read_hold(client, id).await?.map(|hold| (id, hold)))
    }

    pub(super) async fn read_hold(
        &self,
        client: ClientId,
        id: DeductionId,
    ) -> Result<Option<OpenHold>, StoreError> {
        let mut command = redis::cmd("HGET");
        command.arg(ClientKeys::of(&client).holds()).arg(id.to_string());
        let stored: Option<String> = self.connection.command(&command).await?;
        stored.map(|stored| stored_hold(client, &stored)).transpose()
    }
}

/// How much of the list is read at once.
const PAGE: usize = 100;

fn entry(client: &ClientId, id: &DeductionId) -> String {
    format!("{}:{id}", client.to_hex())
}

fn read_entry(entry: &str) -> Result<(ClientId, DeductionId), StoreError> {
    let parts = entry.split_once(':');
    let wrong = || StoreError::Damaged("an entry of the list of holds".to_owned());
    let (client, id) = parts.ok_or_else(wrong)?;
    Ok((parse(client, "a client id")?, parse(id, "a hold's id")?))
}

/// A hold as `lua/holds.lua` keeps it: `ends at_end amount balance_after currency lease route`,
/// where the lease is its share in percent, or `-`.
fn stored_hold(client: ClientId, stored: &str) -> Result<OpenHold, StoreError> {
    let mut parts = stored.splitn(7, ' ');
    let mut part = || parts.next().ok_or_else(|| damaged(&client, "a hold cannot be read"));
    let ends_ms = parse(part()?, "a hold's end")?;
    let at_end = units(part()?)?;
    let (amount, balance_after) = (units(part()?)?, units(part()?)?);
    let account = AccountKey { client, currency: parse(part()?, "a hold's currency")? };
    let lease = match part()? {
        "-" => None,
        share => Some(parse(share, "a lease's share")?),
    };
    let terms = HoldTerms { ends_ms, at_end, lease };
    Ok(OpenHold { account, amount, route: part()?.to_owned(), terms, balance_after })
}

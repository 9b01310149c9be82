//! What operators look at: movements and sums of an account.

use std::collections::BTreeMap;

use super::{
    super::{StoreError, Tally},
    Redis,
    keys::ClientKeys,
    reply::{damaged, parse, units},
};
use crate::accounting::{AccountKey, Kind, Movement, Posting};

/// How many fields of a hash are read at a time: a large one must not hold up the server.
const PAGE: usize = 500;

impl Redis {
    /// Every field of a hash. One that is there all the while is in it; none is in it twice.
    pub(super) async fn scan(&self, key: &str) -> Result<BTreeMap<String, String>, StoreError> {
        let mut fields = BTreeMap::new();
        let mut cursor = "0".to_owned();
        loop {
            let mut command = redis::cmd("HSCAN");
            command.arg(key).arg(&cursor).arg("COUNT").arg(PAGE);
            let (next, page): (String, Vec<(String, String)>) =
                self.connection.command(&command).await?;
            fields.extend(page);
            if next == "0" {
                return Ok(fields);
            }
            cursor = next;
        }
    }

    pub(super) async fn read_movements(
        &self,
        key: AccountKey,
    ) -> Result<Vec<Movement>, StoreError> {
        let mut movements = BTreeMap::new();
        for (name, stored) in self.scan(&ClientKeys::of(&key.client).movements()).await? {
            let unreadable = || damaged(&key.client, "a movement cannot be read");
            let (currency, rest) = name.split_once(':').ok_or_else(unreadable)?;
            if currency != key.currency.as_str() {
                continue;
            }
            let (kind, reference) = rest.split_once(':').ok_or_else(unreadable)?;
            let kind = Kind::named(kind).ok_or_else(unreadable)?;
            let (sequence, movement) = stored_movement(key, kind, reference, &stored)?;
            movements.insert(sequence, movement);
        }
        Ok(movements.into_values().collect())
    }

    pub(super) async fn read_movement(
        &self,
        key: AccountKey,
        kind: Kind,
        reference: &str,
    ) -> Result<Option<Movement>, StoreError> {
        let mut command = redis::cmd("HGET");
        command.arg(ClientKeys::of(&key.client).movements()).arg(format!(
            "{}:{}:{reference}",
            key.currency,
            kind.as_str()
        ));
        let stored: Option<String> = self.connection.command(&command).await?;
        let read = |stored: String| stored_movement(key, kind, reference, &stored);
        Ok(stored.map(read).transpose()?.map(|(_, movement)| movement))
    }

    pub(super) async fn read_tallies(&self, key: AccountKey) -> Result<Vec<Tally>, StoreError> {
        let mut tallies: BTreeMap<(u64, String), (i64, i64)> = BTreeMap::new();
        for (name, stored) in self.scan(&ClientKeys::of(&key.client).sums()).await? {
            let mut parts = name.splitn(4, ':');
            let (Some(what), Some(hour), Some(currency), Some(route)) =
                (parts.next(), parts.next(), parts.next(), parts.next())
            else {
                return Err(damaged(&key.client, "a sum cannot be read"));
            };
            if currency != key.currency.as_str() {
                continue;
            }
            let hour = parse(hour, "a sum's hour")?;
            let (count, amount) = tallies.entry((hour, route.to_owned())).or_default();
            *(if what == "n" { count } else { amount }) = parse(&stored, "a sum")?;
        }
        let tallies = tallies.into_iter();
        Ok(tallies
            .map(|((hour, route), (count, amount))| Tally { route, hour, count, amount })
            .collect())
    }
}

/// A movement as `lua/account.lua` keeps it, and its number: `seq amount at -` or `seq amount at +note`.
fn stored_movement(
    key: AccountKey,
    kind: Kind,
    reference: &str,
    stored: &str,
) -> Result<(u64, Movement), StoreError> {
    let mut parts = stored.splitn(4, ' ');
    let mut part = || parts.next().ok_or_else(|| damaged(&key.client, "a movement cannot be read"));
    let sequence: u64 = parse(part()?, "a movement's number")?;
    let amount = units(part()?)?;
    let at_ms = parse(part()?, "a movement's time")?;
    let note = part()?.strip_prefix('+').map(ToOwned::to_owned);
    let posting = Posting { kind, reference: reference.to_owned(), amount, note };
    Ok((sequence, Movement { posting, at_ms }))
}

//! Single deductions and holds: one, and an account's latest.

use std::collections::BTreeMap;

use stripe402_protocol::{ClientId, DeductionId};

use super::{
    super::{StoreError, StoredDeduction},
    Redis,
    keys::{BUCKET_MS, ClientKeys},
    reply::{damaged, parse, units},
};
use crate::accounting::{AccountKey, DeductionRecord, Window};

impl Redis {
    fn first_remembered(&self) -> DeductionId {
        let window = Window::at(self.clock.now_ms(), self.charge_memory, self.clock_skew);
        window.first_remembered()
    }

    /// The open hold first: one that is settled in between is found by its record.
    pub(super) async fn read_deduction(
        &self,
        client: ClientId,
        id: DeductionId,
    ) -> Result<Option<DeductionRecord>, StoreError> {
        let open = self.read_hold(client, id).await?;
        let mut record = None;
        if open.is_none() && id >= self.first_remembered() {
            let mut command = redis::cmd("HGET");
            let bucket = ClientKeys::of(&client).deductions(id.minted_ms());
            command.arg(bucket).arg(id.to_string());
            let stored: Option<String> = self.connection.command(&command).await?;
            record = stored.map(|stored| stored_record(client, &stored)).transpose()?;
        }
        Ok(DeductionRecord::shown_to(&client, open, record))
    }

    /// Bucket after bucket, newest first, until there are enough.
    pub(super) async fn read_charges(
        &self,
        key: AccountKey,
        most: usize,
    ) -> Result<Vec<StoredDeduction>, StoreError> {
        let keys = ClientKeys::of(&key.client);
        let oldest = self.first_remembered();
        let newest = self.clock.now_ms().saturating_add(self.clock_skew_ms());
        let mut kept = Vec::new();
        let mut minted = newest;
        while minted.saturating_add(BUCKET_MS) >= oldest.minted_ms() && kept.len() < most {
            let mut bucket = BTreeMap::new();
            for (id, stored) in self.scan(&keys.deductions(minted)).await? {
                let id: DeductionId = parse(&id, "a charge's id")?;
                let record = stored_record(key.client, &stored)?;
                let taken = record.taken().filter(|(account, ..)| **account == key);
                if let Some((_, amount, route)) = taken
                    && id >= oldest
                {
                    bucket.insert(id, StoredDeduction { id, route: route.to_owned(), amount });
                }
            }
            kept.extend(bucket.into_values().rev());
            let Some(earlier) = minted.checked_sub(BUCKET_MS) else { break };
            minted = earlier;
        }
        kept.truncate(most);
        Ok(kept)
    }
}

/// A record as `lua/charges.lua` keeps it.
fn stored_record(client: ClientId, stored: &str) -> Result<DeductionRecord, StoreError> {
    let mut parts = stored.splitn(5, ' ');
    let mut part = || parts.next().ok_or_else(|| damaged(&client, "a deduction cannot be read"));
    let account = |currency: &str| {
        let currency = parse(currency, "a deduction's currency")?;
        Ok::<_, StoreError>(AccountKey { client, currency })
    };
    Ok(match part()? {
        "r" => DeductionRecord::RefusedInAdvance,
        "v" => DeductionRecord::Voided { account: account(part()?)? },
        "m" => {
            let (amount, count) = (units(part()?)?, parse(part()?, "a capture's count")?);
            DeductionRecord::CapturedInAdvance { client, amount, count }
        }
        "h" => {
            let (amount, balance_after, account) =
                (units(part()?)?, units(part()?)?, account(part()?)?);
            DeductionRecord::Held { account, amount, route: part()?.to_owned(), balance_after }
        }
        "c" => {
            let (held, balance_after, account) =
                (units(part()?)?, units(part()?)?, account(part()?)?);
            let mut rest = part()?.splitn(4, ' ');
            let mut part = || rest.next().ok_or_else(|| damaged(&client, "a capture is cut short"));
            let (captured, left) = (units(part()?)?, units(part()?)?);
            let count = parse(part()?, "a capture's count")?;
            let route = part()?.to_owned();
            DeductionRecord::Captured { account, held, captured, route, balance_after, left, count }
        }
        _ => {
            let mut parts = stored.splitn(4, ' ');
            let mut part =
                || parts.next().ok_or_else(|| damaged(&client, "a deduction is cut short"));
            let (amount, balance_after, account) =
                (units(part()?)?, units(part()?)?, account(part()?)?);
            DeductionRecord::Deducted { account, amount, route: part()?.to_owned(), balance_after }
        }
    })
}

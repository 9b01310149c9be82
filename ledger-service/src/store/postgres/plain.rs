//! The plain way of a batch: deductions alone, each of an account that can pay for all of its own.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgPool;
use stripe402_protocol::message::{Batch, Deduction, DeductionOutcome};

use super::{PostgresOptions, millis, rows::units};
use crate::accounting::{AccountKey, HOUR_MS};

/// What `deduct_plain` is asked, as columns. Places count from 1, as the server does.
#[derive(Default)]
pub(super) struct Plain {
    accounts: AccountColumns,
    places: Vec<i32>,
    ids: Vec<Vec<u8>>,
    amounts: Vec<i64>,
    routes: Vec<String>,
    /// What the deductions after it take from the same account.
    rests: Vec<i64>,
    tallies: TallyColumns,
    first_ms: i64,
    last_ms: i64,
}

/// The accounts in the order in which they are locked, and what each pays.
#[derive(Default)]
struct AccountColumns {
    owners: Vec<Vec<u8>>,
    currencies: Vec<String>,
    totals: Vec<i64>,
}

#[derive(Default)]
struct TallyColumns {
    places: Vec<i32>,
    hours: Vec<i64>,
    routes: Vec<String>,
    counts: Vec<i64>,
    sums: Vec<i64>,
}

/// An account of the batch.
struct Payer {
    place: i32,
    total: i64,
}

impl Plain {
    /// `None` if there is something else than deductions, an id that is there twice, or nothing at all.
    pub(super) fn of(batch: &Batch) -> Option<Self> {
        let deductions = &batch.deductions;
        let alone = batch.voids.is_empty() && batch.captures.is_empty() && !deductions.is_empty();
        if !alone || deductions.iter().any(|deduction| deduction.hold.is_some()) {
            return None;
        }
        // What comes first decides about an id, whichever accounts can pay.
        let mut ids = BTreeSet::new();
        if !deductions.iter().all(|deduction| ids.insert(deduction.id)) {
            return None;
        }
        let mut payers: BTreeMap<AccountKey, Payer> = BTreeMap::new();
        let mut taken = Vec::with_capacity(deductions.len());
        for deduction in deductions {
            let payer = payers.entry(account_of(deduction)).or_insert(Payer { place: 0, total: 0 });
            payer.total = payer.total.checked_add(deduction.amount.get())?;
            taken.push(payer.total);
        }
        let mut plain = Self::default();
        for (place, (key, payer)) in (1..).zip(&mut payers) {
            payer.place = place;
            plain.accounts.owners.push(key.client.as_bytes().to_vec());
            plain.accounts.currencies.push(key.currency.to_string());
            plain.accounts.totals.push(payer.total);
        }
        for (deduction, taken) in deductions.iter().zip(taken) {
            let payer = payers.get(&account_of(deduction))?;
            plain.places.push(payer.place);
            plain.ids.push(deduction.id.as_bytes().to_vec());
            plain.amounts.push(deduction.amount.get());
            plain.routes.push(deduction.route.clone());
            plain.rests.push(payer.total.checked_sub(taken)?);
        }
        plain.tallies = TallyColumns::of(deductions, &plain.places)?;
        let minted = || deductions.iter().map(|deduction| deduction.id.minted_ms());
        plain.first_ms = i64::try_from(minted().min()?).ok()?;
        plain.last_ms = i64::try_from(minted().max()?).ok()?;
        Some(plain)
    }

    /// What each account has left, as far as it has paid; nothing if nobody has.
    pub(super) async fn run(
        &self,
        pool: &PgPool,
        options: &PostgresOptions,
    ) -> Result<Vec<Option<i64>>, sqlx::Error> {
        let left: Option<Vec<Option<i64>>> = sqlx::query_scalar(
            "SELECT deduct_plain($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
                                 $16, $17)",
        )
        .bind(&self.accounts.owners)
        .bind(&self.accounts.currencies)
        .bind(&self.accounts.totals)
        .bind(&self.places)
        .bind(&self.ids)
        .bind(&self.amounts)
        .bind(&self.routes)
        .bind(&self.rests)
        .bind(&self.tallies.places)
        .bind(&self.tallies.hours)
        .bind(&self.tallies.routes)
        .bind(&self.tallies.counts)
        .bind(&self.tallies.sums)
        .bind(self.first_ms)
        .bind(self.last_ms)
        .bind(millis(options.charge_memory))
        .bind(millis(options.clock_skew))
        .fetch_one(pool)
        .await?;
        Ok(left.unwrap_or_default())
    }

    /// What became of each deduction, in order; `None` where its account has not paid.
    ///
    /// # Errors
    /// If the server answered no amount.
    pub(super) fn outcomes(
        &self,
        left: &[Option<i64>],
    ) -> Result<Vec<Option<DeductionOutcome>>, sqlx::Error> {
        let outcome = |(place, rest): (&i32, &i64)| {
            let at = usize::try_from(place.saturating_sub(1)).ok();
            let left = at.and_then(|at| left.get(at).copied()).flatten();
            let after = left.map(|left| units(left.saturating_add(*rest))).transpose()?;
            Ok(after.map(DeductionOutcome::Deducted))
        };
        self.places.iter().zip(&self.rests).map(outcome).collect()
    }
}

impl TallyColumns {
    /// Sums by account, hour and route; `None` if one is too large.
    fn of(deductions: &[Deduction], places: &[i32]) -> Option<Self> {
        let mut tallies: BTreeMap<(i32, u64, &str), (i64, i64)> = BTreeMap::new();
        for (deduction, place) in deductions.iter().zip(places) {
            let hour = deduction.id.minted_ms().checked_div(HOUR_MS)?;
            let (count, sum) = tallies.entry((*place, hour, &deduction.route)).or_default();
            *count = count.checked_add(1)?;
            *sum = sum.checked_add(deduction.amount.get())?;
        }
        let mut columns = Self::default();
        for ((place, hour, route), (count, sum)) in tallies {
            columns.places.push(place);
            columns.hours.push(i64::try_from(hour).ok()?);
            columns.routes.push(route.to_owned());
            columns.counts.push(count);
            columns.sums.push(sum);
        }
        Some(columns)
    }
}

const fn account_of(deduction: &Deduction) -> AccountKey {
    AccountKey { client: deduction.client_id, currency: deduction.currency }
}

//! The statement of a month: what came in, what was used, and what clients still have.

use std::{collections::BTreeMap, str::FromStr};

use stripe402_protocol::Currency;
use time::{Date, Month as MonthOfYear, PrimitiveDateTime, Time};

use super::{
    Operations, OperatorError,
    sums::Sum,
    view::{Statement, StatementLine, StatementOf},
};
use crate::{
    accounting::{AccountKey, HOUR_MS, Kind},
    store::StoreError,
};

/// How many accounts are read at once.
const PAGE: usize = 500;

/// A month, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Month {
    first: Date,
}

impl FromStr for Month {
    type Err = OperatorError;

    fn from_str(text: &str) -> Result<Self, OperatorError> {
        let parsed = || {
            let (year, month) = text.split_once('-')?;
            let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
            if (year.len(), month.len()) != (4, 2) || !is_number(year) || !is_number(month) {
                return None;
            }
            let month = MonthOfYear::try_from(month.parse::<u8>().ok()?).ok()?;
            let first = Date::from_calendar_date(year.parse().ok()?, month, 1).ok()?;
            (first.year() >= 1970).then_some(Self { first })
        };
        let wrong = || OperatorError::Invalid("month must be a month such as 2026-11".to_owned());
        parsed().ok_or_else(wrong)
    }
}

impl Month {
    /// When it began, Unix milliseconds.
    fn begins_ms(self) -> u64 {
        let seconds =
            PrimitiveDateTime::new(self.first, Time::MIDNIGHT).assume_utc().unix_timestamp();
        u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000)
    }

    /// The one after it; of the last month that there is, itself.
    fn next(self) -> Self {
        let month = self.first.month().next();
        let year = self.first.year().saturating_add(i32::from(month == MonthOfYear::January));
        Self { first: Date::from_calendar_date(year, month, 1).unwrap_or(self.first) }
    }

    fn written(self) -> String {
        format!("{:04}-{:02}", self.first.year(), u8::from(self.first.month()))
    }
}

/// What happened in one currency.
#[derive(Default)]
struct Sums {
    opening: i64,
    kinds: BTreeMap<Kind, (i64, i64)>,
    used: Sum,
}

impl Operations {
    /// What moved in a month, in each currency, and what clients had before and after it. Movements
    /// are those that the store's clock put into the month; deductions those of its hours, whose
    /// voids count in the hour of what they void.
    ///
    /// # Errors
    /// [`OperatorError`] if the store cannot be read, or its sums are no 64-bit integers.
    pub async fn statement(&self, month: Month) -> Result<Statement, OperatorError> {
        let mut currencies: BTreeMap<Currency, Sums> = BTreeMap::new();
        let mut after = None;
        loop {
            let page = self.store.accounts(None, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(*last);
            for key in page {
                self.count(key, month, currencies.entry(key.currency).or_default()).await?;
            }
        }
        let currencies = currencies.into_iter().map(|(currency, sums)| of(currency, sums));
        let currencies = currencies.collect::<Result<_, _>>()?;
        Ok(Statement { month: month.written(), currencies })
    }

    async fn count(
        &self,
        key: AccountKey,
        month: Month,
        sums: &mut Sums,
    ) -> Result<(), OperatorError> {
        let (from, to) = (month.begins_ms(), month.next().begins_ms());
        for movement in self.store.movements(key).await? {
            let net = movement.posting.kind.net(movement.posting.amount);
            if movement.at_ms < from {
                sums.opening = add(sums.opening, net)?;
            } else if movement.at_ms < to {
                let (count, units) = sums.kinds.entry(movement.posting.kind).or_default();
                (*count, *units) = (add(*count, 1)?, add(*units, net)?);
            }
        }
        for tally in self.store.tallies(key).await? {
            if tally.hour < from / HOUR_MS {
                sums.opening = add(sums.opening, tally.amount.checked_neg().unwrap_or(i64::MAX))?;
            } else if tally.hour < to / HOUR_MS {
                sums.used.add(&tally)?;
            }
        }
        Ok(())
    }
}

/// The statement of one currency: it adds up because its end is its sum.
fn of(currency: Currency, sums: Sums) -> Result<StatementOf, OperatorError> {
    let moved = sums.kinds.values().try_fold(sums.opening, |sum, (_, units)| add(sum, *units))?;
    let closing = moved.checked_sub(sums.used.units).ok_or_else(too_large)?;
    // A hold and a freeze change nobody's credit.
    let lines = sums.kinds.into_iter().filter(|(_, (_, units))| *units != 0);
    let lines = lines.map(|(kind, (count, units))| StatementLine { kind, count, units });
    Ok(StatementOf {
        currency,
        opening: sums.opening,
        lines: lines.collect(),
        requests: sums.used.requests,
        used: sums.used.units,
        closing,
    })
}

fn add(left: i64, right: i64) -> Result<i64, OperatorError> {
    left.checked_add(right).ok_or_else(too_large)
}

fn too_large() -> OperatorError {
    StoreError::Damaged("the sums of a month are too large to be added".to_owned()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months() {
        let month = |text: &str| text.parse::<Month>();
        let december = month("2026-12").unwrap();
        assert_eq!(december.begins_ms(), 1_796_083_200_000);
        assert_eq!(december.next().written(), "2027-01");
        assert_eq!(month("1970-01").unwrap().begins_ms(), 0);
        for wrong in
            ["2026-13", "2026-00", "26-11", "2026-1", "1969-12", "+026-11", "2026-11-01", ""]
        {
            assert!(matches!(month(wrong), Err(OperatorError::Invalid(_))), "{wrong}");
        }
        assert_eq!(month("9999-12").unwrap().next().written(), "9999-12");
    }

    #[test]
    fn a_month_ends_with_what_it_sums_up_to() {
        let kinds =
            [(Kind::TopUp, (2, 100_000)), (Kind::Refund, (1, -30_000)), (Kind::Hold, (1, 0))];
        let used = Sum { requests: 40, units: 4_000 };
        let sums = Sums { opening: 500, kinds: kinds.into(), used };
        let found = of(Currency::USD, sums).unwrap();
        assert_eq!((found.closing, found.lines.len()), (66_500, 2));
        let sums = Sums { opening: i64::MAX, kinds: kinds.into(), used };
        assert!(of(Currency::USD, sums).is_err());
    }
}

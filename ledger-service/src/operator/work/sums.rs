//! Sums of deductions.

use super::OperatorError;
use crate::store::{StoreError, Tally};

/// How many requests were paid for, and with how many units; less voids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) requests: i64,
    pub(crate) units: i64,
}

impl Sum {
    /// Of all of these.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub(crate) fn of<'t>(
        tallies: impl IntoIterator<Item = &'t Tally>,
    ) -> Result<Self, OperatorError> {
        let mut sum = Self::default();
        tallies.into_iter().try_for_each(|tally| sum.add(tally))?;
        Ok(sum)
    }

    /// Adds one more.
    ///
    /// # Errors
    /// [`OperatorError::Store`] if the sum is no 64-bit integer: only damaged books have such
    /// tallies, and a sum that is wrong is never shown.
    pub(crate) fn add(&mut self, tally: &Tally) -> Result<(), OperatorError> {
        let requests = self.requests.checked_add(tally.count);
        let units = self.units.checked_add(tally.amount);
        let too_large = || {
            let route = &tally.route;
            StoreError::Damaged(format!("the sums of the route {route} are too large to be added"))
        };
        let (requests, units) = requests.zip(units).ok_or_else(too_large)?;
        *self = Self { requests, units };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_exact_or_an_error() {
        let tally = |count, amount| Tally { route: "joke".into(), hour: 1, count, amount };
        let sum = Sum::of(&[tally(3, 300), tally(-1, -100)]);
        assert_eq!(sum.unwrap(), Sum { requests: 2, units: 200 });
        for wrong in [tally(1, i64::MAX), tally(i64::MAX, 1)] {
            let found = Sum::of(&[tally(1, 1), wrong]);
            assert!(matches!(found, Err(OperatorError::Store(_))), "{found:?}");
        }
    }
}

//! Sums of deductions, kept when the deductions themselves are forgotten.

use stripe402_protocol::DeductionId;

use super::AccountKey;

/// Tallies are of hours.
pub const HOUR_MS: u64 = 3_600_000;

/// One client's use of one route in one hour.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TallyKey {
    /// Who, in which currency.
    pub account: AccountKey,
    /// Hours since 1970, by the gateway's clock when it minted the deduction.
    pub hour: u64,
    /// The priced route.
    pub route: String,
}

impl TallyKey {
    /// Where a deduction counts, and where its void is taken off again.
    #[must_use]
    pub fn of(deduction: &DeductionId, account: AccountKey, route: &str) -> Self {
        let hour = deduction.minted_ms().checked_div(HOUR_MS).unwrap_or(0);
        Self { account, hour, route: route.to_owned() }
    }
}

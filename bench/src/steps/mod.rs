//! What one request costs in instructions: the gate's pure step and the ledger's batch, alone.
//!
//! Instructions do not depend on what else a machine does, so they can be compared with numbers in
//! a file: `make bench-check` fails when one grows by more than a tenth.

mod check;
mod gate;
mod host;
mod ledger;

pub use self::check::{Options, run};

use crate::Result;

/// Charges that travel together: as many as 32 connections make.
const BATCH: u32 = 16;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Step {
    /// A request that costs nothing, through the gate.
    Free,
    /// A request without a payment: a challenge.
    Challenge,
    /// A paid request, from its head to its end, its share of a batch included.
    Paid,
    /// The same, among 100,000 routes.
    PaidOfMany,
    /// A request that a lease pays for, its share of the leases included.
    Leased,
    /// A deduction's share of a batch at the ledger: read, deducted in memory, answered.
    Ledger,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Free, Self::Challenge, Self::Paid, Self::PaidOfMany, Self::Leased, Self::Ledger];

    /// As it is called in files and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Challenge => "challenge",
            Self::Paid => "paid",
            Self::PaidOfMany => "paid-of-many",
            Self::Leased => "leased",
            Self::Ledger => "ledger",
        }
    }

    /// Does it so many times, rounded up to whole batches.
    ///
    /// # Errors
    /// If something was answered otherwise than it should.
    pub fn repeat(self, times: u32) -> Result<()> {
        match self {
            Self::Free => gate::free(times),
            Self::Challenge => gate::challenge(times),
            Self::Paid => gate::paid(times, 10),
            Self::PaidOfMany => gate::paid(times, 100_000),
            Self::Leased => gate::leased(times),
            Self::Ledger => ledger::batches(times),
        }
    }
}

//! The cases, each on clients of its own.
#![expect(missing_docs, reason = "their names say what they show")]

mod audit;
mod crowd;
mod deductions;
mod grants;
mod holds;
mod keys;
mod known;
mod leases;
mod many;
mod movements;
mod payers;
mod reading;
mod rotation;
mod top_ups;
mod uncharged;
mod voids;

use std::time::Duration;

use stripe402_protocol::message::DeductionOutcome;

use super::{
    Options, StoreUnderTest,
    fixture::{Asked, units},
};
use crate::accounting::{Account, Posted};

pub use self::{
    audit::*, crowd::*, deductions::*, grants::*, holds::*, keys::*, known::*, leases::*, many::*,
    movements::*, payers::*, reading::*, rotation::*, top_ups::*, uncharged::*, voids::*,
};

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn open(under_test: &dyn StoreUnderTest) -> Asked {
    Asked(under_test.open(Options::default()).await)
}

fn deducted(left: i64) -> DeductionOutcome {
    DeductionOutcome::Deducted(units(left))
}

fn done(available: i64, pending: i64, debt: i64) -> Posted {
    Posted::Done(Account {
        available: units(available),
        pending: units(pending),
        debt: units(debt),
        ..Account::default()
    })
}

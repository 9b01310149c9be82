//! The cases, each on clients of its own.
#![expect(missing_docs, reason = "their names say what they show")]

mod audit;
mod charges;
mod many;
mod movements;
mod payers;
mod reading;
mod top_ups;
mod uncharged;
mod voids;

use std::time::Duration;

use stripe402_protocol::message::ChargeOutcome;

use super::{
    Options, Subject,
    fixture::{Asked, units},
};
use crate::ledger::{Account, Posted};

pub use self::{
    audit::*, charges::*, many::*, movements::*, payers::*, reading::*, top_ups::*, uncharged::*,
    voids::*,
};

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn open(subject: &dyn Subject) -> Asked {
    Asked(subject.open(Options::default()).await)
}

fn charged(left: i64) -> ChargeOutcome {
    ChargeOutcome::Charged(units(left))
}

fn done(available: i64, pending: i64, debt: i64) -> Posted {
    Posted::Done(Account {
        available: units(available),
        pending: units(pending),
        debt: units(debt),
        frozen: false,
    })
}

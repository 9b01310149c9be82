//! What moved in all, for tests to compare with the books.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::world::World;

/// What moved in one currency, in minor units.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Totals {
    charged: i64,
    refunded: i64,
    /// What disputes hold.
    disputed: i64,
}

/// The totals of each currency.
pub(crate) fn of(world: &World) -> BTreeMap<&str, Totals> {
    let mut all: BTreeMap<&str, Totals> = BTreeMap::new();
    for charge in world.charges.newest_first().filter(|charge| charge.failure.is_none()) {
        let totals = all.entry(&charge.currency).or_default();
        totals.charged = totals.charged.saturating_add(charge.amount);
    }
    for refund in world.refunds.newest_first().filter(|refund| !refund.failed()) {
        let totals = all.entry(&refund.currency).or_default();
        totals.refunded = totals.refunded.saturating_add(refund.amount);
    }
    for dispute in world.disputes.newest_first() {
        if dispute.withdrawn.is_some() && dispute.reinstated.is_none() {
            let totals = all.entry(&dispute.currency).or_default();
            totals.disputed = totals.disputed.saturating_add(dispute.amount);
        }
    }
    all
}

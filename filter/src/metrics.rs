//! What is counted and measured.
//!
//! Counters are added up in the VM and handed over once a second, since each host call costs a request
//! up to a microsecond. By route there are only those of metered prices: the books have revenue by route.

use stripe402_protocol::Code;

/// A number that only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter(usize);

/// A distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Histogram(usize);

/// What the counters are called at the proxy. What follows `.code.`, `.call.` or `.result.` is a
/// tag: the shipped YAML tells Envoy so.
pub const COUNTERS: [&str; 31] = [
    "stripe402_challenges",
    "stripe402_paid",
    "stripe402_free",
    "stripe402_unpaid",
    "stripe402_refused.code.insufficient_credits",
    "stripe402_refused.code.card_declined",
    "stripe402_refused.code.payment_failed",
    "stripe402_refused.code.invalid_payment",
    "stripe402_refused.code.top_up_below_minimum",
    "stripe402_refused.code.payment_required",
    "stripe402_unavailable",
    "stripe402_misconfigured",
    "stripe402_answered",
    "stripe402_voided",
    "stripe402_voids_lost",
    "stripe402_ledger_calls.call.batch.result.ok",
    "stripe402_ledger_calls.call.batch.result.useless",
    "stripe402_ledger_calls.call.batch.result.silent",
    "stripe402_ledger_calls.call.card.result.ok",
    "stripe402_ledger_calls.call.card.result.useless",
    "stripe402_ledger_calls.call.card.result.silent",
    "stripe402_ledger_calls.call.balance.result.ok",
    "stripe402_ledger_calls.call.balance.result.useless",
    "stripe402_ledger_calls.call.balance.result.silent",
    "stripe402_inherited",
    "stripe402_captures_lost",
    "stripe402_leased",
    "stripe402_leases",
    "stripe402_leases_refused",
    "stripe402_leased_units_lost",
    "stripe402_anonymous",
];

/// What is counted for each route whose price is metered; `.route.` and its name follow.
pub const ROUTE_COUNTERS: [&str; 5] = [
    "stripe402_captures",
    "stripe402_held_units",
    "stripe402_captured_units",
    "stripe402_usage_unknown",
    "stripe402_usage_wrong",
];

/// What the histograms are called at the proxy.
pub const HISTOGRAMS: [&str; 4] = [
    "stripe402_batch_charges",
    "stripe402_ledger_ms.call.batch",
    "stripe402_ledger_ms.call.card",
    "stripe402_ledger_ms.call.balance",
];

impl Counter {
    /// 402s to clients that did not try to pay.
    pub const CHALLENGES: Self = Self(0);
    /// Requests that went on, paid for.
    pub const PAID: Self = Self(1);
    /// Requests that went on and cost nothing.
    pub const FREE: Self = Self(2);
    /// Requests that went on unpaid, since the ledger gave no answer.
    pub const UNPAID: Self = Self(3);
    /// Payments that were refused for want of credits.
    pub const INSUFFICIENT: Self = Self(4);
    /// 503s for want of the ledger.
    pub const UNAVAILABLE: Self = Self(10);
    /// 500s for wrong route metadata.
    pub const MISCONFIGURED: Self = Self(11);
    /// What the gate answered otherwise: discovery, balances, OPTIONS, what is not for sale.
    pub const ANSWERED: Self = Self(12);
    /// Charges that were given back.
    pub const VOIDED: Self = Self(13);
    /// Charges that should have been given back.
    pub const VOIDS_LOST: Self = Self(14);

    /// Charges that a dead VM left under way, and that are given back.
    pub const INHERITED: Self = Self(24);

    /// Captures that should have been handed over: their holds are settled at their end.
    pub const CAPTURES_LOST: Self = Self(25);

    /// Requests that were paid from a lease.
    pub const LEASED: Self = Self(26);
    /// Leases that were given.
    pub const LEASES: Self = Self(27);
    /// Leases that were refused.
    pub const LEASES_REFUSED: Self = Self(28);
    /// Units that were paid from a lease and did not reach the ledger in time: the client has them.
    pub const LEASED_UNITS_LOST: Self = Self(29);

    /// Requests that went on without a payment, since their addresses had some left.
    pub const ANONYMOUS: Self = Self(30);

    /// Payments that were refused for this.
    #[must_use]
    pub const fn refused(code: Code) -> Self {
        match code {
            Code::InsufficientCredits => Self::INSUFFICIENT,
            Code::CardDeclined => Self(5),
            Code::PaymentFailed => Self(6),
            Code::InvalidPayment => Self(7),
            Code::TopUpBelowMinimum => Self(8),
            Code::PaymentRequired => Self(9),
        }
    }

    /// Its place in [`COUNTERS`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }
}

/// What was counted of one route since it was last handed over, in the order of [`ROUTE_COUNTERS`].
pub type RouteCounts = [u64; ROUTE_COUNTERS.len()];

/// Which of the ledger's services is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Charges and voids.
    Batch,
    /// A card payment.
    Card,
    /// A balance.
    Balance,
}

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// An answer.
    Ok,
    /// An answer that is of no use.
    InvalidResponse,
    /// Nothing at all.
    Unreachable,
}

impl Service {
    /// The counter of calls of this kind that ended so.
    #[must_use]
    pub const fn counter(self, came: CallOutcome) -> Counter {
        Counter(match (self, came) {
            (Self::Batch, CallOutcome::Ok) => 15,
            (Self::Batch, CallOutcome::InvalidResponse) => 16,
            (Self::Batch, CallOutcome::Unreachable) => 17,
            (Self::Card, CallOutcome::Ok) => 18,
            (Self::Card, CallOutcome::InvalidResponse) => 19,
            (Self::Card, CallOutcome::Unreachable) => 20,
            (Self::Balance, CallOutcome::Ok) => 21,
            (Self::Balance, CallOutcome::InvalidResponse) => 22,
            (Self::Balance, CallOutcome::Unreachable) => 23,
        })
    }

    /// How long calls of this kind take, in milliseconds.
    #[must_use]
    pub const fn milliseconds(self) -> Histogram {
        Histogram(match self {
            Self::Batch => 1,
            Self::Card => 2,
            Self::Balance => 3,
        })
    }
}

impl Histogram {
    /// Charges in one batch.
    pub const BATCH_CHARGES: Self = Self(0);

    /// Its place in [`HISTOGRAMS`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }
}

/// What was counted since it was last handed over: a host call per second, not per request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pending([u64; COUNTERS.len()]);

impl Pending {
    /// Counts one more.
    pub fn count(&mut self, counter: Counter) {
        self.add(counter, 1);
    }

    /// Counts more.
    pub fn add(&mut self, counter: Counter, by: u64) {
        if let Some(number) = self.0.get_mut(counter.0) {
            *number = number.saturating_add(by);
        }
    }

    /// What was counted, and begins anew.
    pub fn take(&mut self) -> impl Iterator<Item = (Counter, u64)> + use<> {
        let taken = core::mem::take(self);
        let counted = taken.0.into_iter().enumerate();
        counted.filter(|(_, by)| *by > 0).map(|(at, by)| (Counter(at), by))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_has_the_name_of_what_it_counts() {
        let name = |counter: Counter| COUNTERS[counter.index()];
        for (counter, expected) in [
            (Counter::CHALLENGES, "stripe402_challenges"),
            (Counter::PAID, "stripe402_paid"),
            (Counter::FREE, "stripe402_free"),
            (Counter::UNPAID, "stripe402_unpaid"),
            (Counter::UNAVAILABLE, "stripe402_unavailable"),
            (Counter::MISCONFIGURED, "stripe402_misconfigured"),
            (Counter::ANSWERED, "stripe402_answered"),
            (Counter::VOIDED, "stripe402_voided"),
            (Counter::VOIDS_LOST, "stripe402_voids_lost"),
            (Counter::INHERITED, "stripe402_inherited"),
            (Counter::CAPTURES_LOST, "stripe402_captures_lost"),
            (Counter::LEASED, "stripe402_leased"),
            (Counter::LEASES, "stripe402_leases"),
            (Counter::LEASES_REFUSED, "stripe402_leases_refused"),
            (Counter::LEASED_UNITS_LOST, "stripe402_leased_units_lost"),
            (Counter::ANONYMOUS, "stripe402_anonymous"),
        ] {
            assert_eq!(name(counter), expected);
        }
        for code in [
            Code::InsufficientCredits,
            Code::CardDeclined,
            Code::PaymentFailed,
            Code::InvalidPayment,
            Code::TopUpBelowMinimum,
            Code::PaymentRequired,
        ] {
            let expected = format!("stripe402_refused.code.{}", code.as_str());
            assert_eq!(name(Counter::refused(code)), expected);
        }
        for (service, call) in
            [(Service::Batch, "batch"), (Service::Card, "card"), (Service::Balance, "balance")]
        {
            for (came, result) in [
                (CallOutcome::Ok, "ok"),
                (CallOutcome::InvalidResponse, "useless"),
                (CallOutcome::Unreachable, "silent"),
            ] {
                let expected = format!("stripe402_ledger_calls.call.{call}.result.{result}");
                assert_eq!(name(service.counter(came)), expected);
            }
            let expected = format!("stripe402_ledger_ms.call.{call}");
            assert_eq!(HISTOGRAMS[service.milliseconds().index()], expected);
        }
    }

    #[test]
    fn what_was_counted_is_handed_over_once() {
        let mut pending = Pending::default();
        pending.count(Counter::PAID);
        pending.add(Counter::PAID, 2);
        assert_eq!(pending.take().collect::<Vec<_>>(), [(Counter::PAID, 3)]);
        assert_eq!(pending.take().count(), 0);
    }
}

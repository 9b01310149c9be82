//! What becomes of leases, and of what was paid from them.

use stripe402_protocol::{
    DeductionId, Units,
    message::{Capture, CaptureOutcome, Deduction, DeductionOutcome},
};

use super::{
    Asked, CLOSING_KEPT_MS, Closing, Converted, Fate, Handed, Heard, Key, Leases, REFUSED_FOR_MS,
    Undecided, account::Lease,
};

impl Leases {
    /// A request's answer came: it stands. Answers how many units nobody pays for, since the ledger has
    /// refused them.
    pub fn stands(&mut self, id: DeductionId) -> Units {
        if let Some(undecided) = self.undecided.remove(&id) {
            if let Some(lease) = self.lease_of(&undecided) {
                lease.undecided = lease.undecided.saturating_sub(1);
            }
        } else if let Some(converted) = self.converted.get_mut(&id) {
            if converted.fate == Fate::Refused {
                return self.converted.remove(&id).map_or(Units::ZERO, |of| of.deduction.amount);
            }
            converted.fate = Fate::Stands;
        }
        Units::ZERO
    }

    /// A request is given back; `false` if the ledger has to hear of it.
    pub fn void(&mut self, id: DeductionId) -> bool {
        if let Some(converted) = self.converted.get_mut(&id) {
            if converted.fate == Fate::Refused {
                self.converted.remove(&id);
                return true;
            }
            converted.fate = Fate::Voided;
        }
        let Some(undecided) = self.undecided.remove(&id) else { return false };
        if let Some(lease) = self.lease_of(&undecided) {
            lease.give_back(undecided.amount);
        }
        true
    }

    fn lease_of(&mut self, undecided: &Undecided) -> Option<&mut Lease> {
        let account = self.accounts.get_mut(&undecided.key)?;
        let lease = account.routes.get_mut(undecided.route)?.current.as_mut()?;
        (lease.id == undecided.lease).then_some(lease)
    }

    /// The ledger's word on a lease, or on a request that became a deduction of its own; `None` if it
    /// gave none, and whatever it did is being voided.
    pub fn heard(
        &mut self,
        id: DeductionId,
        outcome: Option<DeductionOutcome>,
        now_ms: u64,
    ) -> Heard {
        if let Some(asked) = self.asked.remove(&id) {
            return self.heard_of_lease(id, &asked, outcome, now_ms);
        }
        let Some(Converted { deduction, fate }) = self.converted.remove(&id) else {
            return Heard::Other;
        };
        match outcome {
            Some(DeductionOutcome::Deducted(left)) => {
                let key = (deduction.client_id, deduction.currency);
                if let Some(account) = self.accounts.get_mut(&key) {
                    account.available = left;
                }
                Heard::Deducted { stands: fate == Fate::Stands }
            }
            Some(DeductionOutcome::Leased) => {
                let again = Box::new(deduction.clone());
                self.converted.insert(id, Converted { deduction, fate });
                Heard::Again(again)
            }
            // Its void came first.
            Some(DeductionOutcome::Voided) => Heard::Deducted { stands: fate == Fate::Stands },
            _ if fate == Fate::Stands => Heard::Lost(deduction.amount),
            _ => {
                if fate == Fate::Open {
                    self.converted.insert(id, Converted { deduction, fate: Fate::Refused });
                }
                Heard::Refused
            }
        }
    }

    fn heard_of_lease(
        &mut self,
        id: DeductionId,
        asked: &Asked,
        outcome: Option<DeductionOutcome>,
        now_ms: u64,
    ) -> Heard {
        let Some(account) = self.accounts.get_mut(&asked.key) else { return Heard::NoLease };
        let refused_until = now_ms.saturating_add(REFUSED_FOR_MS);
        let Some(route) = account.routes.get_mut(asked.route) else { return Heard::NoLease };
        route.asking = false;
        let Some(DeductionOutcome::Deducted(left)) = outcome else {
            account.refused_until_ms = refused_until;
            return Heard::NoLease;
        };
        let lease = Lease::new(id, asked.amount, asked.at_ms);
        // Called back, or given up, while it was on its way.
        let unwanted = self.retiring || now_ms < account.refused_until_ms;
        let unused = route.give(lease, unwanted);
        account.available = left;
        if let Some(unused) = unused {
            self.close(asked.key, asked.route, unused, now_ms);
        }
        Heard::Lease
    }

    /// The ledger's word on a capture: how many units were paid here and not captured there, because it
    /// came too late.
    pub fn captured(&mut self, id: DeductionId, outcome: CaptureOutcome) -> Units {
        let Some(closing) = self.closing.remove(&id) else { return Units::ZERO };
        let account = self.accounts.get_mut(&closing.key);
        if let Some(account) = account {
            account.closing = account.closing.checked_sub(closing.rest).unwrap_or(Units::ZERO);
            if let CaptureOutcome::Captured { left, .. } = outcome {
                account.available = left;
            }
        }
        match outcome {
            CaptureOutcome::Captured { captured, .. } => closing.asked.checked_sub(captured),
            CaptureOutcome::Marked => None,
            _ => Some(closing.asked),
        }
        .unwrap_or(Units::ZERO)
    }

    /// The capture of a lease is given up: so many units were paid here that the ledger never hears of.
    pub fn capture_lost(&mut self, id: DeductionId) -> Units {
        let Some(closing) = self.closing.remove(&id) else { return Units::ZERO };
        if let Some(account) = self.accounts.get_mut(&closing.key) {
            account.closing = account.closing.checked_sub(closing.rest).unwrap_or(Units::ZERO);
        }
        closing.asked
    }

    pub(super) fn close(&mut self, key: Key, at: usize, mut lease: Lease, now_ms: u64) {
        let rest = lease.rest();
        let mut deductions = Vec::new();
        let route = self.accounts.get(&key).and_then(|of| of.routes.get(at));
        if let Some(route) = route.filter(|_| lease.undecided > 0) {
            for id in core::mem::take(&mut lease.requests) {
                let Some(Undecided { amount, .. }) = self.undecided.remove(&id) else { continue };
                if !stripe402_mutant::mutant!("undecided_twice") {
                    lease.give_back(amount);
                }
                let (client_id, currency) = key;
                let route = route.name.clone();
                let deduction = Deduction { id, client_id, currency, amount, route, hold: None };
                deductions.push(deduction.clone());
                self.converted.insert(id, Converted { deduction, fate: Fate::Open });
            }
        }
        if let Some(account) = self.accounts.get_mut(&key) {
            account.closing = account.closing.checked_add(rest).unwrap_or(Units::MAX);
        }
        let (id, asked, count) = (lease.id, lease.spent, lease.count);
        let until_ms = now_ms.saturating_add(CLOSING_KEPT_MS);
        self.closing.insert(id, Closing { key, rest, asked, until_ms });
        let capture = Capture { id, client_id: key.0, amount: asked, count };
        self.handed.push(Handed { capture, deductions });
    }
}

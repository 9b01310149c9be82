//! One client's leases, route by route.

use stripe402_protocol::{DeductionId, Units};

use super::MOST_UNDECIDED;

/// Requests of one client on one route, within the time for which a lease is paid from, that make it
/// worth one: a lease costs the ledger as much as two of them.
const HOT: u32 = 6;
/// The least that a lease pays for: so many requests.
const LEAST_REQUESTS: i64 = 50;
/// Requests of one lease that are listed, with and without answers.
const MOST_LISTED: usize = 4_096;
/// Routes of one client that may have leases.
const MOST_ROUTES: usize = 8;

/// What is known of one client's credit.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// What the ledger said was left, last.
    pub(super) available: Units,
    /// What was left of leases whose captures are on their way.
    pub(super) closing: Units,
    pub(super) routes: Vec<Route>,
    /// No lease is asked for before.
    pub(super) refused_until_ms: u64,
    pub(super) seen_ms: u64,
}

/// One route's requests of one client.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) name: String,
    /// Requests since `since_ms`, and what they cost.
    seen: u32,
    units: i64,
    since_ms: u64,
    /// What one of them cost, last.
    price: Units,
    pub(super) current: Option<Lease>,
    /// Given ahead, and not paid from yet.
    next: Option<Lease>,
    /// Whether one is asked for.
    pub(super) asking: bool,
}

/// A block of credit.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) id: DeductionId,
    amount: Units,
    /// What was paid from it, for so many requests.
    pub(super) spent: Units,
    pub(super) count: u32,
    /// How many of these have no answer yet.
    pub(super) undecided: u32,
    /// The requests that it has paid for: those without an answer are among them.
    pub(super) requests: Vec<DeductionId>,
    /// Since when it is out, at the latest, and when it was paid from.
    asked_ms: u64,
    begun_ms: u64,
    used_ms: u64,
}

impl Account {
    pub(super) fn has_no_lease(&self) -> bool {
        self.routes
            .iter()
            .all(|route| route.current.is_none() && route.next.is_none() && !route.asking)
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.has_no_lease() || !self.closing.is_zero()
    }

    pub(super) fn place(&self, route: &str) -> Option<usize> {
        self.routes.iter().position(|of| of.name == route)
    }

    pub(super) fn place_or_add(&mut self, route: &str) -> Option<usize> {
        let known = self.place(route);
        if known.is_some() || self.routes.len() >= MOST_ROUTES {
            return known;
        }
        self.routes.push(Route::new(route));
        self.place(route)
    }

    /// What is left of the client's credit if so much is available: this worker's leases are part of it.
    pub(super) fn told(&self, available: Units) -> Units {
        let leases = self.routes.iter().flat_map(|of| of.current.iter().chain(&of.next));
        let rests = leases.map(Lease::rest).chain([self.closing]);
        rests.fold(available, |sum, rest| sum.checked_add(rest).unwrap_or(Units::MAX))
    }

    /// Every lease that is out, with the place of its route.
    pub(super) fn take_all(&mut self) -> Vec<(usize, Lease)> {
        let routes = self.routes.iter_mut().enumerate();
        routes
            .flat_map(|(at, route)| {
                [route.current.take(), route.next.take()]
                    .into_iter()
                    .flatten()
                    .map(move |of| (at, of))
            })
            .collect()
    }
}

impl Route {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            seen: 0,
            units: 0,
            since_ms: 0,
            price: Units::ZERO,
            current: None,
            next: None,
            asking: false,
        }
    }

    /// One more request that was not paid from a lease. Whether a lease is worth it.
    pub(super) fn heat(&mut self, price: Units, now_ms: u64, hand_over_ms: u64) -> bool {
        if now_ms.saturating_sub(self.since_ms) >= hand_over_ms {
            (self.seen, self.units, self.since_ms) = (0, 0, now_ms);
        }
        self.seen = self.seen.saturating_add(1);
        self.units = self.units.saturating_add(price.get());
        self.price = price;
        self.seen >= HOT && self.next.is_none()
    }

    /// How much the next lease should have: twice what is spent until it is replaced, fifty requests at
    /// the least, and not more than the ledger gives. `None` if that is too little, or one is on its way.
    pub(super) fn wanted(
        &self,
        available: Units,
        most: u8,
        now_ms: u64,
        hand_over_ms: u64,
    ) -> Option<Units> {
        if self.asking || self.next.is_some() {
            return None;
        }
        let (units, since_ms) = match &self.current {
            Some(lease) if lease.count > 0 => (lease.spent.get(), lease.begun_ms),
            _ => (self.units, self.since_ms),
        };
        let elapsed = i64::try_from(now_ms.saturating_sub(since_ms).max(10)).ok()?;
        let span = i64::try_from(hand_over_ms).ok()?.checked_mul(2)?;
        let wanted = units.checked_mul(span)?.checked_div(elapsed)?;
        // A tenth less than its share: others may have spent since the ledger's last word.
        let share = i64::from(most).checked_mul(9)?;
        let largest = available.get().checked_div(1_000)?.checked_mul(share)?;
        let least = self.price.get().checked_mul(LEAST_REQUESTS)?;
        if least == 0 || largest < least {
            return None;
        }
        Units::new(wanted.clamp(least, largest)).ok()
    }

    pub(super) fn can_pay(&self, price: Units, now_ms: u64, pays_for_ms: u64) -> bool {
        self.current.as_ref().is_some_and(|lease| {
            lease.is_fresh(now_ms, pays_for_ms)
                && lease.rest() >= price
                && lease.undecided < MOST_UNDECIDED
        })
    }

    /// Goes over to the next lease, if that suffices. Answers the one before, if there was one; `None`
    /// where no next one suffices.
    pub(super) fn advance(
        &mut self,
        now_ms: u64,
        pays_for_ms: u64,
        price: Units,
    ) -> Option<Option<Lease>> {
        let suffices =
            |next: &mut Lease| next.is_fresh(now_ms, pays_for_ms) && next.rest() >= price;
        let mut next = self.next.take_if(suffices)?;
        next.begun_ms = now_ms;
        Some(self.current.replace(next))
    }

    /// Pays from the current lease: its id.
    pub(super) fn pay(
        &mut self,
        request: DeductionId,
        price: Units,
        now_ms: u64,
    ) -> Option<DeductionId> {
        self.price = price;
        let lease = self.current.as_mut()?;
        lease.spent = lease.spent.checked_add(price).filter(|spent| *spent <= lease.amount)?;
        lease.count = lease.count.saturating_add(1);
        lease.undecided = lease.undecided.saturating_add(1);
        lease.used_ms = now_ms;
        lease.requests.push(request);
        Some(lease.id)
    }

    /// Now and then leaves out the requests of the current lease that have their answers.
    pub(super) fn forget_answered(&mut self, is_open: impl Fn(&DeductionId) -> bool) {
        if let Some(lease) = self.current.as_mut().filter(|of| of.requests.len() >= MOST_LISTED) {
            lease.requests.retain(is_open);
        }
    }

    /// Whether less than half is left, and nothing is asked for.
    pub(super) fn should_renew(&self) -> bool {
        let low = |lease: &Lease| lease.spent >= lease.rest();
        !self.asking && self.next.is_none() && self.current.as_ref().is_some_and(low)
    }

    /// Whether the current lease is used and will soon be replaced.
    pub(super) fn is_aging(&self, now_ms: u64, pays_for_ms: u64) -> bool {
        let after = pays_for_ms.saturating_mul(2).checked_div(5).unwrap_or(0);
        let aging = |of: &Lease| of.count > 0 && now_ms.saturating_sub(of.begun_ms) >= after;
        !self.asking && self.next.is_none() && self.current.as_ref().is_some_and(aging)
    }

    /// Takes a lease that was given. Answers it where it is of no use.
    pub(super) fn give(&mut self, lease: Lease, unwanted: bool) -> Option<Lease> {
        let place = if self.current.is_none() { &mut self.current } else { &mut self.next };
        if unwanted || place.is_some() {
            return Some(lease);
        }
        *place = Some(lease);
        None
    }

    /// What is idle or old: to be captured.
    pub(super) fn retire(&mut self, now_ms: u64, pays_for_ms: u64) -> Vec<Lease> {
        let mut old = Vec::new();
        let over = |lease: &mut Lease| {
            !lease.is_fresh(now_ms, pays_for_ms)
                || now_ms.saturating_sub(lease.used_ms) >= pays_for_ms
        };
        old.extend(self.current.take_if(over));
        if self.current.is_none() {
            self.current = self.next.take();
            if let Some(current) = &mut self.current {
                current.begun_ms = now_ms;
            }
            old.extend(self.current.take_if(over));
        }
        old
    }
}

impl Lease {
    pub(super) const fn new(id: DeductionId, amount: Units, asked_ms: u64) -> Self {
        Self {
            id,
            amount,
            spent: Units::ZERO,
            count: 0,
            undecided: 0,
            requests: Vec::new(),
            asked_ms,
            begun_ms: asked_ms,
            used_ms: asked_ms,
        }
    }

    pub(super) fn rest(&self) -> Units {
        self.amount.checked_sub(self.spent).unwrap_or(Units::ZERO)
    }

    /// Whether it may be paid from: not for longer than what was paid may be unknown to the ledger, and
    /// never near its end.
    fn is_fresh(&self, now_ms: u64, pays_for_ms: u64) -> bool {
        let out_for = now_ms.saturating_sub(self.asked_ms);
        let paying_for = now_ms.saturating_sub(self.begun_ms);
        now_ms >= self.asked_ms
            && paying_for < pays_for_ms
            && out_for < pays_for_ms.saturating_mul(2)
    }

    pub(super) fn give_back(&mut self, amount: Units) {
        self.spent = self.spent.checked_sub(amount).unwrap_or(Units::ZERO);
        self.count = self.count.saturating_sub(1);
        self.undecided = self.undecided.saturating_sub(1);
    }
}

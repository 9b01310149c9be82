//! Credit that this worker pays from by itself: leases, and what is paid from them.
//!
//! A client that pays often within a moment gets a lease: a hold of a block of its credit. While that
//! is out, its requests on this worker are paid for here, without a call. After a moment the lease is
//! replaced by the next one and captured: what was paid, for how many requests. Requests from it whose
//! answers have not come by then become deductions of their own, which can be given back one by one.
//! So each lease is captured once, and whoever dies before that has given away what one has paid.
//! Pure: no host, no clock.

mod account;
mod settle;

use rustc_hash::FxHashMap;
use stripe402_protocol::{
    ClientId, Currency, DeductionId, Units,
    message::{Capture, Deduction, HoldTerms},
};

use self::account::Account;
use crate::{config::LeaseSettings, gate::Mint};

/// Clients that are watched at once; more have no leases until others are idle.
const MOST_ACCOUNTS: usize = 8_192;
/// For how long a client gets no lease after it was refused one, in milliseconds.
const REFUSED_FOR_MS: u64 = 1_000;
/// For how long the answer to a capture is waited for, in milliseconds.
const CLOSING_KEPT_MS: u64 = 600_000;
/// Requests without an answer that one lease may have paid for: they leave it in one message.
const MOST_UNDECIDED: u32 = 512;
/// A client that has not paid for so long is not watched, in milliseconds.
const IDLE_MS: u64 = 2_000;

/// Time between pulses, in milliseconds: what is closed leaves at the next one.
const PULSE_MS: u64 = 50;

/// Whose credit, in which currency.
pub type Key = (ClientId, Currency);

/// One worker's leases.
#[derive(Debug)]
pub struct Leases {
    settings: LeaseSettings,
    accounts: FxHashMap<Key, Account>,
    /// Requests that were paid from a lease and have no answer yet.
    undecided: FxHashMap<DeductionId, Undecided>,
    /// Leases that the ledger was asked for.
    asked: FxHashMap<DeductionId, Asked>,
    /// Leases that were closed and whose captures the ledger has not answered.
    closing: FxHashMap<DeductionId, Closing>,
    /// Requests that have become deductions of their own, until the ledger has answered.
    converted: FxHashMap<DeductionId, Converted>,
    handed: Vec<Handed>,
    retiring: bool,
}

#[derive(Debug)]
struct Undecided {
    key: Key,
    route: usize,
    lease: DeductionId,
    amount: Units,
}

#[derive(Debug)]
struct Asked {
    key: Key,
    route: usize,
    amount: Units,
    at_ms: u64,
}

#[derive(Debug)]
struct Closing {
    key: Key,
    rest: Units,
    asked: Units,
    until_ms: u64,
}

#[derive(Debug)]
struct Converted {
    deduction: Deduction,
    fate: Fate,
}

/// What has been heard of a request that became a deduction of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Nothing.
    Open,
    /// Its answer came: the deduction stands.
    Stands,
    /// It is given back.
    Voided,
    /// The ledger refused it.
    Refused,
}

/// What a closed lease comes to.
#[derive(Debug)]
pub struct Handed {
    /// What was paid from it.
    pub capture: Capture,
    /// Requests that it had paid for and that have no answer yet: from now on by themselves.
    pub deductions: Vec<Deduction>,
}

/// A request that was paid from a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// What is left of the client's credit.
    pub left: Units,
    /// Whether so little is left of the lease that the next one should be asked for.
    pub renew: bool,
}

/// What the ledger's word on a deduction of the worker's own means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It is none of these.
    Other,
    /// A lease was given.
    Lease,
    /// A lease was refused.
    NoLease,
    /// A request has become a deduction of its own.
    Deducted {
        /// Whether its answer had come before.
        stands: bool,
    },
    /// It has to be asked for again: leases are still out.
    Again(Box<Deduction>),
    /// A request that became a deduction of its own was refused; its answer has not come yet.
    Refused,
    /// So much was served and not paid.
    Lost(Units),
}

impl Leases {
    /// No leases yet.
    #[must_use]
    pub fn new(settings: LeaseSettings) -> Self {
        Self {
            settings,
            accounts: FxHashMap::default(),
            undecided: FxHashMap::default(),
            asked: FxHashMap::default(),
            closing: FxHashMap::default(),
            converted: FxHashMap::default(),
            handed: Vec::new(),
            retiring: false,
        }
    }

    /// Whether no lease is out and none is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.asked.is_empty()
            && self.handed.is_empty()
            && self.accounts.values().all(Account::has_no_lease)
    }

    /// For how long a lease is paid from: with the time until a pulse, what was paid is handed over within
    /// `hand_over`.
    const fn pays_for_ms(&self) -> u64 {
        self.settings.hand_over_ms.saturating_sub(PULSE_MS)
    }

    /// Pays for a request from a lease of its client's; `None` where there is none that suffices.
    pub fn spend(&mut self, deduction: &Deduction, now_ms: u64) -> Option<Spent> {
        let key = (deduction.client_id, deduction.currency);
        let pays_for = self.pays_for_ms();
        let mut account = self.accounts.get_mut(&key)?;
        let at = account.place(&deduction.route)?;
        let route = account.routes.get_mut(at)?;
        if !route.can_pay(deduction.amount, now_ms, pays_for)
            && let Some(spent_up) = route.advance(now_ms, pays_for, deduction.amount)?
        {
            self.close(key, at, spent_up, now_ms);
            account = self.accounts.get_mut(&key)?;
        }
        account.seen_ms = now_ms;
        let route = account.routes.get_mut(at)?;
        let lease = route.pay(deduction.id, deduction.amount, now_ms)?;
        let renew = route.should_renew();
        let undecided = Undecided { key, route: at, lease, amount: deduction.amount };
        self.undecided.insert(deduction.id, undecided);
        route.forget_answered(|id| self.undecided.contains_key(id));
        Some(Spent { left: account.told(account.available), renew })
    }

    /// A request is on its way to the ledger. Answers what a lease for its client would be, if it pays
    /// often enough.
    pub fn heat(
        &mut self,
        deduction: &Deduction,
        now_ms: u64,
        mint: Mint<'_>,
    ) -> Option<Deduction> {
        if self.retiring {
            return None;
        }
        let key = (deduction.client_id, deduction.currency);
        // Only who has paid once is known: ids cost nothing to invent.
        let account = self.accounts.get_mut(&key)?;
        account.seen_ms = now_ms;
        let at = account.place_or_add(&deduction.route)?;
        let route = account.routes.get_mut(at)?;
        let hot = route.heat(deduction.amount, now_ms, self.settings.hand_over_ms);
        if hot { self.ask(key, at, now_ms, mint) } else { None }
    }

    /// A lease for the client's next requests on this route, to be asked for; `None` if one is under
    /// way, or the credit does not suffice.
    pub fn renew(
        &mut self,
        deduction: &Deduction,
        now_ms: u64,
        mint: Mint<'_>,
    ) -> Option<Deduction> {
        let key = (deduction.client_id, deduction.currency);
        let at = self.accounts.get(&key)?.place(&deduction.route)?;
        self.ask(key, at, now_ms, mint)
    }

    fn ask(&mut self, key: Key, at: usize, now_ms: u64, mint: Mint<'_>) -> Option<Deduction> {
        let LeaseSettings { ttl_ms, hand_over_ms, most, .. } = self.settings;
        let account = self.accounts.get_mut(&key)?;
        if now_ms < account.refused_until_ms || self.retiring {
            return None;
        }
        let available = account.available;
        let route = account.routes.get_mut(at)?;
        let amount = route.wanted(available, most, now_ms, hand_over_ms)?;
        let id = mint()?;
        route.asking = true;
        self.asked.insert(id, Asked { key, route: at, amount, at_ms: now_ms });
        let ends_ms = id.minted_ms().saturating_add(ttl_ms);
        let hold = Some(HoldTerms { ends_ms, at_end: Units::ZERO, lease: Some(most) });
        let (client_id, currency) = key;
        Some(Deduction { id, client_id, currency, amount, route: route.name.clone(), hold })
    }

    /// The ledger's word on a deduction: what is left of the client's credit, with what this worker has
    /// leased. From now on the client is known.
    pub fn known(&mut self, key: Key, left: Units, now_ms: u64) -> Units {
        if self.accounts.len() >= MOST_ACCOUNTS && !self.accounts.contains_key(&key) {
            return left;
        }
        let account = self.accounts.entry(key).or_default();
        account.seen_ms = now_ms;
        account.available = left;
        account.told(left)
    }

    /// The same of a request that no lease could pay for: a client that is not known stays so.
    pub fn known_already(&mut self, key: Key, left: Units) -> Units {
        let Some(account) = self.accounts.get_mut(&key) else { return left };
        account.available = left;
        account.told(left)
    }

    /// Time has passed: closes what is idle or old, and answers which leases are to be asked for.
    pub fn on_pulse(&mut self, now_ms: u64, mint: Mint<'_>) -> Vec<Deduction> {
        let pays_for = self.pays_for_ms();
        let (mut old, mut wanted) = (Vec::new(), Vec::new());
        for (key, account) in &mut self.accounts {
            for (at, route) in account.routes.iter_mut().enumerate() {
                let retired = route.retire(now_ms, pays_for).into_iter();
                old.extend(retired.map(|lease| (*key, at, lease)));
                if route.should_renew() || route.is_aging(now_ms, pays_for) {
                    wanted.push((*key, at));
                }
            }
        }
        for (key, at, lease) in old {
            self.close(key, at, lease, now_ms);
        }
        let asked = wanted.into_iter().filter_map(|(key, at)| self.ask(key, at, now_ms, mint));
        asked.collect()
    }

    /// A second or so has passed: forgets whoever is idle, and captures that were never answered. Answers
    /// how many units these were about: their leases have ended long since.
    pub fn on_tick(&mut self, now_ms: u64) -> Units {
        let idle_ms = now_ms.saturating_sub(IDLE_MS);
        self.accounts.retain(|_, account| account.seen_ms > idle_ms || account.is_busy());
        let over = self.closing.iter().filter(|(_, closing)| now_ms >= closing.until_ms);
        let over: Vec<DeductionId> = over.map(|(id, _)| *id).collect();
        over.into_iter().fold(Units::ZERO, |lost, id| {
            lost.checked_add(self.capture_lost(id)).unwrap_or(Units::MAX)
        })
    }

    /// The ledger calls the client's leases back.
    pub fn recall(&mut self, key: Key, now_ms: u64) {
        let Some(account) = self.accounts.get_mut(&key) else { return };
        account.refused_until_ms = now_ms.saturating_add(REFUSED_FOR_MS);
        let leases = account.take_all();
        for (at, lease) in leases {
            self.close(key, at, lease, now_ms);
        }
    }

    /// No lease is taken or paid from any more.
    pub fn retire(&mut self, now_ms: u64) {
        self.retiring = true;
        let keys: Vec<Key> = self.accounts.keys().copied().collect();
        for key in keys {
            self.recall(key, now_ms);
        }
    }

    /// What was paid from leases that were closed since this was last asked.
    pub fn take_handed(&mut self) -> Vec<Handed> {
        core::mem::take(&mut self.handed)
    }

    /// Whether anything is to be handed over.
    #[must_use]
    pub fn has_handed(&self) -> bool {
        !self.handed.is_empty()
    }
}

#[cfg(test)]
mod tests;

#![expect(clippy::arithmetic_side_effects, reason = "small numbers")]

use super::*;
use stripe402_protocol::message::{CaptureOutcome, DeductionOutcome};

use crate::config::LeaseSettings;

const NOW: u64 = 1_795_000_000_000;
const PRICE: u32 = 100;

fn units(amount: u32) -> Units {
    Units::from_u32(amount)
}

fn client() -> ClientId {
    ClientId::derive(b"secret", "fp_1")
}

fn key() -> Key {
    (client(), Currency::USD)
}

/// Leases, a clock and ids.
struct World {
    leases: Leases,
    now_ms: u64,
    minted: u32,
}

impl World {
    fn new() -> Self {
        let settings = LeaseSettings { enabled: true, ..LeaseSettings::default() };
        Self { leases: Leases::new(settings), now_ms: NOW, minted: 0 }
    }

    fn mint(&mut self) -> DeductionId {
        self.minted += 1;
        let mut random = [0; 10];
        random[..4].copy_from_slice(&self.minted.to_le_bytes());
        DeductionId::mint(self.now_ms, random)
    }

    fn request(&mut self) -> Deduction {
        let (id, (client_id, currency)) = (self.mint(), key());
        let (amount, route) = (units(PRICE), "joke".to_owned());
        Deduction { id, client_id, currency, amount, route, hold: None }
    }

    /// One request: paid from a lease, or by the ledger, and then perhaps with a lease asked for.
    fn pay(&mut self) -> Result<(DeductionId, Spent), Option<Deduction>> {
        let deduction = self.request();
        match self.leases.spend(&deduction, self.now_ms) {
            Some(spent) => Ok((deduction.id, spent)),
            None => {
                let id = self.mint();
                Err(self.leases.heat(&deduction, self.now_ms, &mut || Some(id)))
            }
        }
    }

    /// Requests until a lease is asked for.
    fn until_asked(&mut self, available: u32) -> Deduction {
        self.leases.known(key(), units(available), self.now_ms);
        for _ in 0..50 {
            if let Err(Some(asked)) = self.pay() {
                return asked;
            }
        }
        panic!("no lease is asked for");
    }

    fn give(&mut self, asked: &Deduction, available: u32) {
        let outcome = DeductionOutcome::Deducted(units(available));
        assert_eq!(self.leases.heard(asked.id, Some(outcome), self.now_ms), Heard::Lease);
    }

    fn pulse(&mut self, ms: u64) -> Vec<Deduction> {
        self.now_ms += ms;
        let ids: Vec<_> = (0..9).map(|_| self.mint()).collect();
        let mut ids = ids.into_iter();
        self.leases.on_pulse(self.now_ms, &mut || ids.next())
    }

    fn handed(&mut self) -> Vec<(i64, u32, usize)> {
        let handed = self.leases.take_handed().into_iter();
        handed.map(|of| (of.capture.amount.get(), of.capture.count, of.deductions.len())).collect()
    }
}

#[test]
fn who_pays_often_gets_a_lease_and_nobody_else() {
    let mut world = World::new();
    assert!((0..99).all(|_| world.pay() == Err(None)), "nobody knows this client");
    world.leases.known(key(), units(1_000_000), world.now_ms);
    for _ in 0..20 {
        assert_eq!(world.pay(), Err(None), "now and then");
        world.now_ms += 60;
    }
    let asked = world.until_asked(1_000_000);
    let terms = asked.hold.unwrap();
    assert_eq!((terms.lease, terms.at_end), (Some(5), Units::ZERO));
    assert_eq!(terms.ends_ms, world.now_ms + 2_000);
    assert!((i64::from(PRICE) * 50..=45_000).contains(&asked.amount.get()), "{}", asked.amount);
    assert_eq!(world.pay(), Err(None), "one at a time");
    world.give(&asked, 900_000);
    let (_, spent) = world.pay().unwrap();
    let rest = asked.amount.get() - i64::from(PRICE);
    assert_eq!(spent.left.get(), 900_000 + rest, "what is leased is still the client's");
    assert_eq!(world.leases.known(key(), units(899_900), world.now_ms).get(), 899_900 + rest);
}

#[test]
fn no_lease_is_less_than_fifty_requests_worth() {
    let mut world = World::new();
    world.leases.known(key(), units(PRICE * 1_000), world.now_ms);
    assert!((0..99).all(|_| world.pay() == Err(None)));
    world.until_asked(PRICE * 1_200);
}

#[test]
fn a_lease_is_paid_from_to_its_last_unit_and_captured_once() {
    let mut world = World::new();
    let asked = world.until_asked(1_000_000);
    world.give(&asked, 1_000_000);
    let most = asked.amount.get() / i64::from(PRICE);
    let mut paid = Vec::new();
    let more = loop {
        match world.pay() {
            Ok((id, _)) => paid.push(id),
            Err(more) => break more,
        }
    };
    let more = more.unwrap();
    assert_eq!(world.leases.heard(more.id, None, world.now_ms), Heard::NoLease);
    assert_eq!(i64::try_from(paid.len()).unwrap(), most);
    assert_eq!(world.handed(), [], "not before its time");
    // One is given back, one has no answer yet.
    assert!(world.leases.void(paid[0]));
    for id in &paid[2..] {
        assert!(world.leases.stands(*id).is_zero());
    }
    world.pulse(250);
    let (sum, count) = ((most - 2) * i64::from(PRICE), u32::try_from(most - 2).unwrap());
    assert_eq!(world.handed(), [(sum, count, 1)]);
    assert!(!world.leases.void(paid[1]), "the ledger has to hear of it");
    let outcome = Some(DeductionOutcome::Deducted(units(5)));
    let heard = world.leases.heard(paid[1], outcome, world.now_ms);
    assert_eq!(heard, Heard::Deducted { stands: false });
    world.pulse(5_000);
    assert_eq!(world.handed(), []);
    assert!(world.leases.is_empty());
}

#[test]
fn the_next_lease_is_there_before_the_last_is_used_up() {
    let mut world = World::new();
    let asked = world.until_asked(10_000_000);
    world.give(&asked, 10_000_000);
    let mut given = vec![asked.id];
    let (mut served, mut captured, mut count) = (0_i64, 0_i64, 0_u32);
    for turn in 0..4_000 {
        match world.pay() {
            Ok((id, spent)) => {
                served += i64::from(PRICE);
                world.leases.stands(id);
                if spent.renew {
                    let (again, id) = (world.request(), world.mint());
                    let now_ms = world.now_ms;
                    if let Some(asked) = world.leases.renew(&again, now_ms, &mut || Some(id)) {
                        world.give(&asked, 10_000_000);
                        given.push(asked.id);
                    }
                }
            }
            Err(_) => panic!("a request had to ask the ledger: {turn}"),
        }
        if turn % 50 == 0 {
            for asked in world.pulse(50) {
                world.give(&asked, 10_000_000);
                given.push(asked.id);
            }
        }
        for handed in world.leases.take_handed() {
            captured += handed.capture.amount.get();
            count += handed.capture.count;
            given.retain(|id| *id != handed.capture.id);
        }
    }
    world.leases.retire(world.now_ms);
    for handed in world.leases.take_handed() {
        captured += handed.capture.amount.get();
        count += handed.capture.count;
        given.retain(|id| *id != handed.capture.id);
    }
    assert_eq!((captured, count), (served, 4_000), "what was served is captured");
    assert_eq!(given, [], "each lease is captured");
    assert!(world.leases.is_empty());
    assert!(matches!(world.pay(), Err(None)), "none is taken any more");
}

#[test]
fn nothing_is_paid_from_a_lease_for_longer_than_may_be_lost() {
    let mut world = World::new();
    let asked = world.until_asked(1_000_000);
    world.give(&asked, 1_000_000);
    assert!(world.pay().is_ok());
    world.now_ms += 199;
    assert!(world.pay().is_ok());
    world.now_ms += 1;
    let more = world.pay().expect_err("a worker that was held up does not know what became of it");
    world.leases.heard(more.unwrap().id, None, world.now_ms);
    world.now_ms += 1_000;
    // One that comes late is not paid from at all.
    world.pulse(0);
    let asked = world.until_asked(1_000_000);
    world.now_ms += 500;
    world.give(&asked, 1_000_000);
    assert!(world.pay().is_err());
    world.now_ms -= 9_000;
    assert!(world.pay().is_err(), "a clock that was set back");
}

#[test]
fn called_back_a_lease_is_closed_and_none_is_asked_for() {
    let mut world = World::new();
    let first = world.until_asked(1_000_000);
    world.give(&first, 1_000_000);
    let (id, _) = world.pay().unwrap();
    world.leases.stands(id);
    let renewal = world.request();
    let next = world.mint();
    let asked = world.leases.renew(&renewal, world.now_ms, &mut || Some(next)).unwrap();
    world.leases.recall(key(), world.now_ms);
    assert_eq!(world.handed(), [(i64::from(PRICE), 1, 0)]);
    world.give(&asked, 900_000);
    assert_eq!(world.handed(), [(0, 0, 0)], "one that was on its way goes back at once");
    assert!((0..50).all(|_| world.pay() == Err(None)));
    assert!(world.leases.is_empty());
    let lost = world.leases.captured(first.id, CaptureOutcome::Stale);
    assert_eq!(lost, units(PRICE), "what came too late is known");
    let told = world.leases.known(key(), units(7), world.now_ms).get();
    assert_eq!(told, 7 + asked.amount.get(), "until the ledger has the other one back");
    let back = CaptureOutcome::Captured { captured: Units::ZERO, left: units(9) };
    assert_eq!(world.leases.captured(asked.id, back), Units::ZERO);
    assert_eq!(world.leases.known(key(), units(9), world.now_ms), units(9));
}

#[test]
fn what_the_ledger_says_of_a_request_of_its_own() {
    let cases: [(Option<DeductionOutcome>, bool); 4] = [
        (Some(DeductionOutcome::Voided), false),
        (Some(DeductionOutcome::Insufficient), true),
        (Some(DeductionOutcome::Frozen), true),
        (None, true),
    ];
    for (outcome, lost) in cases {
        let mut world = World::new();
        let asked = world.until_asked(1_000_000);
        world.give(&asked, 1_000_000);
        let (id, _) = world.pay().unwrap();
        world.leases.retire(world.now_ms);
        assert_eq!(world.handed(), [(0, 0, 1)]);
        world.leases.stands(id);
        let leased = Some(DeductionOutcome::Leased);
        let heard = world.leases.heard(id, leased, world.now_ms);
        assert!(matches!(heard, Heard::Again(again) if again.id == id));
        let heard = world.leases.heard(id, outcome, world.now_ms);
        let expected =
            if lost { Heard::Lost(units(PRICE)) } else { Heard::Deducted { stands: true } };
        assert_eq!(heard, expected, "{outcome:?}");
        assert_eq!(world.leases.heard(id, outcome, world.now_ms), Heard::Other);
    }
}

#[test]
fn who_is_idle_is_forgotten() {
    let mut world = World::new();
    world.leases.known(key(), units(1_000_000), world.now_ms);
    world.leases.on_tick(world.now_ms + 1_999);
    assert_eq!(world.leases.accounts.len(), 1);
    world.leases.on_tick(world.now_ms + 2_000);
    assert_eq!(world.leases.accounts.len(), 0);
    let asked = world.until_asked(1_000_000);
    world.give(&asked, 1_000_000);
    world.leases.on_tick(world.now_ms + 9_000);
    assert_eq!(world.leases.accounts.len(), 1, "not with a lease");
}

#[test]
fn what_is_never_captured_is_counted_once() {
    for given_up in [true, false] {
        let mut world = World::new();
        let asked = world.until_asked(1_000_000);
        world.give(&asked, 900_000);
        for _ in 0..3 {
            let (id, _) = world.pay().unwrap();
            assert!(world.leases.stands(id).is_zero());
        }
        world.pulse(250);
        assert_eq!(world.handed(), [(i64::from(PRICE) * 3, 3, 0)]);
        let paid = units(PRICE * 3);
        if given_up {
            assert_eq!(world.leases.capture_lost(asked.id), paid);
        } else {
            assert!(world.leases.on_tick(world.now_ms + 599_999).is_zero());
            assert_eq!(world.leases.on_tick(world.now_ms + 600_000), paid);
        }
        assert!(world.leases.capture_lost(asked.id).is_zero());
        assert!(world.leases.captured(asked.id, CaptureOutcome::Stale).is_zero());
    }
}

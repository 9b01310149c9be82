//! What is left of grants, whatever happens to their account.
#![allow(clippy::arithmetic_side_effects, reason = "all of this is tests")]

use stripe402_protocol::{ClientId, Currency};

use super::*;
use crate::{
    accounting::{Memory, post_expiring, post_together},
    store::conformance::random::Dice,
};

fn key() -> AccountKey {
    AccountKey { client: ClientId::derive(b"secret", "a"), currency: Currency::USD }
}

fn posting(kind: Kind, reference: &str, amount: u32) -> Posting {
    let amount = Units::from_u32(amount);
    Posting { kind, reference: reference.to_owned(), amount, note: None }
}

/// Books with what a story needs to change them.
#[derive(Default)]
struct Story(Memory);

impl Story {
    fn post(&mut self, kind: Kind, reference: &str, amount: u32) -> Posted {
        post(&mut self.0, &key(), &posting(kind, reference, amount), 1).unwrap()
    }

    fn grant(&mut self, reference: &str, amount: u32, expires_ms: u64) -> Posted {
        let posting = posting(Kind::Grant, reference, amount);
        post_expiring(&mut self.0, &key(), &posting, Some(expires_ms), 1).unwrap()
    }

    /// As a deduction does; below zero as a void.
    fn spend(&mut self, amount: i64) {
        let before = self.0.account(&key()).unwrap();
        let units = Units::new(amount.abs()).unwrap();
        let after = if amount > 0 { before.debited(units) } else { before.credited(units).ok() };
        self.0.set_account(&key(), &after.unwrap()).unwrap();
    }

    /// As a hold for a request does.
    fn set_aside(&mut self, amount: u32) {
        let before = self.0.account(&key()).unwrap();
        let after = before.held(Units::from_u32(amount)).unwrap();
        self.0.set_account(&key(), &after).unwrap();
    }

    fn expire(&mut self, now_ms: u64) -> Vec<(String, i64)> {
        let expired = expire_due_grants(&mut self.0, now_ms, 10).unwrap();
        expired.into_iter().map(|of| (of.reference, of.amount.get())).collect()
    }

    /// What was paid for, and what is left of each grant.
    fn left(&self) -> (i64, Vec<(String, i64)>) {
        let Balance { account, grants } = balance(&self.0, &key()).unwrap();
        let lots = grants.lots().into_iter();
        let lots = lots.map(|lot| (lot.reference, lot.left.get())).collect();
        (grants.paid(&account).get(), lots)
    }
}

fn lots(of: &[(&str, i64)]) -> Vec<(String, i64)> {
    of.iter().map(|(reference, left)| ((*reference).to_owned(), *left)).collect()
}

const SHORT: Posted = Posted::Refused(PostRefusal::Insufficient);

#[test]
fn what_was_granted_is_spent_first_and_never_paid_out() {
    let mut story = Story::default();
    story.post(Kind::TopUp, "pi_1", 250_000);
    story.spend(11_700);
    story.post(Kind::Grant, "sorry", 50_000);
    assert_eq!(story.left(), (238_300, lots(&[("sorry", 50_000)])), "spent before it came");
    assert_eq!(story.post(Kind::Hold, "h", 238_301), SHORT);
    assert!(matches!(story.post(Kind::Hold, "h", 238_300), Posted::Done(_)));
    story.post(Kind::Capture, "h", 238_300);
    assert_eq!(story.left(), (0, lots(&[("sorry", 50_000)])), "it stays");
    let all = [posting(Kind::Hold, "plan", 0), posting(Kind::Hold, "i", 1)];
    assert_eq!(post_together(&mut story.0, &key(), &all, 1).unwrap(), SHORT);
    story.post(Kind::TopUp, "pi_2", 10_000);
    story.spend(50_000);
    assert_eq!(story.left(), (10_000, vec![]));
    story.spend(1);
    assert_eq!(story.left(), (9_999, vec![]));
}

#[test]
fn what_expires_soonest_is_spent_first_and_what_is_left_of_it_expires() {
    let mut story = Story::default();
    story.post(Kind::Grant, "for ever", 10);
    story.grant("late", 20, 300);
    story.grant("soon", 30, 200);
    assert_eq!(story.left(), (0, lots(&[("soon", 30), ("late", 20), ("for ever", 10)])));
    story.spend(12);
    assert_eq!(story.expire(199), []);
    assert_eq!(story.expire(200), lots(&[("soon", 18)]));
    assert_eq!(story.expire(200), [], "once");
    story.spend(25);
    assert_eq!(story.left(), (0, lots(&[("for ever", 5)])));
    assert_eq!(story.expire(u64::MAX), [], "spent, and for ever");
    assert_eq!(story.0.account(&key()).unwrap().available, Units::from_u32(5));
    let late = Posted::Refused(PostRefusal::Expired);
    assert_eq!(story.grant("too late", 5, 1), late);
}

#[test]
fn what_comes_back_is_what_it_was_spent_from() {
    let mut story = Story::default();
    story.post(Kind::TopUp, "pi_1", 100);
    story.post(Kind::Grant, "g", 50);
    story.spend(20);
    story.post(Kind::TopUp, "pi_2", 1);
    story.spend(-5);
    assert_eq!(story.left(), (101, lots(&[("g", 35)])));
    // More than was ever spent of it was paid for.
    story.spend(-40);
    assert_eq!(story.left(), (126, lots(&[("g", 50)])));
}

#[test]
fn what_is_voided_was_never_deducted() {
    let mut story = Story::default();
    story.post(Kind::TopUp, "pi_1", 5_000);
    story.grant("v", 5_000, 900);
    story.spend(5_000);
    // However often it is reckoned meanwhile, and though nothing is left of it.
    story.post(Kind::Grant, "w", 1);
    story.spend(-5_000);
    assert_eq!(story.left(), (5_000, lots(&[("v", 5_000), ("w", 1)])));
    story.spend(5_050);
    story.post(Kind::TopUp, "pi_2", 1);
    assert_eq!(story.left(), (4_952, vec![]));
    story.spend(-60);
    assert_eq!(story.left(), (5_001, lots(&[("v", 10), ("w", 1)])));
    // What comes back of an expired one is taken back.
    assert_eq!(story.expire(900), lots(&[("v", 10)]));
    story.spend(-70);
    assert_eq!(story.left(), (5_001, lots(&[("v", 70), ("w", 1)])));
    assert_eq!(story.expire(900 + SPENT_KEPT_MS), lots(&[("v", 70)]));
    assert_eq!(story.left(), (5_001, lots(&[("w", 1)])));
}

#[test]
fn what_comes_back_from_before_the_grants_was_paid_for() {
    let mut story = Story::default();
    story.post(Kind::TopUp, "pi_1", 10_000);
    story.spend(3_000);
    story.post(Kind::Grant, "w", 3_000);
    story.spend(3_000);
    assert_eq!(story.left(), (7_000, vec![]));
    let grants = story.0.grants(&key()).unwrap();
    assert_eq!(grants.clone().with_void(1, Units::from_u32(1)), None, "minted after it");
    let grants = grants.with_void(0, Units::from_u32(3_000)).unwrap();
    story.0.set_grants(&key(), &grants).unwrap();
    story.spend(-3_000);
    assert_eq!(story.left(), (10_000, vec![]));
    assert_eq!(Grants::default().with_void(0, Units::from_u32(1)), None);
}

#[test]
fn what_holds_may_still_spend_expires_when_they_are_settled() {
    let mut story = Story::default();
    story.grant("trial", 50, 200);
    story.set_aside(30);
    assert_eq!(story.left(), (0, lots(&[("trial", 50)])));
    assert_eq!(story.expire(200), lots(&[("trial", 20)]), "no hold can spend that");
    assert_eq!(story.expire(201), [], "it is looked at again later");
    let account = story.0.account(&key()).unwrap();
    let settled = account.settled(Units::from_u32(30), Units::from_u32(10)).unwrap();
    story.0.set_account(&key(), &settled).unwrap();
    assert_eq!(story.expire(200 + LOOK_AGAIN_MS), lots(&[("trial", 20)]));
    assert_eq!(story.0.account(&key()).unwrap(), Account::default());
    let posted: Vec<_> =
        story.0.movements().iter().map(|(_, of)| of.posting.reference.as_str()).collect();
    assert_eq!(posted, ["trial", "trial", "trial (of the last 20)"]);
}

#[test]
fn disputes_are_about_money_and_corrections_take_what_was_granted() {
    let mut story = Story::default();
    story.post(Kind::TopUp, "pi_1", 100);
    story.post(Kind::Grant, "g", 50);
    story.post(Kind::AdjustmentDown, "op", 10);
    assert_eq!(story.left(), (100, lots(&[("g", 40)])));
    story.post(Kind::DisputeOpened, "dp_1", 90);
    story.post(Kind::Refund, "re_1", 35);
    assert_eq!(story.left(), (0, lots(&[("g", 40)])));
    // Neither does a present settle a debt, nor a dispute that is won make money of it.
    story.post(Kind::Grant, "h", 30);
    assert_eq!(story.0.account(&key()).unwrap().debt, Units::from_u32(25));
    story.post(Kind::DisputeWon, "dp_1", 90);
    assert_eq!(story.left(), (65, lots(&[("g", 40), ("h", 30)])));
    assert_eq!(
        story.post(Kind::Grant, "h", 30),
        Posted::Repeated(story.0.account(&key()).unwrap())
    );
    let conflict = Posted::Refused(PostRefusal::Conflict);
    assert_eq!(story.post(Kind::Grant, "h", 31), conflict);
}

#[test]
fn an_account_has_so_many_grants() {
    let mut story = Story::default();
    for number in 0..MOST_GRANTS {
        assert!(matches!(story.post(Kind::Grant, &format!("g{number}"), 1), Posted::Done(_)));
    }
    let full = Posted::Refused(PostRefusal::TooManyGrants);
    assert_eq!(story.post(Kind::Grant, "one more", 1), full);
    story.spend(1);
    assert!(matches!(story.post(Kind::Grant, "one more", 1), Posted::Done(_)));
    let unknown = Posted::Refused(PostRefusal::NoSuchGrant);
    assert_eq!(story.post(Kind::GrantExpired, "g0", 1), unknown, "it is spent");
}

/// Books in which each deduction is taken from the grants at once.
#[derive(Default)]
struct AtOnce {
    paid: u32,
    lots: Vec<(u64, String, u32)>,
}

impl AtOnce {
    fn spend(&mut self, mut amount: u32) {
        self.lots.sort();
        for (_, _, left) in &mut self.lots {
            let taken = amount.min(*left);
            (*left, amount) = (*left - taken, amount - taken);
        }
        self.lots.retain(|(_, _, left)| *left > 0);
        self.paid -= amount;
    }

    fn all(&self) -> u32 {
        self.paid + self.lots.iter().map(|(_, _, left)| left).sum::<u32>()
    }
}

#[test]
fn reckoned_late_it_is_what_it_would_be_at_once() {
    for seed in 0..300 {
        let (mut dice, mut story, mut model) =
            (Dice::new(seed), Story::default(), AtOnce::default());
        for step in 0..60_u32 {
            let amount = u32::try_from(1 + dice.throw(40)).unwrap();
            let name = format!("r{step}");
            match dice.throw(8) {
                0 => {
                    story.post(Kind::TopUp, &name, amount);
                    model.paid += amount;
                }
                1 => {
                    let expires_ms = 100 + dice.throw(10);
                    story.grant(&name, amount, expires_ms);
                    model.lots.push((expires_ms, name, amount));
                }
                2 if amount <= model.paid => {
                    story.post(Kind::Hold, &name, amount);
                    story.post(Kind::Capture, &name, amount);
                    model.paid -= amount;
                }
                3 => {
                    let now_ms = 95 + dice.throw(8);
                    let mut expired = story.expire(now_ms);
                    expired.sort_unstable();
                    let (gone, left) =
                        model.lots.drain(..).partition(|lot: &(u64, String, u32)| lot.0 <= now_ms);
                    model.lots = left;
                    let gone: Vec<(u64, String, u32)> = gone;
                    let mut gone: Vec<_> =
                        gone.into_iter().map(|lot| (lot.1, i64::from(lot.2))).collect();
                    gone.sort_unstable();
                    assert_eq!(expired, gone, "seed {seed}, step {step}");
                }
                4 if amount <= model.all() => {
                    story.spend(i64::from(amount));
                    story.spend(-i64::from(amount));
                }
                _ if amount <= model.all() => {
                    story.spend(i64::from(amount));
                    model.spend(amount);
                }
                _ => {}
            }
            model.lots.sort();
            let left = model.lots.iter().map(|lot| (lot.1.clone(), i64::from(lot.2))).collect();
            assert_eq!(story.left(), (i64::from(model.paid), left), "seed {seed}, step {step}");
        }
    }
}

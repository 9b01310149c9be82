//! A world that breaks a rule, made as small as it still breaks it.

use crate::{
    plan::Plan,
    run::{Outcome, run},
};

/// How many smaller worlds are tried at the most.
const MOST: usize = 400;

/// The smallest plan that was found in which the same rule does not hold, and what happens in it.
#[must_use]
pub fn shrink(plan: &Plan, rule: &str, mut tell: impl FnMut(usize)) -> (Plan, Outcome) {
    let breaks = |plan: &Plan| run(plan, false).found.iter().any(|found| found.rule == rule);
    let mut smallest = plan.clone();
    let mut tried = 0;
    loop {
        let smaller = candidates(&smallest).into_iter().find(|candidate| {
            tried += 1;
            tell(tried);
            tried <= MOST && breaks(candidate)
        });
        match smaller {
            Some(plan) => smallest = plan,
            None => break,
        }
    }
    let outcome = run(&smallest, true);
    (smallest, outcome)
}

/// Plans that lack one thing: the largest things first.
fn candidates(plan: &Plan) -> Vec<Plan> {
    let mut all = Vec::new();
    let mut with = |change: &dyn Fn(&mut Plan)| {
        let mut smaller = plan.clone();
        change(&mut smaller);
        if smaller != *plan {
            all.push(smaller);
        }
    };
    for at in 0..plan.faults.len() {
        with(&|plan| {
            plan.faults.remove(at);
        });
    }
    // Half of the acts, then one after the other.
    for half in [0, plan.acts.len() / 2] {
        with(&|plan| {
            drop(plan.acts.drain(half..(half + plan.acts.len() / 2).min(plan.acts.len())))
        });
    }
    for at in 0..plan.acts.len() {
        with(&|plan| {
            plan.acts.remove(at);
        });
    }
    with(&|plan| plan.gateways = 1);
    with(&|plan| plan.workers = 1);
    with(&|plan| plan.ledgers = plan.ledgers.saturating_sub(1).max(1));
    for at in 0..plan.cards.len() {
        with(&|plan| plan.cards[at].agents = 1);
    }
    with(&|plan| plan.skews.iter_mut().for_each(|skew| *skew = 0));
    for at in 0..plan.faults.len() {
        with(&|plan| plan.faults[at].lasts_ms /= 2);
    }
    all
}

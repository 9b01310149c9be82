//! One world from its beginning to its end.

use std::{
    cell::Cell,
    rc::Rc,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use tokio::task::LocalSet;

use crate::{
    acts::People,
    agent::{Agent, Ended},
    bank::Told,
    buyer::Buyer,
    gateway::Gateway,
    ledger::Ledger,
    plan::{Bank, Fault, Plan, Planned},
    world::{BEGINNING_MS, Violation, World, pass},
};

/// What came of a world.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Rules that did not hold.
    pub found: Vec<Violation>,
    /// What happened, if it was told.
    pub story: Vec<String>,
    /// How long it took, in its own milliseconds.
    pub lasted_ms: u64,
}

/// Lets a planned world happen, in virtual time, on this thread.
///
/// # Panics
/// If the runtime cannot be made.
#[must_use]
pub fn run(plan: &Plan, told: bool) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let local = LocalSet::new();
    let plan = plan.clone();
    let outcome = local.block_on(&runtime, async move {
        let world = World::new(plan, told);
        happen(&world).await;
        Outcome { found: world.found(), story: world.story(), lasted_ms: world.now_ms() }
    });
    // Whatever still waits is dropped with the runtime, at this moment of its time.
    drop(local);
    outcome
}

/// For so long, at the most, a world may take to come to rest after the last fault.
const REST_MS: u64 = 70 * 60_000;
/// A client that asks after everything is mended is served within so long.
const SERVED_MS: u64 = 5 * 60_000;

async fn happen(world: &Arc<World>) {
    let plan = &world.plan;
    for fault in &plan.faults {
        world.tell(format_args!("plan"), format_args!("{fault:?}"));
    }
    let spent: Arc<Vec<AtomicBool>> =
        Arc::new(plan.faults.iter().map(|_| AtomicBool::new(false)).collect());
    let ledgers: Vec<_> =
        (0..plan.ledgers).map(|number| Ledger::new(world, number, &spent)).collect();
    for ledger in &ledgers {
        ledger.start();
    }
    let gateways: Vec<_> =
        (0..plan.gateways).map(|number| Gateway::new(world, number, &ledgers)).collect();
    let agents = plan.cards.iter().enumerate().map(|(card, of)| {
        (0..of.agents).map(|number| Agent::new(world, card, number, &gateways)).collect()
    });
    let people = Rc::new(People {
        world: Arc::clone(world),
        ledgers: ledgers.clone(),
        agents: agents.collect(),
        gateways: gateways.clone(),
        buyers: (0..plan.cards.len())
            .map(|card| [false, true].map(|thief| Buyer::new(world, card, thief, &gateways)))
            .collect(),
        dice: world.dice("people"),
        reconciled_ms: Cell::new(BEGINNING_MS),
    });
    let teller = tokio::task::spawn_local(tell_events(Arc::clone(world), ledgers.clone()));
    let mut work = Vec::new();
    for (number, act) in plan.acts.iter().enumerate() {
        work.push(tokio::task::spawn_local(Rc::clone(&people).act(number, act.clone())));
    }
    for fault in &plan.faults {
        let (ledgers, gateways) = (ledgers.clone(), gateways.clone());
        work.push(tokio::task::spawn_local(break_things(fault.clone(), ledgers, gateways)));
    }
    let watch = tokio::task::spawn_local(watch(Arc::clone(world)));
    tokio::time::sleep(Duration::from_millis(plan.ends_ms())).await;
    world.heal();
    for task in work {
        let _ = task.await;
    }
    for ledger in &ledgers {
        ledger.start();
    }
    come_to_rest(world, &gateways).await;
    let left = people.reconcile().await;
    if left != Some(0) {
        world.violated("reconcile_mends", format!("{left:?} differences are left"));
    }
    world.check_at_rest();
    let asked = people.agents.iter().filter_map(|of| of.first()).map(|agent| {
        let agent = Rc::clone(agent);
        tokio::task::spawn_local(
            async move { (agent.card, agent.call(None, SERVED_MS, None).await) },
        )
    });
    for asked in asked.collect::<Vec<_>>() {
        if let Ok((card, ended)) = asked.await {
            let pays = !matches!(plan.cards[card].bank, Bank::Asks | Bank::Declines(u32::MAX));
            // A card that has not paid yet, and was declined too often elsewhere, has to wait.
            let touched = world.truth().touched.contains(&card) || plan.is_tried(card);
            let good = match ended {
                Ended::Served => true,
                Ended::Refused => touched || !pays || plan.cards[card].bank == Bank::Declines(1),
                Ended::GivenUp => touched || !pays,
            };
            if !good {
                world.violated("nobody_is_stuck", format!("card {}: {ended:?}", card + 1));
            }
        }
    }
    come_to_rest(world, &gateways).await;
    people.reconcile().await;
    world.check_at_rest();
    watch.abort();
    teller.abort();
    for ledger in &ledgers {
        ledger.die();
    }
}

/// Waits until nothing is under way.
async fn come_to_rest(world: &Arc<World>, gateways: &[Rc<Gateway>]) {
    let until_ms = world.now_ms() + REST_MS;
    let mut quiet = 0;
    while quiet < 3 {
        let events = world.bank.with(|state| state.events.len()) + world.events_under_way();
        let busy = events > 0
            || world.has_open_top_ups()
            || world.has_open_holds()
            || world.has_expired_grants()
            || gateways.iter().any(|gateway| !gateway.is_at_rest());
        quiet = if busy { 0 } else { quiet + 1 };
        if world.now_ms() > until_ms {
            let open = world.has_open_top_ups();
            let seen: Vec<_> = gateways.iter().map(|gateway| gateway.under_way()).collect();
            let expired = world.has_expired_grants();
            let seen =
                format!("events {events}, open top-ups {open}, expired grants {expired}, {seen:?}");
            return world.violated("comes_to_rest", seen);
        }
        pass(5_000).await;
    }
}

/// The rules that hold at every moment, looked at often.
async fn watch(world: Arc<World>) {
    loop {
        world.check_books();
        // Often while much happens, seldom in the long nights.
        let now_ms = world.now_ms();
        pass(if now_ms < 120_000 { 500 } else { 60_000 }).await;
    }
}

async fn break_things(fault: Planned<Fault>, ledgers: Vec<Rc<Ledger>>, gateways: Vec<Rc<Gateway>>) {
    pass(fault.at_ms).await;
    match fault.what {
        Fault::LedgerDies(ledger) => {
            let Some(ledger) = ledgers.get(ledger) else { return };
            ledger.die();
            pass(fault.lasts_ms).await;
            ledger.start();
        }
        Fault::LedgerRestarts(ledger) => {
            let Some(ledger) = ledgers.get(ledger) else { return };
            ledger.stop().await;
            ledger.start();
        }
        Fault::VmDies(gateway, worker) => {
            if let Some(gateway) = gateways.get(gateway) {
                gateway.vm_dies(worker);
            }
        }
        Fault::EnvoyDies(gateway) => {
            if let Some(gateway) = gateways.get(gateway) {
                gateway.dies(fault.lasts_ms).await;
            }
        }
        Fault::Rotation => {
            // In two steps, as `docs/operations.md` says.
            for step in [1, 2] {
                for ledger in &ledgers {
                    ledger.rotated.set(step);
                    ledger.stop().await;
                    ledger.start();
                    pass(fault.lasts_ms / 3).await;
                }
            }
        }
        Fault::Stripe(_)
        | Fault::Stored(..)
        | Fault::Store { .. }
        | Fault::StoreDies
        | Fault::Cut { .. }
        | Fault::Jitter
        | Fault::Stripped
        | Fault::EventsLost(_) => {}
    }
}

/// Stripe tells of what happened: late, twice, in any order, and again where it was not heard.
async fn tell_events(world: Arc<World>, ledgers: Vec<Rc<Ledger>>) {
    let dice = Rc::new(world.dice("events"));
    loop {
        let events = world.bank.with(|state| std::mem::take(&mut state.events));
        for event in events {
            let lost = world.now(|fault| match fault {
                Fault::EventsLost(of_hundred) => Some(of_hundred * 10),
                _ => None,
            });
            if lost.is_some_and(|often| dice.chance(often)) {
                world.tell(format_args!("Stripe"), format_args!("loses {event:?}"));
                continue;
            }
            let times = if dice.chance(100) { 2 } else { 1 };
            for _ in 0..times {
                let (world, ledgers, dice) =
                    (Arc::clone(&world), ledgers.clone(), Rc::clone(&dice));
                let event = event.clone();
                world.event_begins();
                tokio::task::spawn_local(async move {
                    deliver(&world, &ledgers, &dice, event).await;
                    world.event_ends();
                });
            }
        }
        pass(200).await;
    }
}

async fn deliver(
    world: &Arc<World>,
    ledgers: &[Rc<Ledger>],
    dice: &crate::dice::Dice,
    event: Told,
) {
    let mut after_ms = dice.span(20, 20_000);
    for _ in 0..20 {
        pass(after_ms).await;
        after_ms = after_ms.max(10_000).saturating_mul(2).min(3_600_000);
        let up: Vec<_> = ledgers.iter().filter(|ledger| ledger.is_up()).collect();
        if up.is_empty() {
            continue;
        }
        let ledger = Rc::clone(up[dice.place(up.len())]);
        let Some(parts) = ledger.parts() else { continue };
        let told = event.clone();
        let heard = ledger.within(async move {
            match told {
                Told::Intent(id) => parts.sync.sync_intent(&id.parse().ok()?).await.ok(),
                Told::Refunds(id) => parts.sync.sync_refunds(&id.parse().ok()?).await.ok(),
                Told::Dispute(id) => parts.sync.sync_dispute(&id).await.ok(),
            }
        });
        let heard = tokio::time::timeout(Duration::from_secs(20), heard).await;
        let good = matches!(heard, Ok(Some(Some(()))));
        world.tell(
            format_args!("Stripe → ledger {}", ledger.number + 1),
            format_args!("{event:?}{}", if good { "" } else { ": again later" }),
        );
        if good {
            return;
        }
        if world.is_healed() {
            after_ms = after_ms.min(60_000);
        }
    }
}

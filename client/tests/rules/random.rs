//! Many calls at once, in any order, against a server with any faults.

use std::sync::Arc;

use proptest::prelude::*;
use stripe402_client::{Call, Error, Event, Outcome, Policy, Purse, Request, Secret, Step};
use stripe402_protocol::Units;

use crate::{
    server::{Fault, Server},
    talk::{NOW, policy, request},
};

/// A call under way: what it wants carried out.
struct Going {
    call: Call,
    step: Option<Step>,
    has_turn: bool,
    ended: Option<Result<Outcome, Error>>,
}

struct World {
    server: Server,
    purse: Purse,
    calls: Vec<Going>,
    now: u64,
    cards_sent: Vec<usize>,
}

impl World {
    fn new(server: Server, policy: &Policy, calls: usize) -> Self {
        let mut world = Self {
            server,
            purse: Purse::default(),
            calls: Vec::new(),
            now: NOW,
            cards_sent: vec![0; calls],
        };
        for number in 0..calls {
            let request = Request { key: format!("key-{number}"), ..request() };
            let mut call = Call::new(Arc::new(policy.clone()), request);
            let step = Some(call.step(&mut world.purse, Event::Start, world.now));
            world.calls.push(Going { call, step, has_turn: false, ended: None });
        }
        world
    }

    /// Carries out the next step of one call; nothing if it waits for a turn that another has.
    fn advance(&mut self, number: usize, fault: Option<Fault>) {
        let turn_taken = self.calls.iter().any(|going| going.has_turn);
        let going = &mut self.calls[number];
        let event = match going.step.take() {
            None => return,
            Some(Step::TakeTurn) if turn_taken && !going.has_turn => {
                going.step = Some(Step::TakeTurn);
                return;
            }
            Some(Step::TakeTurn) => {
                going.has_turn = true;
                Event::Turn
            }
            Some(Step::Send { payment, card }) => {
                self.cards_sent[number] += usize::from(card);
                assert!(!card || going.has_turn, "a card was sent out of turn");
                match self.server.answer(number, payment.as_ref().map(Secret::expose), fault) {
                    Some(answer) => Event::Answer(answer),
                    None => Event::Lost,
                }
            }
            Some(Step::Pause { seconds }) => {
                self.now += u64::from(seconds);
                Event::Resumed
            }
            Some(step) => panic!("{step:?}"),
        };
        let step = going.call.step(&mut self.purse, event, self.now);
        going.has_turn &= step.keeps_turn();
        match step {
            Step::Done { outcome } => going.ended = Some(Ok(outcome)),
            Step::Fail { error } => going.ended = Some(Err(*error)),
            step => going.step = Some(step),
        }
    }

    /// Carries everything out to its end, without faults.
    fn finish(&mut self) {
        for _ in 0..200 {
            for number in 0..self.calls.len() {
                self.advance(number, None);
            }
        }
        assert!(self.calls.iter().all(|going| going.ended.is_some()), "a call never ends");
    }
}

fn fault() -> impl Strategy<Value = Option<Fault>> {
    prop_oneof![
        6 => Just(None),
        1 => Just(Some(Fault::Unavailable)),
        1 => Just(Some(Fault::UnavailableAfterCharge)),
        1 => Just(Some(Fault::LostAnswer)),
        1 => Just(Some(Fault::ApiFails)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_schedule_pays_twice_or_beyond_the_budget(
        schedule in prop::collection::vec((0_usize..6, fault()), 0..120),
        prices in prop::collection::vec(1_u32..20_000, 4),
        min_top_up in 5_000_u32..60_000,
        budget in 0_u32..200_000,
        extensions in any::<bool>(),
        drains in any::<bool>(),
    ) {
        let policy = Policy { budget_total: Some(Units::from_u32(budget)), ..policy() };
        let server = Server { extensions, min_top_up: min_top_up.into(), ..Server::new() };
        let mut world = World::new(server, &policy, 6);
        for (at, (number, fault)) in schedule.into_iter().enumerate() {
            world.server.price = prices[at / 30].into();
            if drains && at % 20 == 19 {
                // Somebody else spends it all.
                world.server.balances.values_mut().for_each(|balance| *balance = 0);
            }
            let served = world.server.served.len();
            world.advance(number, fault);
            if world.server.served.len() > served {
                let checked = world.server.extensions;
                prop_assert!(!checked || world.server.price <= 10_000, "more than was agreed");
            }
            let usd = policy.currency;
            let counted = world.purse.spent(usd, NOW).get();
            prop_assert!(world.server.charged() <= counted, "a charge was not counted");
            prop_assert!(counted <= i64::from(budget), "beyond the budget");
        }
        world.server.price = 1;
        world.finish();
        for number in 0..world.calls.len() {
            let times = world.server.served.iter().filter(|call| **call == number).count();
            prop_assert!(times <= 1, "call {number} was paid for {times} times");
        }
        let usd = policy.currency;
        prop_assert!(world.server.charged() <= world.purse.spent(usd, NOW).get());
    }

    /// However many first calls run at once, in whatever order: one charge, and all are served.
    #[test]
    fn parallel_first_calls_make_one_charge(
        schedule in prop::collection::vec(0_usize..20, 0..300),
        extensions in any::<bool>(),
    ) {
        let server = Server { extensions, ..Server::new() };
        let mut world = World::new(server, &policy(), 20);
        for number in schedule {
            world.advance(number, None);
        }
        world.finish();
        prop_assert_eq!(&world.server.charges, &vec![50_000]);
        let mut served = world.server.served.clone();
        served.sort_unstable();
        prop_assert_eq!(served, (0..20).collect::<Vec<_>>());
        prop_assert_eq!(world.cards_sent.iter().sum::<usize>(), 1);
    }
}

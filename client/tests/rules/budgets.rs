//! Budgets over any history: two servers with a currency each, cards whose bank asks, answers that are
//! lost, programs that die, days that pass.

use std::sync::Arc;

use proptest::prelude::*;
use stripe402_client::{Call, Error, Event, Outcome, Policy, Purse, Request, Secret, Step};
use stripe402_protocol::{Currency, Units};

use crate::{
    server::{Fault, Server},
    talk::{NOW, card, request},
};

const ORIGINS: [&str; 2] = ["https://usd.example", "https://eur.example"];
const CURRENCIES: [&str; 2] = ["usd", "eur"];
/// The last one's bank asks its holder.
const CARDS: [&str; 3] = ["pm_1", "pm_2", "pm_asks"];
const DAY: u64 = 24 * 3_600;
/// For so long a gateway waits for the cardholder.
const CONFIRMED_WITHIN: u64 = 15 * 60;

/// What happens next. Numbers choose among what is there.
#[derive(Clone, Copy, Debug)]
enum Happening {
    /// A program begins a call.
    Begin {
        server: usize,
        card: usize,
        wrong_currency: bool,
    },
    /// A call that needs a charge goes to its end, unless its program is killed when it has sent the card.
    Pay {
        server: usize,
        card: usize,
        fault: Option<Fault>,
        dies: bool,
    },
    /// A call goes on by a step.
    Step {
        call: usize,
        fault: Option<Fault>,
    },
    /// Calls go on to their ends.
    Finish,
    /// A program is killed.
    Die {
        call: usize,
    },
    /// The holder confirms at the bank, and the program repeats the payment (`stripe402 confirm`).
    Confirm {
        server: usize,
        fault: Option<Fault>,
        dies: bool,
    },
    /// Others spend what is there.
    Drain {
        server: usize,
    },
    Wait {
        seconds: u64,
    },
}

struct Going {
    server: usize,
    call: Call,
    step: Option<Step>,
    has_turn: bool,
}

struct World {
    servers: [Server; 2],
    purse: Purse,
    going: Vec<Going>,
    now: u64,
    begun: usize,
    budgets: (Units, Units),
    /// What cards were charged: by server, when and how much.
    real: [Vec<(u64, i64)>; 2],
    last: Option<Result<Outcome, Error>>,
}

fn currency(server: usize) -> Currency {
    CURRENCIES[server].parse().unwrap()
}

impl World {
    fn new(total: u32, per_day: u32) -> Self {
        let server = |currency| Server { currency, asking: Some(CARDS[2]), ..Server::new() };
        Self {
            servers: CURRENCIES.map(server),
            purse: Purse::default(),
            going: Vec::new(),
            now: NOW,
            begun: 0,
            budgets: (Units::from_u32(total), Units::from_u32(per_day)),
            real: [Vec::new(), Vec::new()],
            last: None,
        }
    }

    fn begin(&mut self, server: usize, card_number: usize, wrong_currency: bool) {
        let policy = Policy {
            currency: currency(if wrong_currency { 1 - server } else { server }),
            budget_total: Some(self.budgets.0),
            budget_per_day: Some(self.budgets.1),
            max_price: Some(Units::from_u32(10_000)),
            max_charge: Some(Units::from_u32(100_000)),
            origins: Some(ORIGINS.map(str::to_owned).to_vec()),
            ..Policy::card(card(CARDS[card_number]))
        };
        self.begun += 1;
        let key = format!("key-{}", self.begun);
        let request = Request { key, origin: ORIGINS[server].to_owned(), ..request() };
        let mut call = Call::new(Arc::new(policy), request);
        let step = call.step(&mut self.purse, Event::Start, self.now);
        self.going.push(Going { server, call, step: Some(step), has_turn: false });
    }

    fn advance(&mut self, number: usize, fault: Option<Fault>) {
        let server = self.going[number].server;
        let taken = self.going.iter().any(|going| going.has_turn && going.server == server);
        let going = &mut self.going[number];
        let Some(step) = going.step.take() else { return };
        let event = match step {
            Step::TakeTurn if taken && !going.has_turn => {
                going.step = Some(Step::TakeTurn);
                return;
            }
            Step::TakeTurn => {
                going.has_turn = true;
                Event::Turn
            }
            Step::Send { payment, .. } => {
                let payment = payment.as_ref().map(Secret::expose);
                match self.servers[server].answer(self.begun, payment, fault) {
                    Some(answer) => Event::Answer(answer),
                    None => Event::Lost,
                }
            }
            Step::Pause { .. } => Event::Resumed,
            step => panic!("{step:?}"),
        };
        let step = going.call.step(&mut self.purse, event, self.now);
        going.has_turn &= step.keeps_turn();
        match step {
            Step::Done { outcome } => self.last = Some(Ok(outcome)),
            Step::Fail { error } => self.last = Some(Err(*error)),
            step => {
                going.step = Some(step);
                return self.record();
            }
        }
        self.going.remove(number);
        self.record();
    }

    fn pay(&mut self, server: usize, card: usize, fault: Option<Fault>, dies: bool) {
        self.happen(Happening::Drain { server });
        self.run(server, card, fault, dies);
    }

    /// A call to its end, or until it waits for another's turn.
    fn run(&mut self, server: usize, card: usize, fault: Option<Fault>, dies: bool) {
        let number = self.going.len();
        self.begin(server, card, false);
        for _ in 0..20 {
            let Some(going) = self.going.get(number) else { return };
            let sends_card = matches!(going.step, Some(Step::Send { card: true, .. }));
            self.advance(number, fault.filter(|_| sends_card));
            if sends_card && dies && self.going.len() > number {
                self.going.remove(number);
            }
        }
    }

    fn finish(&mut self) {
        for _ in 0..1_000 {
            let Some(last) = self.going.len().checked_sub(1) else { return };
            for number in (0..=last).rev() {
                self.advance(number, None);
            }
        }
        panic!("a call never ends");
    }

    fn confirm(&mut self, server: usize, fault: Option<Fault>, dies: bool) {
        // What is under way at this origin is over when its user looks at the bank's page.
        self.going.retain(|going| going.server != server);
        let open =
            |purse: &Purse| purse.known(ORIGINS[server])?.pending.as_ref()?.payment_intent.clone();
        if open(&self.purse).is_none() {
            return;
        }
        let number = self.going.len();
        self.begin(server, 2, false);
        while self.going.len() > number {
            self.advance(number, None);
        }
        let asks =
            |error: &Error| matches!(error, Error::Refused { refused } if refused.reason.is_some());
        let asked = self.last.as_ref().is_some_and(|last| last.as_ref().is_err_and(asks));
        let Some(intent) = open(&self.purse).filter(|_| asked) else { return };
        self.servers[server].confirm(intent.as_str());
        self.record();
        // Nothing happens before it is written down that it is asked for again.
        self.run(server, 2, fault, dies);
    }

    fn happen(&mut self, happening: Happening) {
        let some = |number: usize, of: &[Going]| (!of.is_empty()).then(|| number % of.len());
        match happening {
            Happening::Begin { server, card, wrong_currency } => {
                self.begin(server, card, wrong_currency);
            }
            Happening::Pay { server, card, fault, dies } => self.pay(server, card, fault, dies),
            Happening::Step { call, fault } => {
                if let Some(number) = some(call, &self.going) {
                    self.advance(number, fault);
                }
            }
            Happening::Finish => self.finish(),
            Happening::Die { call } => {
                if let Some(number) = some(call, &self.going) {
                    self.going.remove(number);
                }
            }
            Happening::Confirm { server, fault, dies } => self.confirm(server, fault, dies),
            Happening::Drain { server } => {
                self.servers[server].balances.values_mut().for_each(|balance| *balance = 0);
            }
            Happening::Wait { seconds } => {
                self.now += seconds;
                if seconds > CONFIRMED_WITHIN {
                    self.servers.iter_mut().for_each(Server::cancel);
                }
            }
        }
    }

    /// Writes down what cards were charged just now.
    fn record(&mut self) {
        for (real, server) in self.real.iter_mut().zip(&self.servers) {
            let new = server.charges.iter().skip(real.len()).map(|amount| (self.now, *amount));
            real.extend(new.collect::<Vec<_>>());
        }
    }

    fn check(&self) {
        for (server, real) in self.real.iter().enumerate() {
            let total: i64 = real.iter().map(|(_, amount)| amount).sum();
            let counted = self.purse.spent(currency(server), self.now).get();
            assert!(total <= counted, "{total} was charged, and {counted} is counted");
            assert!(total <= self.budgets.0.get(), "{total} is beyond the budget");
            for (end, _) in real {
                let day = real.iter().filter(|(at, _)| at <= end && at + DAY > *end);
                let day: i64 = day.map(|(_, amount)| amount).sum();
                assert!(day <= self.budgets.1.get(), "{day} in a day is beyond the budget");
            }
        }
    }

    /// When all is over, whoever has budget left is served.
    fn is_not_stuck(&mut self) {
        self.finish();
        self.happen(Happening::Wait { seconds: 3 * DAY });
        for (server, origin) in ORIGINS.into_iter().enumerate() {
            self.happen(Happening::Drain { server });
            // Nobody confirms any more what waited for three days.
            let open = self.purse.known(origin).and_then(|known| known.pending.clone());
            let open = open.filter(|open| open.waits_since.is_none()).map(|open| open.amount);
            let charged = self.purse.charged(currency(server));
            let counted = charged.checked_add(open.unwrap_or_default()).unwrap();
            self.begin(server, 0, false);
            self.finish();
            match self.last.take() {
                Some(Ok(Outcome::Paid(_))) => {}
                Some(Err(Error::BudgetExceeded { needed, .. })) => {
                    let beyond = counted.checked_add(needed).unwrap() > self.budgets.0;
                    assert!(beyond || needed > self.budgets.1, "{counted} of {:?}", self.budgets);
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

fn happenings() -> impl Strategy<Value = Happening> {
    let fault = || {
        prop_oneof![
            5 => Just(None),
            2 => Just(Some(Fault::Unavailable)),
            1 => Just(Some(Fault::UnavailableAfterCharge)),
            2 => Just(Some(Fault::LostAnswer)),
            1 => Just(Some(Fault::ApiFails)),
        ]
    };
    // Mostly one server, so that what happens there belongs together.
    let server = || prop_oneof![5 => Just(0_usize), 1 => Just(1)];
    let card = || prop_oneof![3 => Just(0_usize), 1 => Just(1), 3 => Just(2)];
    let waits = prop_oneof![1 => Just(600), 3 => Just(DAY / 2), 2 => Just(DAY + 1)];
    prop_oneof![
        12 => (server(), card(), fault(), prop::bool::weighted(0.2))
            .prop_map(|(server, card, fault, dies)| Happening::Pay { server, card, fault, dies }),
        5 => (server(), fault(), prop::bool::weighted(0.2))
            .prop_map(|(server, fault, dies)| Happening::Confirm { server, fault, dies }),
        6 => waits.prop_map(|seconds| Happening::Wait { seconds }),
        2 => (server(), card(), prop::bool::weighted(0.1))
            .prop_map(|(server, card, wrong_currency)| Happening::Begin { server, card, wrong_currency }),
        4 => (0_usize..6, fault()).prop_map(|(call, fault)| Happening::Step { call, fault }),
        1 => Just(Happening::Finish),
        1 => (0_usize..6).prop_map(|call| Happening::Die { call }),
        1 => server().prop_map(|server| Happening::Drain { server }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_more_is_charged_than_the_budgets_say_and_nobody_is_stuck(
        history in prop::collection::vec(happenings(), 0..40),
        total in prop::sample::select(vec![0, 50_000, 99_999, 100_000, 150_000, 250_000, 1_000_000]),
        per_day in prop::sample::select(vec![0, 50_000, 100_000, 120_000, 1_000_000]),
    ) {
        let mut world = World::new(total, per_day);
        for happening in history {
            world.happen(happening);
            world.check();
        }
        world.is_not_stuck();
        world.check();
    }
}

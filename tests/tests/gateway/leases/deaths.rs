//! What a gateway, or one of its VMs, that dies gives away: what it had paid since it last handed over.
//! Nobody ever pays for what it did not get.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use stripe402_tests::{
    binary,
    stack::{Stack, StackOptions},
    wire,
};

use super::{JOKE, balance, client_with, with_leases};

/// `STRIPE402_LEASE_DEATHS`: how many gateways, and how many VMs, die; many in `make soak`.
fn deaths() -> usize {
    std::env::var("STRIPE402_LEASE_DEATHS").ok().and_then(|text| text.parse().ok()).unwrap_or(2)
}

/// Requests at once.
const AT_ONCE: usize = 8;
/// `hand_over`, a pulse, and as much again for a machine that is busy with other things.
const WITHIN: Duration = Duration::from_millis(250 + 50 + 50);
/// A lease has ended, and the ledger has looked for it.
const LEASES_ENDED: Duration = Duration::from_millis(7_200);

/// At another point of a lease's life each time.
fn before_death(number: usize) -> Duration {
    Duration::from_millis(700 + 37 * u64::try_from(number % 10).unwrap())
}

/// One client that pays as fast as it can.
struct Load {
    over: Arc<AtomicBool>,
    answered: Arc<Mutex<Vec<Instant>>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn start(stack: &Stack, client: &str) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(Mutex::new(Vec::new()));
        let header = wire::encode(&json!({"clientId": client}));
        let tasks = (0..AT_ONCE).map(|_| {
            let (over, answered) = (Arc::clone(&over), Arc::clone(&answered));
            let request = stack.client.get(stack.url("/api/joke")).header(wire::PAYMENT, &header);
            tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    match request.try_clone().unwrap().send().await {
                        Ok(answer) if answer.status() == 200 => {
                            answered.lock().unwrap().push(Instant::now());
                        }
                        _ => tokio::time::sleep(Duration::from_millis(10)).await,
                    }
                }
            })
        });
        let tasks = tasks.collect();
        Self { over, answered, tasks }
    }

    async fn end(self) -> Vec<Instant> {
        self.over.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        core::mem::take(&mut *self.answered.lock().unwrap())
    }
}

#[expect(clippy::print_stdout, reason = "what a long proof counted is for people to read")]
fn tell(text: &str) {
    println!("{text}");
}

/// What was given away by one death, beside what may have been.
fn compare(what: &str, paid: i64, answered: &[Instant], died: Instant) -> i64 {
    let served = i64::try_from(answered.len()).unwrap();
    let open = i64::try_from(AT_ONCE).unwrap();
    let recent = answered.iter().filter(|at| **at < died && **at + WITHIN > died).count();
    let most = i64::try_from(recent).unwrap() + open;
    let given = served - paid;
    tell(&format!("{what}: {given} of {served} requests given away, at most {most} may be"));
    assert!(given <= most, "{given} of {served} requests given away, {most} may be");
    // A request may have been paid for whose answer died with its gateway.
    assert!(given >= -open, "{given}: paid for and not served");
    given
}

async fn paid(stack: &Stack, client: &str, before: i64) -> i64 {
    tokio::time::sleep(LEASES_ENDED).await;
    let units = before - balance(stack, client).await;
    assert_eq!(units % JOKE, 0);
    units / JOKE
}

/// What dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dies {
    Gateway,
    Vm,
}

/// One client pays, and something dies, again and again.
async fn die(mut stack: Stack, dies: Dies) {
    let (client, _) = client_with(&stack, 9_000_000).await;
    let mut all = 0;
    for number in 0..deaths() {
        let before = balance(&stack, &client).await;
        let load = Load::start(&stack, &client);
        tokio::time::sleep(before_death(number)).await;
        let died = Instant::now();
        if dies == Dies::Gateway {
            stack.envoy.process().kill9();
        } else {
            // A VM is started anew after a second at the earliest.
            let request = reqwest::Client::new().get(stack.url("/api/health"));
            let _dies = request.header("x-stripe402-trap", "1").send().await;
        }
        let answered = load.end().await;
        if dies == Dies::Gateway {
            stack.envoy.restart().await.unwrap();
        }
        let paid = paid(&stack, &client, before).await;
        all += compare(&format!("{dies:?} {number}"), paid, &answered, died);
    }
    assert!(all > 0, "no lease was out at any death");
}

#[tokio::test]
async fn a_gateway_that_is_killed_gives_away_what_it_had_not_handed_over() {
    die(Stack::start(with_leases()).await.unwrap(), Dies::Gateway).await;
}

fn that_traps() -> StackOptions {
    with_leases().config(|config| {
        config.module(&binary::filter_that_traps()?)?;
        // Streams that a dead VM held are ended by Envoy after this.
        config.connection_manager()?["stream_idle_timeout"] = json!("3s");
        Ok(())
    })
}

#[tokio::test]
async fn a_vm_that_ends_gives_away_what_it_had_not_handed_over() {
    die(Stack::start(that_traps()).await.unwrap(), Dies::Vm).await;
}

//! Lets worlds happen.
#![allow(clippy::print_stdout, reason = "a program at a terminal")]

use clap::Parser;
use stripe402_simulation::{plan::Plan, run::run};

/// Simulates gateways, ledgers, clients and Stripe.
#[derive(Parser)]
struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many.
    #[arg(long, default_value_t = 1)]
    schedules: u64,
}

fn main() {
    let Arguments { seed, schedules } = Arguments::parse();
    let began = std::time::Instant::now();
    for seed in seed..seed + schedules {
        let plan = Plan::draw(seed);
        let outcome = run(&plan, schedules == 1);
        for line in &outcome.story {
            println!("{line}");
        }
        if !outcome.found.is_empty() {
            println!("seed {seed}: {:?}", outcome.found.first());
        }
    }
    println!("{schedules} in {:?}", began.elapsed());
}

//! Lets worlds happen, and tells of those in which a rule does not hold.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::arithmetic_side_effects,
    reason = "a program at a terminal, for tests"
)]

use std::{
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Parser;
use stripe402_simulation::{
    mutants,
    plan::Plan,
    run::run,
    search::{Searched, Seeds, cores, search},
    shrink::shrink,
};

/// Simulates gateways, ledgers, clients and Stripe, and looks for a schedule that breaks a rule.
#[derive(Parser)]
struct Arguments {
    /// The first seed. One seed alone is told as a story
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many worlds
    #[arg(long, default_value_t = 1)]
    schedules: u64,
    /// How far the next seed is: from 5, every sixth world has leases; from 1, every third has prices that are
    /// known only afterwards
    #[arg(long, default_value_t = 1)]
    every: u64,
    /// On how many threads
    #[arg(long)]
    threads: Option<usize>,
    /// Take the guards out, one after the other, and say after how many worlds that was noticed; each
    /// in as many as --schedules at the most
    #[arg(long)]
    mutants: bool,
    /// Only this mutant
    #[arg(long)]
    mutant: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.mutants {
        return hunt_all(&arguments);
    }
    if arguments.schedules == 1 {
        return tell(arguments.seed, arguments.mutant.as_deref());
    }
    look(&arguments)
}

/// One world, as a story.
fn tell(seed: u64, mutant: Option<&str>) -> ExitCode {
    let known = mutants::ALL.iter().find(|known| Some(known.name) == mutant);
    stripe402_mutant::choose(known.map_or("", |known| known.name));
    let plan = Plan::draw(seed);
    let outcome = run(&plan, true);
    let Some(first) = outcome.found.first() else {
        print(&outcome.story);
        println!("seed {seed}: every rule holds");
        return ExitCode::SUCCESS;
    };
    let (smallest, outcome) = shrink(&plan, first.rule, |tried| {
        if std::io::stderr().is_terminal() {
            eprint!("\r  smaller worlds tried: {tried} ");
        }
    });
    eprintln!();
    println!(
        "seed {seed}, made smaller: {} gateways with {} workers, {} ledgers, a price of {}",
        smallest.gateways, smallest.workers, smallest.ledgers, smallest.price
    );
    for act in &smallest.acts {
        println!("{:>9}.{:03} s  will: {:?}", act.at_ms / 1_000, act.at_ms % 1_000, act.what);
    }
    print(&outcome.story);
    ExitCode::FAILURE
}

fn print(story: &[String]) {
    for line in story {
        println!("{line}");
    }
}

/// Many worlds, on all cores.
fn look(arguments: &Arguments) -> ExitCode {
    let threads = arguments.threads.unwrap_or_else(cores);
    let began = Instant::now();
    let all = arguments.schedules;
    let seeds = Seeds { first: arguments.seed, every: arguments.every };
    let Searched { found, lasted_s } =
        search(seeds, all, threads, |done| show(done, all, began.elapsed()));
    println!(
        "\r{all} schedules from seed {}, {} days of their own time, in {} s{:20}",
        arguments.seed,
        lasted_s / 86_400,
        began.elapsed().as_secs(),
        ""
    );
    for (seed, violation) in found.iter().take(20) {
        println!("seed {seed}: {}: {}", violation.rule, violation.seen);
    }
    match found.first() {
        None => {
            println!("every rule holds in each");
            ExitCode::SUCCESS
        }
        Some((seed, _)) => {
            println!("{} break a rule; the first, made smaller:", found.len());
            tell(*seed, None)
        }
    }
}

fn show(done: u64, all: u64, elapsed: Duration) {
    let mut out = std::io::stderr();
    if !out.is_terminal() {
        return;
    }
    let part = done * 100 / all.max(1);
    let filled = usize::try_from(part / 4).unwrap_or(0);
    let left = elapsed.as_secs().checked_mul(all - done).and_then(|all| all.checked_div(done));
    let left = left.map_or_else(String::new, |left| format!("{left} s left"));
    let _ = write!(
        out,
        "\r  [{}{}] {part:>3} %  {done} of {all}  {left}    ",
        "#".repeat(filled),
        " ".repeat(25 - filled)
    );
    let _ = out.flush();
}

/// Every mutant.
fn hunt_all(arguments: &Arguments) -> ExitCode {
    // A panic is one way of noticing; its text would hide the table.
    std::panic::set_hook(Box::new(|_| {}));
    let mut missed = 0;
    println!("{:<20} {:>9}  {:<28} without the guard", "mutant", "schedules", "rule");
    let wanted = |mutant: &&mutants::Mutant| {
        arguments.mutant.as_ref().is_none_or(|name| name == mutant.name)
    };
    for mutant in mutants::ALL.iter().filter(wanted) {
        match mutants::hunt(*mutant, arguments.seed, arguments.schedules) {
            Some((took, violation)) => {
                println!(
                    "{:<20} {took:>9}  {:<28} {}",
                    mutant.name, violation.rule, mutant.without
                );
            }
            None => {
                missed += 1;
                println!(
                    "{:<20} {:>9}  {:<28} {}",
                    mutant.name, "-", "not noticed", mutant.without
                );
            }
        }
    }
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

//! Requests through a gateway, beside plain Envoy, in rounds that take turns.

mod crowd;
mod load;
mod options;
mod plot;
mod row;
mod subject;
mod table;

use std::time::Duration;

use self::{
    crowd::Crowd,
    load::Payer,
    row::{Asks, ROWS, Round, Row},
    subject::{Behind, CREDIT, Kind, Subject},
};
pub use self::{
    options::{Cell, Options, Protocol},
    row::Figure,
};
use crate::{Result, cpu};

/// Measures, prints tables, and writes `results.json` and `results.svg` into the folder.
///
/// # Errors
/// If something cannot be started, an answer was wrong, or a balance does not add up.
pub async fn run(options: &Options) -> Result<()> {
    let nobody = |wanted: &&String| !ROWS.iter().any(|row| row.name.contains(wanted.as_str()));
    if let Some(wanted) = options.rows.iter().find(nobody) {
        let names = ROWS.map(|row| row.name).join(", ");
        return Err(
            format!("--row {wanted}: no row has that in its name; there are {names}").into()
        );
    }
    let work = tempfile::tempdir()?;
    let mut behind = Behind::start(work.path()).await?;
    let mut figures = Vec::new();
    for workers in &options.workers {
        figures.extend(with_workers(options, *workers, &mut behind).await?);
    }
    std::fs::create_dir_all(&options.folder)?;
    let at = |name| options.folder.join(name);
    std::fs::write(at("results.json"), serde_json::to_vec_pretty(&figures)?)?;
    std::fs::write(at("results.svg"), plot::draw(&figures))?;
    anstream::println!("  {}", at("results.svg").display());
    Ok(())
}

/// One gateway of each kind with so many workers, and all rows in all cells.
async fn with_workers(options: &Options, workers: u16, behind: &mut Behind) -> Result<Vec<Figure>> {
    let wanted = |row: &&Row| row.subject == Kind::Plain || options.wants(row.name);
    let rows: Vec<Row> = ROWS.iter().filter(wanted).copied().collect();
    let mut subjects: Vec<(Kind, Subject)> = Vec::new();
    for row in &rows {
        if !subjects.iter().any(|(kind, _)| *kind == row.subject) {
            anstream::eprintln!("  starting: {}", row.name);
            let mut subject = Subject::start(row.subject, workers, behind).await?;
            if subject.direct.is_none() {
                let first = subject.starts_within().await?.as_millis();
                anstream::eprintln!("  its first answer comes {first} ms after its start");
            }
            subjects.push((row.subject, subject));
        }
    }
    let many = rows.iter().find(|row| row.asks == Asks::PaidByMany);
    if let Some(row) = many
        && let Some((_, subject)) = subjects.iter_mut().find(|(kind, _)| *kind == row.subject)
    {
        anstream::eprintln!("  crediting {} clients", options.clients);
        subject.crowd = Some(Crowd::gather(&behind.redis_url(), options.clients).await?);
    }
    let mut figures = Vec::new();
    for cell in options.cells(workers) {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.fits(cell)).collect();
        let mut rounds = vec![Vec::new(); rows.len()];
        for number in 0..=options.rounds {
            for (row, rounds) in rows.iter().zip(&mut rounds) {
                let subject = subjects.iter_mut().find(|(kind, _)| *kind == row.subject);
                let Some((_, subject)) = subject else { continue };
                let time = Duration::from_secs(options.seconds);
                let round = measure(row, subject, cell, time, behind.api.pid()).await?;
                anstream::eprintln!(
                    "  round {number} of {}: {:<30}{:>8.0}/s",
                    options.rounds,
                    row.name,
                    round.rate
                );
                if number > 0 {
                    rounds.push(round);
                }
            }
        }
        for (_, subject) in subjects.iter_mut().filter(|(kind, _)| kind.sells()) {
            check(subject).await?;
        }
        let of_cell = rows.iter().zip(&rounds);
        let of_cell: Vec<_> =
            of_cell.map(|(row, rounds)| Figure::of(row.name, cell, rounds)).collect();
        table::print(cell, options.rounds, &of_cell);
        anstream::println!("  balances add up on every store");
        figures.extend(of_cell);
    }
    for (_, subject) in subjects.iter_mut().filter(|(kind, _)| kind.sells()) {
        subject.verify()?;
    }
    anstream::println!("  verify finds nothing in any store");
    Ok(figures)
}

/// One round.
async fn measure(
    row: &Row,
    subject: &mut Subject,
    cell: Cell,
    time: Duration,
    api: u32,
) -> Result<Round> {
    let url = subject.url(row.path);
    let pays = row.asks.pays();
    let payment = subject.payment.clone().filter(|_| pays);
    let crowd = subject.crowd.as_ref().map(Crowd::clients);
    let crowd = crowd.filter(|_| row.asks == Asks::PaidByMany);
    let envoy_pid = subject.stack.envoy.process().pid();
    let ledger = match &subject.authorizer {
        Some(authorizer) => authorizer.pid(),
        None => subject.stack.ledger()?.process().pid(),
    };
    let store = subject.store.filter(|_| pays);
    let pids = match &subject.direct {
        Some((node, _)) => [None, None, store, Some(node.pid())],
        None => [Some(envoy_pid), Some(ledger), store, Some(api)],
    };
    let used = || pids.map(|pid| pid.map_or(Duration::ZERO, cpu::of));
    let calls = "cluster.stripe402_ledger.upstream_rq_total";
    let called = subject.stack.envoy.stat(calls).await?;
    let before = used();
    let load = tokio::task::spawn_blocking(move || {
        let payer = match (crowd, payment.as_deref()) {
            (Some(clients), _) => Payer::AnyOf(clients),
            (None, Some(payment)) => Payer::One(payment),
            (None, None) => Payer::Nobody,
        };
        load::run(&url, payer, cell, time)
    });
    let load = load.await??;
    let after = used();
    let called = subject.stack.envoy.stat(calls).await?.saturating_sub(called);
    let expected = if row.asks == Asks::Unpaid { load.requests } else { 0 };
    if load.refused != expected || load.requests == 0 {
        return Err(format!(
            "{}: {} of {} answers were no success",
            row.name, load.refused, load.requests
        )
        .into());
    }
    let cut_off = u64::from(cell.connections);
    match (row.asks, &mut subject.crowd) {
        (Asks::PaidByMany, Some(crowd)) => {
            crowd.served += load.requests;
            crowd.cut_off += cut_off;
        }
        (Asks::Paid, _) => {
            subject.served += load.requests;
            subject.cut_off += cut_off;
        }
        _ => {}
    }
    let micros = |after: Duration, before| {
        after.saturating_sub(before).as_secs_f64() * 1e6 / load.requests as f64
    };
    let ([envoy, ledger, store, api], [envoy_0, ledger_0, store_0, api_0]) = (after, before);
    Ok(Round {
        rate: load.requests as f64 / load.took.as_secs_f64(),
        batch: if pays && called > 0 { load.requests as f64 / called as f64 } else { 0.0 },
        p50: load.p50.as_secs_f64() * 1e6,
        p99: load.p99.as_secs_f64() * 1e6,
        envoy: micros(envoy, envoy_0),
        ledger: micros(ledger, ledger_0),
        store: micros(store, store_0),
        api: micros(api, api_0),
        memory: if subject.direct.is_none() { cpu::memory(envoy_pid) as f64 / 1e6 } else { 0.0 },
    })
}

/// What was answered was deducted, once; a run that ends leaves at most one request on each
/// connection without an answer that somebody counted.
async fn check(subject: &mut Subject) -> Result<()> {
    // The last voids ride with later batches.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let left = subject.left().await?;
    subject.served += 1;
    let spent = u64::try_from(CREDIT - left)?;
    if let Some(crowd) = &subject.crowd {
        crowd.check().await?;
    }
    if (subject.served..=subject.served + subject.cut_off).contains(&spent) {
        return Ok(());
    }
    Err(format!("{} served, {spent} units spent", subject.served).into())
}

//! Requests through one worker of the gate.

use std::rc::Rc;

use serde_json::json;
use stripe402_filter::{
    config::Config,
    gate::{Head, ResponseHead},
    host::StreamId,
    pairs,
    worker::{Verdict, Worker},
};
use stripe402_protocol::{
    Units,
    message::{Batch, BatchAnswer, Capture, CaptureOutcome, Deduction, DeductionOutcome, compact},
};

use super::{
    BATCH,
    host::{self, Counting},
};
use crate::Result;

const CLIENT: &str = "1f0cfa3c6a2d4b578b6b1e9a3d0a8a111f0cfa3c6a2d4b578b6b1e9a3d0a8a11";

/// The shipped configuration's first route, and so many others.
fn worker(routes: u32, leases: bool) -> Result<Worker> {
    let joke = json!({"name": "joke", "path": "/api/joke", "methods": ["GET"], "price": 100});
    let others = (1..routes).map(|at| json!({"path": format!("/api/other/{at}"), "price": 100}));
    let config = json!({
        "publishable_key": "pk_test_standin",
        "ledger": {"cluster": "stripe402_ledger"},
        "access_log": false,
        "leases": {"enabled": leases},
        "routes": std::iter::once(joke).chain(others).collect::<Vec<_>>(),
    });
    let config = Config::parse(config.to_string().as_bytes());
    Ok(Worker::new(Rc::new(config.map_err(|error| error.to_string())?)))
}

fn ask(worker: &mut Worker, host: &mut Counting, id: StreamId, headers: &[u8]) -> Verdict {
    let config = Rc::clone(worker.config());
    worker.on_request(host, id, &Head::read(pairs::read(headers), &config.identity, None))
}

fn answer(worker: &mut Worker, host: &mut Counting, id: StreamId, headers: &[u8]) {
    if worker.wants_response(id) {
        worker.on_response(host, id, &ResponseHead::read(pairs::read(headers)));
    }
    worker.on_end(host, id);
}

pub(super) fn free(times: u32) -> Result<()> {
    let (mut worker, mut host) = (worker(10, false)?, Counting::default());
    let (request, response) = (host::request("/api/health", None), host::response());
    for id in 1..=times {
        if ask(&mut worker, &mut host, id, &request) != Verdict::Continue {
            return Err("a free request was held".into());
        }
        answer(&mut worker, &mut host, id, &response);
    }
    Ok(())
}

pub(super) fn challenge(times: u32) -> Result<()> {
    let (mut worker, mut host) = (worker(10, false)?, Counting::default());
    let (request, response) = (host::request("/api/joke", None), host::response());
    for id in 1..=times {
        ask(&mut worker, &mut host, id, &request);
        answer(&mut worker, &mut host, id, &response);
    }
    if host.replied == times { Ok(()) } else { Err("not every request was challenged".into()) }
}

/// As fast as a worker can be: forty requests a millisecond.
const REQUESTS_A_PULSE: u32 = 2_000;

pub(super) fn leased(times: u32) -> Result<()> {
    let (mut worker, mut host) = (worker(10, true)?, Counting::default());
    let payment = stripe402_protocol::encode(&json!({"clientId": CLIENT}));
    let (request, response) = (host::request("/api/joke", Some(&payment)), host::response());
    let mut asked = 0;
    for id in 1..=times {
        if ask(&mut worker, &mut host, id, &request) == Verdict::Hold {
            asked += 1;
        }
        if std::mem::take(&mut host.woken) {
            worker.on_wake(&mut host);
        }
        answer_all(&mut worker, &mut host)?;
        answer(&mut worker, &mut host, id, &response);
        if id % REQUESTS_A_PULSE == 0 {
            host.passed_ms += 50;
            worker.on_pulse(&mut host);
            answer_all(&mut worker, &mut host)?;
        }
    }
    // Until a client is known to be busy the ledger is asked.
    if asked < 20 { Ok(()) } else { Err(format!("the ledger was asked {asked} times").into()) }
}

/// The ledger's word on whatever it was asked: there is enough.
fn answer_all(worker: &mut Worker, host: &mut Counting) -> Result<()> {
    let left = Units::MAX;
    for call in std::mem::take(&mut host.calls) {
        let batch: Batch = compact::from_bytes(&host.said).map_err(|error| error.to_string())?;
        let captured =
            |of: &Capture| (of.id, CaptureOutcome::Captured { captured: of.amount, left });
        let deducted = |of: &Deduction| (of.id, DeductionOutcome::Deducted(left));
        let said = BatchAnswer {
            deductions: batch.deductions.iter().map(deducted).collect(),
            voids: Vec::new(),
            captures: batch.captures.iter().map(captured).collect(),
        };
        worker.on_answer(host, call, Ok(&compact::to_bytes(&said)));
    }
    Ok(())
}

pub(super) fn paid(times: u32, routes: u32) -> Result<()> {
    let (mut worker, mut host) = (worker(routes, false)?, Counting::default());
    let payment = stripe402_protocol::encode(&json!({"clientId": CLIENT}));
    let (request, response) = (host::request("/api/joke", Some(&payment)), host::response());
    let mut next = 1;
    while next <= times {
        let streams = next..next + BATCH;
        let first = host.minted + 1;
        for id in streams.clone() {
            ask(&mut worker, &mut host, id, &request);
        }
        worker.on_wake(&mut host);
        for call in std::mem::take(&mut host.calls) {
            worker.on_answer(&mut host, call, Ok(&deducted(first)?));
        }
        for id in streams {
            answer(&mut worker, &mut host, id, &response);
        }
        next += BATCH;
    }
    let all = next - 1;
    let same = host.resumed == all && host.headers_set == all * 7;
    if same { Ok(()) } else { Err("not every request was served".into()) }
}

/// What the ledger answers to the batch whose first deduction is the n-th.
fn deducted(first: u64) -> Result<Vec<u8>> {
    let left = DeductionOutcome::Deducted(Units::from_u32(9_876_500));
    let deductions = (first..first + u64::from(BATCH)).map(|number| (host::minted(number), left));
    Ok(compact::to_bytes(&BatchAnswer {
        deductions: deductions.collect(),
        voids: Vec::new(),
        captures: vec![],
    }))
}

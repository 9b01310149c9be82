mod bad_input;
mod ends;
mod events;
mod messages;
mod oracle;
mod size;
mod table;

use std::{rc::Rc, time::Duration};

use stripe402_protocol::Units;

use super::*;
use crate::pricing::{By, Counted, Other, Pointer, Rates, Unknown, UsageSource};

/// A price of 1 unit per thing that is counted, up to 1,000,000, at least 5.
fn price(usage: Vec<UsageSource>) -> MeteredPrice {
    let [most, least] = [1_000_000, 5].map(Units::from_u32);
    MeteredPrice {
        most,
        least,
        usage,
        by: None,
        unknown: Unknown::Most,
        hold_for: Duration::from_secs(600),
        extend: None,
    }
}

/// Numbers at these pointers, each 1 unit.
fn counted(pointers: &[&str]) -> Counted {
    Counted {
        names: pointers.iter().map(|pointer| (*pointer).into()).collect(),
        pointers: pointers.iter().map(|pointer| Pointer::parse(pointer).unwrap()).collect(),
        per_1000: Some(Rates(
            pointers.iter().map(|pointer| ((*pointer).into(), Units::from_u32(1_000))).collect(),
        )),
    }
}

fn json(pointers: &[&str]) -> UsageSource {
    UsageSource::Json(counted(pointers))
}

fn sse(pointers: &[&str]) -> UsageSource {
    UsageSource::Sse(counted(pointers))
}

fn header(name: &str) -> UsageSource {
    UsageSource::Header(name.into())
}

/// An answer, and how it ends.
#[derive(Clone, Debug)]
struct Script {
    method: &'static str,
    head: Vec<(&'static str, &'static str)>,
    body: Vec<Vec<u8>>,
    trailers: Vec<(&'static str, &'static str)>,
    end: End,
    millis: u64,
}

impl Script {
    fn new(body: &[u8]) -> Self {
        Self {
            method: "POST",
            head: vec![(":status", "200")],
            body: vec![body.to_vec()],
            trailers: vec![],
            end: End::Done,
            millis: 0,
        }
    }

    fn events(body: &[u8]) -> Self {
        Self::new(body).head(("content-type", "text/event-stream; charset=utf-8"))
    }

    fn status(mut self, status: &'static str) -> Self {
        self.head[0].1 = status;
        self
    }

    fn head(mut self, header: (&'static str, &'static str)) -> Self {
        self.head.push(header);
        self
    }

    fn trailer(mut self, trailer: (&'static str, &'static str)) -> Self {
        self.trailers.push(trailer);
        self
    }

    fn method(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    fn end(self, end: End) -> Self {
        Self { end, ..self }
    }

    fn millis(self, millis: u64) -> Self {
        Self { millis, ..self }
    }

    /// The same body in pieces of this size.
    fn pieces(mut self, size: usize) -> Self {
        self.body = self.body.concat().chunks(size.max(1)).map(<[u8]>::to_vec).collect();
        self
    }

    fn run(&self, price: &MeteredPrice) -> Usage {
        let request = Request { method: self.method, encoded: false };
        let mut meter = Meter::new(&Rc::new(price.clone()), request, 0);
        meter.on_forwarded(0);
        meter.on_head(bytes(&self.head));
        self.body.iter().for_each(|chunk| meter.on_body(chunk));
        meter.on_trailers(bytes(&self.trailers));
        meter.finish(self.end, self.millis, price.most)
    }
}

fn bytes<'h>(
    headers: &'h [(&'static str, &'static str)],
) -> impl Iterator<Item = (&'h [u8], &'h [u8])> {
    headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()))
}

/// So many units, by a source.
fn known(units: u32) -> Usage {
    Usage { captured: Units::from_u32(units), known: true, wrong: None }
}

/// No source gave a number.
fn not_known(units: u32, wrong: Option<Wrong>) -> Usage {
    Usage { captured: Units::from_u32(units), known: false, wrong }
}

/// All that is held, since nothing is known.
fn most(wrong: Option<Wrong>) -> Usage {
    not_known(1_000_000, wrong)
}

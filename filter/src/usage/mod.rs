//! What a request used, read from its answer while the answer passes.
//!
//! Nothing is held back and nothing is kept: a [`Meter`] takes a few hundred bytes for each source,
//! whatever the size of the answer.

mod answer;
mod choice;
mod json;
mod message;
mod metadata;
mod scan;
mod sse;
mod units;

use std::rc::Rc;

use stripe402_protocol::Units;

pub use self::choice::Choice;
pub use self::message::{CallId, Message, MessageReader, Unreadable};
pub use self::metadata::whole_double;
use self::{
    answer::{Answer, Counting},
    choice::RequestChoice,
};
use crate::pricing::{Body, MeteredPrice, Rates, Unknown};

/// What a request used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Units to capture of what is held: from the price's least to its most. Less than the least, 0, only
    /// where nothing is known and the price says `void`.
    pub captured: Units,
    /// Whether a source gave a number, or the answer has no body to measure.
    pub known: bool,
    /// What was wrong with what the API said, for the log: of several the first, but for
    /// [`Wrong::AboveMost`].
    pub wrong: Option<Wrong>,
}

/// Why what the API said counts for nothing, or for less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It is no number.
    NotANumber,
    /// It is below zero.
    Negative,
    /// It is written as a fraction, or with an exponent.
    Fraction,
    /// It is above 2^53 − 1.
    TooLarge,
    /// It is there twice in one document.
    Repeated,
    /// A header and a trailer, or two headers, differ.
    Differ,
    /// The body is no JSON, or was cut off.
    NotJson,
    /// The body has more than 128 containers inside of each other.
    TooDeep,
    /// The body is compressed.
    Encoded,
    /// No unit prices are for what the body of the request says, or it is ambiguous.
    NoRow,
    /// More was used than is held.
    AboveMost,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The API's answer is complete.
    Done,
    /// The API broke its answer off, or was cut off by a time-out.
    ApiReset,
    /// The client left.
    ClientGone,
}

/// What a meter needs of a request's head.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'r> {
    /// `:method`.
    pub method: &'r str,
    /// Whether its body is not plain UTF-8: compressed, or in another charset.
    pub encoded: bool,
}

/// Measures one request.
#[derive(Debug)]
pub struct Meter {
    price: Rc<MeteredPrice>,
    head: bool,
    connect: bool,
    choice: Option<RequestChoice>,
    forwarded_ms: u64,
    answer: Answer,
}

impl Meter {
    /// A meter for a request whose head is here. `window` is how many bytes of its body may be waited for
    /// where the price refuses what is not in its table.
    #[must_use]
    pub fn new(price: &Rc<MeteredPrice>, request: Request<'_>, window: usize) -> Self {
        let by = price.by.as_ref().filter(|by| by.body == Body::Request).map(Rc::clone);
        let choice = by.map(|by| {
            if request.encoded {
                RequestChoice::unreadable(by)
            } else {
                RequestChoice::new(by, window)
            }
        });
        Self {
            price: Rc::clone(price),
            head: request.method.eq_ignore_ascii_case("HEAD"),
            connect: request.method.eq_ignore_ascii_case("CONNECT"),
            choice,
            forwarded_ms: 0,
            answer: Answer::before(price),
        }
    }

    /// Whether the request may be forwarded, as far as is known. Where this says
    /// [`Choice::Waiting`], the body is held back until [`Self::on_request_body`] says otherwise.
    #[must_use]
    pub fn choice(&self) -> Choice {
        self.choice.as_ref().map_or(Choice::Made, RequestChoice::choice)
    }

    /// The next piece of the request's body, before and after it was forwarded. A request without a body
    /// has an empty piece that is its end.
    pub fn on_request_body(&mut self, chunk: &[u8], end: bool) -> Choice {
        self.choice.as_mut().map_or(Choice::Made, |choice| choice.on_body(chunk, end))
    }

    /// The request is forwarded. From now on its seconds count.
    pub const fn on_forwarded(&mut self, now_ms: u64) {
        self.forwarded_ms = now_ms;
    }

    /// The head of the API's answer, not one that Envoy made itself. One more head is the answer to a
    /// retry: what the answer before it said and sent does not count. Seconds go on.
    pub fn on_head<'h>(&mut self, headers: impl Iterator<Item = (&'h [u8], &'h [u8])>) {
        if let Some(answer) = Answer::of(&self.price, self.connect, headers) {
            self.answer = answer;
        }
    }

    /// The next piece of the answer's body.
    pub fn on_body(&mut self, chunk: &[u8]) {
        self.answer.on_body(chunk);
    }

    /// The answer's trailers.
    pub fn on_trailers<'h>(&mut self, trailers: impl Iterator<Item = (&'h [u8], &'h [u8])>) {
        self.answer.on_trailers(&self.price, trailers);
    }

    /// Whether the request's body chooses the unit prices.
    #[must_use]
    pub const fn reads_request_body(&self) -> bool {
        self.choice.is_some()
    }

    /// The answer is over, or broken off: what other filters wrote down of it is there now, each number
    /// under its namespace and keys, with a zero byte between them.
    pub fn on_metadata(&mut self, found: impl FnMut(&str) -> Option<Vec<u8>>) {
        self.answer.on_metadata(&self.price, found);
    }

    /// Whether the answer is a stream of events.
    #[must_use]
    pub const fn is_events(&self) -> bool {
        self.answer.is_events()
    }

    /// Units that were used so far, as far as a source says so while the answer goes on.
    #[must_use]
    pub fn so_far(&self, now_ms: u64) -> Option<u128> {
        let millis = now_ms.saturating_sub(self.forwarded_ms);
        let counting = Counting { end: End::ClientGone, millis, row: self.row(), bodiless: false };
        self.answer.counts(&self.price, counting).find_map(|units| units.ok().flatten())
    }

    /// The unit prices that were chosen.
    fn row(&self) -> Option<&Rates> {
        self.price.by.as_ref().and_then(|by| match &self.choice {
            Some(choice) => by.rates(choice.row()?),
            None => by.rates(self.answer.row(by)?),
        })
    }

    /// The answer was cut off: this is what had passed of it.
    #[must_use]
    pub fn finish_at(self, passed: u128, held: Units) -> Usage {
        captured(&self.price, passed, None, held)
    }

    /// The request is over, and was not given back. `held` is all that is held for it.
    #[must_use]
    pub fn finish(self, end: End, now_ms: u64, held: Units) -> Usage {
        let row = self.row();
        let Self { price, head, choice, forwarded_ms, answer, .. } = &self;
        // A body that no unit prices are for is the client's doing, as leaving is.
        let unpriced = choice.is_some() && row.is_none();
        let bodiless = *head || matches!(answer.status(), 204 | 304);
        let failed = answer.status() >= 400;
        let millis = now_ms.saturating_sub(*forwarded_ms);
        let counting = Counting { end, millis, row, bodiless };
        let mut wrong = None;
        for units in answer.counts(price, counting) {
            match units {
                Ok(Some(units)) => return captured(price, units, wrong, held),
                Ok(None) => {}
                Err(found) => wrong = wrong.or(Some(found)),
            }
        }
        if bodiless && wrong.is_none() {
            return Usage { captured: price.least, known: true, wrong: None };
        }
        Usage {
            captured: unknown(price, if unpriced { End::ClientGone } else { end }, failed, held),
            known: false,
            wrong,
        }
    }
}

/// What is captured of a number of units.
fn captured(price: &MeteredPrice, units: u128, wrong: Option<Wrong>, held: Units) -> Usage {
    let units = i64::try_from(units).ok().and_then(|units| Units::new(units).ok());
    match units.filter(|units| *units <= held) {
        Some(units) => Usage { captured: units.max(price.least), known: true, wrong },
        None => Usage { captured: held, known: true, wrong: Some(Wrong::AboveMost) },
    }
}

/// What is captured if no source gives a number. An answer that is an error is not expected to say what
/// was used. A client must not get for nothing what it does not wait for.
fn unknown(price: &MeteredPrice, end: End, failed: bool, held: Units) -> Units {
    let units = if price.unknown == Unknown::Most { held } else { price.if_unknown() };
    if failed {
        return units.min(price.least);
    }
    if end == End::ClientGone && units.is_zero() { held } else { units }
}

/// Whether a body of this `content-type` may be in another charset than UTF-8 (RFC 8259, section 8.1, knows no
/// other; some APIs do).
pub(crate) fn is_in_other_charset(content_type: &[u8]) -> bool {
    let mut parameters = content_type.split(|byte| *byte == b';').skip(1);
    parameters.any(|parameter| {
        let (name, value) = match parameter.iter().position(|byte| *byte == b'=') {
            Some(at) => parameter.split_at(at),
            None => (parameter, &b""[..]),
        };
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
        let value: Vec<u8> = value.iter().copied().filter(plain).collect();
        name.to_ascii_lowercase().windows(7).any(|part| part == b"charset")
            && ![&b"utf-8"[..], b"utf8", b"us-ascii"]
                .iter()
                .any(|own| value.eq_ignore_ascii_case(own))
    })
}

/// Whether a body with this `content-encoding` must be decoded to be read.
pub(crate) fn is_encoded(value: &[u8]) -> bool {
    let codings = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    codings
        .into_iter()
        .any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"))
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NotANumber => "not a number",
            Self::Negative => "below zero",
            Self::Fraction => "a fraction, or written with an exponent",
            Self::TooLarge => "above 9007199254740991",
            Self::Repeated => "there twice in one document",
            Self::Differ => "two headers or trailers differ",
            Self::NotJson => "the body is not JSON, or was cut off",
            Self::TooDeep => "the body is nested more than 128 deep",
            Self::Encoded => "the body is compressed",
            Self::NoRow => "no unit prices are for this request, or it is ambiguous",
            Self::AboveMost => "more was used than is held",
        })
    }
}

#[cfg(test)]
mod tests;

//! One answer of the API, and what each source counts in it.

use super::{
    End, Wrong,
    choice::reader,
    is_encoded,
    json::{Names, Reader, Reading, Wants},
    metadata::{self, Found},
    sse::Events,
    units::Said,
};
use crate::pricing::{Body, By, Counted, MeteredPrice, Rates, UsageSource, proportion};

/// What was seen of an answer.
#[derive(Debug)]
pub(super) struct Answer {
    /// 0 before the head.
    status: u16,
    upgraded: bool,
    events: bool,
    encoded: bool,
    bytes: u64,
    /// One for each source of the price.
    counters: Vec<Counter>,
    /// What chooses the unit prices, if that is in the answer.
    choice: Option<Document>,
}

/// What is read for one source.
#[derive(Debug)]
enum Counter {
    Said(Said),
    Document(Box<Document>),
    Found(Found),
    /// Nothing: time and size are counted once for all.
    None,
}

/// A body that is read as it passes.
#[derive(Debug)]
enum Document {
    Whole(Reader),
    Events(Events),
}

/// What counting needs beside the answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counting<'p> {
    pub(super) end: End,
    /// From forwarding to the end.
    pub(super) millis: u64,
    /// The unit prices that were chosen.
    pub(super) row: Option<&'p Rates>,
    /// Whether there is no body to measure: then only what the API says itself counts.
    pub(super) bodiless: bool,
}

impl Answer {
    /// Before the head: only time passes.
    pub(super) fn before(price: &MeteredPrice) -> Self {
        let counters = price.usage.iter().map(|_| Counter::None).collect();
        Self {
            status: 0,
            upgraded: false,
            events: false,
            encoded: false,
            bytes: 0,
            counters,
            choice: None,
        }
    }

    /// Begins with the head. `None` if it is an interim answer, after which the real one comes.
    pub(super) fn of<'h>(
        price: &MeteredPrice,
        connect: bool,
        headers: impl Iterator<Item = (&'h [u8], &'h [u8])>,
    ) -> Option<Self> {
        let mut answer = Self::before(price);
        let (mut events, mut trailers_only) = (false, false);
        for counter in answer.said(price) {
            *counter.1 = Counter::Said(Said::default());
        }
        for (name, value) in headers {
            match name {
                b":status" => answer.status = status(value),
                b"content-encoding" => answer.encoded |= is_encoded(value),
                b"content-type" => events = is_events(value),
                b"grpc-status" => trailers_only = true,
                _ => {}
            }
            answer.sight(price, name, value);
        }
        if (100..200).contains(&answer.status) && answer.status != 101 {
            return None;
        }
        answer.upgraded = answer.status == 101 || connect && (200..300).contains(&answer.status);
        for (source, counter) in price.usage.iter().zip(&mut answer.counters) {
            match source {
                UsageSource::Json(counted) if !events => {
                    *counter = Counter::Document(Box::new(Document::new(numbers(counted), false)));
                }
                UsageSource::Sse(counted) if events => {
                    *counter = Counter::Document(Box::new(Document::new(numbers(counted), true)));
                }
                // A gRPC answer without messages has its trailers in the head.
                UsageSource::GrpcTrailer(_) if !trailers_only => {
                    *counter = Counter::Said(Said::default());
                }
                _ => {}
            }
        }
        answer.events = events;
        let by = price.by.as_ref().filter(|by| by.body == Body::Answer);
        answer.choice = by.map(|by| Document::new(reader(by, Names::Exact), events));
        Some(answer)
    }

    pub(super) const fn is_events(&self) -> bool {
        self.events
    }

    pub(super) const fn status(&self) -> u16 {
        self.status
    }

    pub(super) fn on_body(&mut self, chunk: &[u8]) {
        let size = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(size);
        if self.encoded || self.upgraded {
            return;
        }
        let counters = self.counters.iter_mut().filter_map(|counter| match counter {
            Counter::Document(document) => Some(&mut **document),
            _ => None,
        });
        counters.chain(&mut self.choice).for_each(|document| document.feed(chunk));
    }

    pub(super) fn on_trailers<'h>(
        &mut self,
        price: &MeteredPrice,
        trailers: impl Iterator<Item = (&'h [u8], &'h [u8])>,
    ) {
        trailers.for_each(|(name, value)| self.sight(price, name, value));
    }

    pub(super) fn on_metadata(
        &mut self,
        price: &MeteredPrice,
        mut found: impl FnMut(&str) -> Option<Vec<u8>>,
    ) {
        for (source, counter) in price.usage.iter().zip(&mut self.counters) {
            if let UsageSource::Metadata(written) = source {
                *counter = Counter::Found(metadata::numbers(written, &mut found));
            }
        }
    }

    /// The sources that are named by a header, and their counters.
    fn said<'s>(
        &'s mut self,
        price: &'s MeteredPrice,
    ) -> impl Iterator<Item = (&'s str, &'s mut Counter)> {
        price.usage.iter().zip(&mut self.counters).filter_map(|(source, counter)| match source {
            UsageSource::Header(name) | UsageSource::GrpcTrailer(name) => Some((&**name, counter)),
            _ => None,
        })
    }

    fn sight(&mut self, price: &MeteredPrice, name: &[u8], value: &[u8]) {
        for (own, counter) in self.said(price) {
            if let Counter::Said(said) = counter
                && own.as_bytes() == name
            {
                said.sight(value);
            }
        }
    }

    /// The row that a text in the answer chooses.
    pub(super) fn row(&self, by: &By) -> Option<usize> {
        let text = match self.choice.as_ref().map(|document| document.reading(End::ApiReset)) {
            Some(Ok(Reading::Text(text))) => by.row(&text),
            _ => None,
        };
        text.or_else(|| by.other_row())
    }

    /// What each source says, in units, in the order of the sources.
    pub(super) fn counts<'a>(
        &'a self,
        price: &'a MeteredPrice,
        counting: Counting<'a>,
    ) -> impl Iterator<Item = Result<Option<u128>, Wrong>> {
        let both = price.usage.iter().zip(&self.counters);
        both.map(move |(source, counter)| self.count(source, counter, counting))
    }

    fn count(
        &self,
        source: &UsageSource,
        counter: &Counter,
        counting: Counting<'_>,
    ) -> Result<Option<u128>, Wrong> {
        match (source, counter) {
            (_, Counter::Said(said)) if !self.upgraded => Ok(said.number()?.map(u128::from)),
            _ if counting.bodiless => Ok(None),
            // Nothing was sent because of the client: that is no measure of what the API did.
            (UsageSource::Bytes { .. }, _)
                if self.bytes == 0 && counting.end == End::ClientGone =>
            {
                Ok(None)
            }
            (UsageSource::Bytes { per_mib }, _) => Ok(proportion(*per_mib, self.bytes, 1 << 20)),
            // A millisecond that has begun: a client that leaves at once has made the API begin, too.
            (UsageSource::Seconds { each }, _) => {
                Ok(proportion(*each, counting.millis.max(1), 1_000))
            }
            _ if self.upgraded => Ok(None),
            (UsageSource::Metadata(written), Counter::Found(found)) => match found {
                Ok(Some(numbers)) => {
                    let rates = written.per_1000.as_ref().or(counting.row).ok_or(Wrong::NoRow)?;
                    rates.units(&written.names, numbers).map(Some).ok_or(Wrong::TooLarge)
                }
                Ok(None) => Ok(None),
                Err(wrong) => Err(*wrong),
            },
            (
                UsageSource::Json(counted) | UsageSource::Sse(counted),
                Counter::Document(document),
            ) => {
                if self.encoded {
                    return Err(Wrong::Encoded);
                }
                match document.reading(counting.end)? {
                    Reading::Numbers(numbers) => {
                        let rates =
                            counted.per_1000.as_ref().or(counting.row).ok_or(Wrong::NoRow)?;
                        rates.units(&counted.names, &numbers).map(Some).ok_or(Wrong::TooLarge)
                    }
                    Reading::Wrong(wrong) => Err(wrong),
                    Reading::Absent | Reading::Text(_) => Ok(None),
                }
            }
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
impl Answer {
    /// Bytes that are kept for this answer.
    pub(super) fn kept(&self) -> usize {
        let documents = self.counters.iter().filter_map(|counter| match counter {
            Counter::Document(document) => {
                Some(size_of::<Document>().saturating_add(document.kept()))
            }
            _ => None,
        });
        let counters = size_of::<Counter>().saturating_mul(self.counters.capacity());
        documents.fold(counters, usize::saturating_add)
    }
}

#[cfg(test)]
impl Document {
    fn kept(&self) -> usize {
        match self {
            Self::Whole(reader) => reader.kept(),
            Self::Events(events) => events.reader().kept(),
        }
    }
}

impl Document {
    fn new(reader: Reader, events: bool) -> Self {
        if events { Self::Events(Events::new(reader)) } else { Self::Whole(reader) }
    }

    fn feed(&mut self, chunk: &[u8]) {
        match self {
            Self::Whole(reader) => reader.feed(chunk),
            Self::Events(events) => events.feed(chunk),
        }
    }

    /// What the body said. Of a JSON document nothing counts until all of it is here and valid: before that
    /// a number may yet be there twice.
    fn reading(&self, end: End) -> Result<Reading, Wrong> {
        match self {
            Self::Events(events) => Ok(events.reading()),
            Self::Whole(reader) if reader.is_whole() => Ok(reader.so_far()),
            Self::Whole(reader) => match reader.broken() {
                Some(wrong) => Err(wrong),
                None if end == End::Done && reader.has_begun() => Err(Wrong::NotJson),
                None => Ok(Reading::Absent),
            },
        }
    }
}

fn numbers(counted: &Counted) -> Reader {
    Reader::new(std::rc::Rc::clone(&counted.pointers), Wants::Numbers, Names::Exact)
}

fn status(value: &[u8]) -> u16 {
    core::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn is_events(content_type: &[u8]) -> bool {
    let name = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    name.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}

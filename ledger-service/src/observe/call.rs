//! One kind of call: how many there were, how they ended, how long they took.

use std::time::Instant;

use metrics::{Counter, Histogram};
use tracing::{Instrument as _, Span};

/// An error that falls into one of a few kinds, each with a name for a label.
pub(super) trait Kinds {
    /// The names; `ok` is not among them.
    const NAMES: &'static [&'static str];

    /// The place of this one's kind in [`Kinds::NAMES`].
    fn kind(&self) -> usize;
}

/// The numbers of one kind of call. They are looked up once: counting is an atomic addition.
pub(super) struct Call {
    seconds: Histogram,
    ok: Counter,
    failed: Vec<Counter>,
}

impl Call {
    /// `counter` makes a counter for a result. Each begins at 0, so that the first failure of all is
    /// a rise that an alert can see.
    pub(super) fn new<E: Kinds>(
        seconds: Histogram,
        counter: impl Fn(&'static str) -> Counter,
    ) -> Self {
        let counter = |result| {
            let counter = counter(result);
            counter.absolute(0);
            counter
        };
        let failed = E::NAMES.iter().map(|name| counter(name)).collect();
        Self { seconds, ok: counter("ok"), failed }
    }

    /// Does it in this span, and counts it when it has ended.
    pub(super) async fn measure<T, E: Kinds + std::fmt::Display>(
        &self,
        span: Span,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let start = Instant::now();
        let done = work.instrument(span.clone()).await;
        self.seconds.record(start.elapsed());
        match &done {
            Ok(_) => self.ok.increment(1),
            Err(error) => {
                if let Some(counter) = self.failed.get(error.kind()) {
                    counter.increment(1);
                }
                span.record("otel.status_code", "ERROR");
            }
        }
        done
    }
}

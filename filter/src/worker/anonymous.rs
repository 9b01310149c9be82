//! Requests without a payment: counted by address, in this worker alone, so that they cost no call.

use super::{Verdict, Worker};
use crate::{
    gate::Trace,
    host::{Host, StreamId},
    source::Source,
};

/// They are counted by days of UTC.
pub(super) const DAY_MS: u64 = 86_400_000;
/// More addresses in a day than that get none: some 1.1 megabytes, and twice that while they grow.
pub(super) const MOST_ADDRESSES: usize = 50_000;

impl Worker {
    /// Lets a request through if its address has had fewer than `most` today.
    pub(super) fn count_anonymous(
        &mut self,
        host: &mut impl Host,
        id: StreamId,
        most: u32,
        trace: Trace<'_>,
        held: bool,
    ) -> Verdict {
        let source = host.source_address(id).map_or(Source::ANY, |address| Source::of(&address));
        let passes = self.anonymous.admits(source, most, self.now_ms);
        let step = self.streams.get_mut(&id).and_then(|stream| stream.on_counted(passes));
        self.apply_if_any(host, id, step, trace, held)
    }
}

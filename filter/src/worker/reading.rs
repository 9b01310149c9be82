//! Requests that wait for their bodies, which say what they cost: not for ever.

use super::{Decision, Worker};
use crate::{
    gate::{Stream, Trace},
    host::{Host, StreamId},
};

impl Worker {
    /// Time has passed: whose body is late is answered, a few at a time.
    pub(super) fn give_up_bodies(&mut self) {
        let patience = u64::try_from(self.config.limits.mcp_body_timeout.as_millis());
        let since_ms = self.now_ms.saturating_sub(patience.unwrap_or(u64::MAX));
        while let Some((stream, since_ms)) = self.reading.pop_front_if(|(_, of)| *of <= since_ms) {
            if self.streams.get(&stream).is_some_and(|found| found.is_reading_since(since_ms)) {
                self.due.push(Decision::LateBody { stream, since_ms });
            }
        }
    }

    pub(super) fn late_body(&mut self, host: &mut impl Host, id: StreamId, since_ms: u64) {
        let stream = self.streams.get_mut(&id).filter(|stream| stream.is_reading_since(since_ms));
        let Some(step) = stream.and_then(Stream::on_late_body) else { return };
        if !self.shown {
            self.log.warn(
                host,
                "the body of a request to MCP did not come: is allow_on_headers_stop_iteration true in this plugin's \
                 configuration?",
            );
        }
        self.apply_step(host, id, step, Trace::default(), true);
    }
}

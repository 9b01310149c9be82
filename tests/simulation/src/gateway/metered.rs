//! What the API says that a request has used.

use stripe402_filter::{host::StreamId, worker::BodyUse};

use super::Gateway;

impl Gateway {
    /// The API says what the request has used. Of some answers nobody waits for the end.
    pub(super) fn meter(&self, worker: usize, stream: StreamId) {
        let metered = self
            .enter(worker, Some(stream), |worker, _| worker.body_use(stream) == BodyUse::Measure);
        if !metered {
            return;
        }
        let used = self.dice.below(u64::from(self.world.plan.price) + 1);
        let ended = self.dice.below(3) > 0;
        let streams = self.streams.borrow();
        if let Some(random) = streams.get(&stream).and_then(|live| live.random.last()) {
            self.world.truth().used.insert(*random, i64::try_from(used).unwrap_or(0));
        }
        drop(streams);
        let used = used.to_string();
        let headers = [(":status", "200"), ("x-cost", used.as_str())];
        let headers = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        self.enter(worker, Some(stream), |worker, proxy| {
            worker.on_metered_head(proxy, stream, headers, ended);
        });
    }
}

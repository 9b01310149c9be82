//! Whether the ledger answers at all.
//!
//! A ledger that let one call time out would let the next ones time out, too. So nobody waits
//! for it until a probe gets through.

/// How long after a probe that failed the next one leaves, in milliseconds.
const PROBE_PAUSE_MS: u64 = 250;

/// What is known of the ledger.
#[derive(Debug, Default)]
pub(super) struct Health {
    silence: Option<Silence>,
}

#[derive(Debug)]
struct Silence {
    /// When the next probe leaves, in Unix milliseconds; `None` while one is under way.
    probe_ms: Option<u64>,
}

impl Health {
    /// A call brought an answer, be it an error.
    pub(super) fn heard(&mut self) {
        self.silence = None;
    }

    /// A call brought nothing. The first probe leaves at once: it may have been a single broken
    /// connection.
    pub(super) fn silent(&mut self, now_ms: u64) {
        let first = self.silence.is_none();
        let pause = if first { 0 } else { PROBE_PAUSE_MS };
        self.silence = Some(Silence { probe_ms: Some(now_ms.saturating_add(pause)) });
    }

    /// Whether nobody should wait for an answer.
    pub(super) const fn is_silent(&self) -> bool {
        self.silence.is_some()
    }

    /// Whether a probe is to leave now; it is taken to be under way from then on.
    pub(super) fn take_probe(&mut self, now_ms: u64) -> bool {
        let silence = self.silence.as_mut();
        silence.is_some_and(|silence| silence.probe_ms.take_if(|due| *due <= now_ms).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_ledger_is_probed_at_once_and_then_at_intervals() {
        let mut health = Health::default();
        assert!(!health.is_silent() && !health.take_probe(0));
        health.silent(1_000);
        assert!(health.is_silent() && health.take_probe(1_000));
        assert!(!health.take_probe(9_000), "one is under way");
        health.silent(9_000);
        assert!(!health.take_probe(9_000 + PROBE_PAUSE_MS - 1));
        assert!(health.take_probe(9_000 + PROBE_PAUSE_MS));
        health.heard();
        assert!(!health.is_silent() && !health.take_probe(99_000));
    }
}

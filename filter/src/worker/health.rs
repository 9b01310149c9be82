//! Whether the ledger answers at all.
//!
//! A ledger that let one call time out would let the next ones time out, too. So nobody waits
//! for it until a probe gets through.
//!
//! A worker that was held up itself, by a flood or by a machine without time for it, does not read
//! answers in time either. Such a time-out says nothing of the ledger, and nobody is let through for
//! it: who can hold a worker up must not get for free what others pay for.

/// How long after a probe that failed the next one leaves, in milliseconds.
const PROBE_PAUSE_MS: u64 = 250;

/// A worker whose pulse, which is due every twentieth of a second, did not come for so long was held
/// up, in milliseconds.
const HELD_UP_MS: u64 = 250;

/// What is known of the ledger.
#[derive(Debug, Default)]
pub(super) struct Health {
    silence: Option<Silence>,
    /// When the last pulse came, in Unix milliseconds; 0 before the first.
    pulse_ms: u64,
    /// Until when this worker was last held up, in Unix milliseconds; 0 if it never was.
    held_up_ms: u64,
}

#[derive(Debug)]
struct Silence {
    /// When the next probe leaves, in Unix milliseconds; `None` while one is under way.
    probe_ms: Option<u64>,
}

impl Health {
    /// A VM call begins. Timers that are overdue run in the order in which they were due, so that a
    /// hold-up is seen here before the time-outs of calls that it made late.
    pub(super) const fn begin(&mut self, now_ms: u64) {
        if self.pulse_ms != 0 && now_ms.saturating_sub(self.pulse_ms) > HELD_UP_MS {
            self.held_up_ms = now_ms;
        }
    }

    pub(super) const fn on_pulse(&mut self, now_ms: u64) {
        self.pulse_ms = now_ms;
    }

    /// Whether this worker was held up while a call was under way that was made then.
    pub(super) const fn was_held_up(&self, since_ms: u64) -> bool {
        since_ms <= self.held_up_ms
    }

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

    /// A call brought nothing, which says nothing of the ledger: what was known stays, and where this was
    /// the probe there is another one.
    pub(super) fn unread(&mut self, now_ms: u64) {
        if let Some(silence) = &mut self.silence {
            silence.probe_ms = Some(now_ms.saturating_add(PROBE_PAUSE_MS));
        }
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

    #[test]
    fn a_worker_is_held_up_from_pulse_to_pulse() {
        let mut health = Health::default();
        health.begin(1_000);
        assert!(!health.was_held_up(1_000), "before the first pulse nothing is late");
        health.on_pulse(1_000);
        health.begin(1_000 + HELD_UP_MS);
        assert!(!health.was_held_up(1_000));
        health.begin(1_001 + HELD_UP_MS);
        health.on_pulse(1_001 + HELD_UP_MS);
        assert!(health.was_held_up(1_000) && !health.was_held_up(1_002 + HELD_UP_MS));
    }
}

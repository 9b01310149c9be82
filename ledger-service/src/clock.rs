//! Time and chance, as traits: a simulation can then replay them.

use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// Unix milliseconds.
    fn now_ms(&self) -> u64;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the time is asked for")]
    fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Makes names that nobody has used before.
pub trait Ids: Send + Sync + 'static {
    /// A new one.
    fn make(&self) -> Uuid;
}

/// Names of 122 random bits.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomIds;

impl Ids for RandomIds {
    fn make(&self) -> Uuid {
        Uuid::new_v4()
    }
}

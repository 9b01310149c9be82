//! Credit leases: whether a worker may pay for requests of busy clients by itself, and for how long.

use std::time::Duration;

use serde_json::Value;

use super::fields::{Checked, Fields, Read, wrong};

pub(super) const LEASES: [&str; 4] = ["enabled", "ttl", "hand_over", "most"];

/// The longest time for which a lease may be out.
const LONGEST: Duration = Duration::from_secs(10);
/// Pulses come every twentieth of a second: nothing is handed over more often.
const SHORTEST_HAND_OVER: Duration = Duration::from_millis(100);

/// Credit leases; see `lease`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseSettings {
    /// Whether routes have them that do not say otherwise.
    pub enabled: bool,
    /// How long a lease is out at the most, in milliseconds: then the ledger takes it back.
    pub ttl_ms: u64,
    /// For how long one is paid from, in milliseconds: then what was paid is handed over.
    pub hand_over_ms: u64,
    /// The largest, in percent of what is available.
    pub most: u8,
}

impl Default for LeaseSettings {
    fn default() -> Self {
        Self { enabled: false, ttl_ms: 2_000, hand_over_ms: 250, most: 5 }
    }
}

/// A share such as `5%`.
struct Percent(u8);

impl Read for Percent {
    const EXPECTED: &'static str = "a share from 1% to 50%, such as 5%";

    fn read(value: &Value) -> Option<Self> {
        let number: u8 = value.as_str()?.strip_suffix('%')?.parse().ok()?;
        (1..=50).contains(&number).then_some(Self(number))
    }
}

pub(super) fn leases(mut fields: Fields) -> Checked<LeaseSettings> {
    let usual = LeaseSettings::default();
    let ttl: Duration = fields.optional("ttl")?.unwrap_or(Duration::from_millis(usual.ttl_ms));
    let hand_over = fields.optional("hand_over")?;
    let hand_over: Duration = hand_over.unwrap_or(Duration::from_millis(usual.hand_over_ms));
    if !(Duration::from_secs(1)..=LONGEST).contains(&ttl) {
        return wrong(fields.path("ttl"), "must be between 1s and 10s");
    }
    // What was paid must reach the ledger before it takes the lease back, whatever its clock says.
    if hand_over < SHORTEST_HAND_OVER || hand_over.saturating_mul(4) > ttl {
        let problem = "must be at least 100ms, and at most a quarter of leases.ttl";
        return wrong(fields.path("hand_over"), problem);
    }
    let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    Ok(LeaseSettings {
        enabled: fields.optional("enabled")?.unwrap_or(usual.enabled),
        ttl_ms: millis(ttl),
        hand_over_ms: millis(hand_over),
        most: fields.optional::<Percent>("most")?.map_or(usual.most, |percent| percent.0),
    })
}

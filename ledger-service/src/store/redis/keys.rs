//! The names of keys. All of a client's lie in one slot of a cluster: the record shared with the
//! Express middleware has a name without braces, and the others have that whole name as their tag.
//!
//! | key | type | what |
//! |---|---|---|
//! | `stripe402:client:<client>` | hash | shared: what can be spent, the Stripe customer |
//! | `{…}:state` | hash | our side of the accounts (`lua/account.lua`) |
//! | `{…}:movements` | hash | every movement, for ever |
//! | `{…}:sums` | hash | deductions by hour, currency and route, for ever (`lua/charges.lua`) |
//! | `{…}:holds`, `{…}:holds:ends` | hash, sorted set | holds that are not settled, and when each ends (`lua/holds.lua`) |
//! | `{…}:charges:<n>` | hash | deductions minted in the n-th ten minutes; expires |
//! | `{…}:top-ups`, `{…}:top-ups:dated` | hash, sorted set | card charges (`lua/top_up.lua`) |
//! | `{…}:keys` | hash | the client's keys, by their SHA-256: `<revision> <record>` |
//! | `stripe402:key:<SHA-256>` | string | whose a key is |
//! | `stripe402:charge:<id>` | hash | whose a card payment's charge is; expires |
//! | `stripe402:top-up:<id>` | string | whose it is; expires when it is refused |
//! | `stripe402:payer:<PaymentIntent>` | string | `<client>:<currency>`, once its books knew of it |
//! | `stripe402:agreed:<client>` | string | the id under which a client is known |
//! | `stripe402:books` | string | the name of these books |
//! | `stripe402:unfinished` | sorted set | `<client>:<id>` of top-ups, by when they were opened |
//! | `stripe402:holds` | sorted set | `<client>:<id>` of holds, by when they end |
//! | `stripe402:grants` | sorted set | `<client>:<currency>:<when it expires>` of grants that do, by when to look |
//! | `stripe402:uncharged` | sorted set | `<client>:<id>:<currency>:<PaymentIntent that waited>` of top-ups without a charge, by when they are forgotten |
//! | `stripe402:counts:<name>` | hash | what is limited, by pieces of a window; expires |
//! | `stripe402:top-ups` | sorted set | `<client>:<id>` of every top-up, by when it was opened |
//! | `stripe402:top-ups-listed` | string | there if that list has what was opened before there was one |
//! | `stripe402:audit` | sorted set | what operators did, by when, for ever |
//! | `stripe402:accounts:<xx>` | sorted set | clients that have an account, by the first two digits |

use stripe402_protocol::{ClientId, DeductionId};

use crate::accounting::{KeyHash, TopUpId};

/// Charges minted within this time share a hash. Memory per deduction, measured on Redis 7.0 with a
/// route of four letters: 282 bytes if it is the only one in its bucket, 85 among ten, 62 among
/// a hundred (packed), about 130 beyond `hash-max-listpack-entries`; a key of its own would take
/// 299. Longer buckets pack better, but one of 600,000 deductions stops the server for 190 ms when it
/// expires: at ten minutes that takes 1,000 deductions a second of one client.
///
/// It is part of the data: with another length, deductions that are there would not be found.
pub(super) const BUCKET_MS: u64 = 600_000;

/// Top-ups that are not finished.
pub(super) const UNFINISHED: &str = "stripe402:unfinished";

/// Top-ups that ended without a charge.
pub(super) const UNCHARGED: &str = "stripe402:uncharged";
/// All top-ups, by when they were opened: see `latest.rs`.
pub(super) const LATEST: &str = "stripe402:top-ups";
/// There if [`LATEST`] has all that were opened before there was such a list.
pub(super) const LISTED: &str = "stripe402:top-ups-listed";

/// Holds, by when they end.
pub(super) const HOLDS: &str = "stripe402:holds";

/// Grants that expire, by when somebody has to look.
pub(super) const GRANTS: &str = "stripe402:grants";

/// The name of these books.
pub(super) const BOOKS: &str = "stripe402:books";

/// What operators did.
pub(super) const AUDIT: &str = "stripe402:audit";

/// The keys of one client.
#[derive(Clone, Debug)]
pub(super) struct ClientKeys(String);

impl ClientKeys {
    pub(super) fn of(client: &ClientId) -> Self {
        Self(format!("stripe402:client:{}", client.to_hex()))
    }

    /// What scripts over `lua/account.lua` have in front.
    pub(super) fn accounts(&self) -> Vec<String> {
        vec![self.record(), self.state(), self.movements()]
    }

    pub(super) fn record(&self) -> String {
        self.0.clone()
    }

    pub(super) fn state(&self) -> String {
        self.tagged("state")
    }

    pub(super) fn movements(&self) -> String {
        self.tagged("movements")
    }

    pub(super) fn sums(&self) -> String {
        self.tagged("sums")
    }

    pub(super) fn holds(&self) -> String {
        self.tagged("holds")
    }

    pub(super) fn hold_ends(&self) -> String {
        self.tagged("holds:ends")
    }

    pub(super) fn keys(&self) -> String {
        self.tagged("keys")
    }

    /// The bucket of deductions minted then.
    pub(super) fn deductions(&self, minted_ms: u64) -> String {
        self.tagged(&format!("charges:{}", minted_ms.checked_div(BUCKET_MS).unwrap_or(0)))
    }

    pub(super) fn top_ups(&self) -> String {
        self.tagged("top-ups")
    }

    pub(super) fn dated_top_ups(&self) -> String {
        self.tagged("top-ups:dated")
    }

    fn tagged(&self, name: &str) -> String {
        format!("{{{}}}:{name}", self.0)
    }
}

/// Whose a key is.
pub(super) fn key(hash: &KeyHash) -> String {
    format!("stripe402:key:{}", hash.to_hex())
}

/// Whose a card payment's charge is.
pub(super) fn deduction(id: &DeductionId) -> String {
    format!("stripe402:charge:{id}")
}

/// Whose a top-up is.
pub(super) fn top_up(id: &TopUpId) -> String {
    format!("stripe402:top-up:{id}")
}

/// The id under which a client is known, by the least of its ids.
pub(super) fn agreed(anchor: &ClientId) -> String {
    format!("stripe402:agreed:{}", anchor.to_hex())
}

/// Whose a PaymentIntent is.
pub(super) fn payer(payment_intent: &str) -> String {
    format!("stripe402:payer:{payment_intent}")
}

/// The part of the index of accounts that lists clients whose ids begin with this byte.
pub(super) fn accounts(first: u8) -> String {
    format!("stripe402:accounts:{first:02x}")
}

/// Events of one name, for a limit.
pub(super) fn counts(name: &str) -> String {
    format!("stripe402:counts:{name}")
}

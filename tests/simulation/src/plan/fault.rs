//! What can go wrong in a world.

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Stripe is away.
    Stripe(Outage),
    /// The next such call, from that moment on, ends in a failure that Stripe stores under its key.
    Stored(Call, When),
    /// A ledger cannot reach the store.
    Store {
        /// Which.
        ledger: usize,
        /// What it writes arrives all the same.
        after: bool,
    },
    /// The store dies, and comes back with what it had acknowledged, and perhaps with what it was doing.
    StoreDies,
    /// A gateway cannot reach a ledger.
    Cut {
        /// Which gateway.
        gateway: usize,
        /// Which ledger.
        ledger: usize,
        /// Questions arrive, answers do not.
        answers: bool,
    },
    /// What gateways and ledgers say to each other is late, and overtakes. Nothing comes twice: TCP
    /// doubles nothing, and Envoy does not repeat what a filter calls.
    Jitter,
    /// A ledger dies, for so long.
    LedgerDies(usize),
    /// A ledger is replaced in order.
    LedgerRestarts(usize),
    /// A VM of a gateway dies.
    VmDies(usize, usize),
    /// A gateway's process dies.
    EnvoyDies(usize),
    /// A newer server secret, on one ledger after the other; then it names new clients, on one after
    /// the other.
    Rotation,
    /// Somebody's automation removes the metadata of every new PaymentIntent and refund.
    Stripped,
    /// Of so many events in a hundred Stripe loses one.
    EventsLost(u64),
}

/// How Stripe is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// It cannot be reached.
    Gone,
    /// It answers 500, and did nothing.
    Fails,
    /// It answers 500, and did the work.
    FailsAfter,
    /// It hangs, and does the work when nobody listens any more.
    Hangs,
    /// As before, but for longer than a ledger allows for: a card may be charged twice, and gets one
    /// charge back.
    HangsForLong,
    /// It answers 429.
    Busy,
    /// It answers 500 before it has looked at the key: nothing is stored.
    Balks,
}

/// A kind of call to Stripe that writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Make a customer.
    Customer,
    /// Charge a card.
    Charge,
    /// Verify a card.
    Setup,
    /// Give money back.
    Refund,
    /// Cancel a PaymentIntent.
    Cancel,
}

/// Before or after the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Nothing happened.
    Before,
    /// It happened.
    After,
}

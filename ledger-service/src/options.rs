//! How cards are charged: times, limits, and what the operator allows.

use std::time::Duration;

use uuid::Uuid;

/// How card payments are carried out.
#[derive(Clone, Debug)]
pub struct PaymentOptions {
    /// How long one request may take, all told; below the gateway's own limit.
    pub deadline: Duration,
    /// How often a request that waits for another's top-up looks.
    pub poll: Duration,
    /// The first pause before Stripe is asked again; doubled each time.
    pub retry_first: Duration,
    /// The longest pause.
    pub retry_most: Duration,
    /// How long a cardholder may take to confirm.
    pub confirmation: Duration,
    /// For how long Stripe's own failures are met with the same request, before its
    /// PaymentIntents are looked through instead.
    pub settle_after: Duration,
    /// For how long a charge may still be on its way after it was sent: above Stripe's time-out.
    pub in_flight: Duration,
    /// How often cards may be tried.
    pub limits: LimitOptions,
    /// How long a PaymentMethod that Stripe does not know is remembered as such.
    pub unknown_memory: Duration,
    /// Whether Stripe's key is one for real money.
    pub live: bool,
    /// Whether a card that never paid for a client is verified before it spends the client's
    /// balance. Without, whoever knows a card's number can.
    pub verify_cards: bool,
    /// What becomes of a Shared Payment Token that does not show whose it is.
    pub without_identity: WithoutIdentity,
    /// Whether a client is told why the bank declined. It helps honest ones, and thieves.
    pub decline_details: bool,
    /// Whether a refund that nobody ordered here, made in Stripe's dashboard say, may put an account
    /// into debt. Without, it takes what is available and no more: it is goodwill.
    pub refund_debt: bool,
    /// Keys that one client may have, beside those that are revoked.
    pub most_keys: usize,
    /// Other books, which were lost and whose charges these take over when they are reconciled.
    pub lost_books: Option<Uuid>,
}

/// What becomes of a Shared Payment Token that does not show whose it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum WithoutIdentity {
    /// It is refused.
    #[default]
    Refuse,
    /// It is charged, for a client of its own.
    Charge,
}

impl Default for PaymentOptions {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(25),
            poll: Duration::from_millis(25),
            retry_first: Duration::from_millis(200),
            retry_most: Duration::from_secs(10),
            confirmation: Duration::from_secs(15 * 60),
            settle_after: Duration::from_secs(10 * 60),
            in_flight: Duration::from_secs(15),
            limits: LimitOptions::default(),
            unknown_memory: Duration::from_secs(5 * 60),
            live: false,
            verify_cards: true,
            without_identity: WithoutIdentity::Refuse,
            decline_details: false,
            refund_debt: false,
            most_keys: 100,
            lost_books: None,
        }
    }
}

/// How often within [`LimitOptions::window`]. 0 lets nothing through; `u64::MAX` is no limit.
#[derive(Clone, Copy, Debug)]
pub struct LimitOptions {
    /// The time in which attempts are counted.
    pub window: Duration,
    /// Attempts from one address.
    pub source_attempts: u64,
    /// Attempts from one address that are for trial credit: they count as attempts, too.
    pub source_trials: u64,
    /// Declines from one address.
    pub source_declines: u64,
    /// Reads from one address of ids that Stripe does not know.
    pub source_unknown: u64,
    /// Requests from one address at once whose PaymentMethod has to be looked up, by one ledger.
    pub source_reads: u64,
    /// Declines of one card number, by PaymentMethods that never paid.
    pub card_declines: u64,
    /// Attempts with cards that never paid, all together.
    pub all_attempts: u64,
    /// Declines, all together; past them only cards that have paid before may go on.
    pub all_declines: u64,
    /// Attempts from one address that has had no decline, past the limits for all together: many
    /// addresses together must not lock everybody out.
    pub quiet_attempts: u64,
}

impl Default for LimitOptions {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(600),
            source_attempts: 60,
            source_trials: 10,
            source_declines: 20,
            source_unknown: 30,
            source_reads: 200,
            card_declines: 10,
            all_attempts: 5_000,
            all_declines: 1_000,
            quiet_attempts: 3,
        }
    }
}

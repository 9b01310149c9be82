//! The settings as they are given: all of them optional, from any of the three places.

use std::{net::SocketAddr, path::PathBuf};

use serde::Deserialize;

use super::values::{LogFormat, Secret, Span};
use crate::options::WithoutIdentity;
use crate::store::StoreUrl;

/// Declares every setting once: a field, a flag, an environment variable, a TOML key. A new one needs its
/// default in the help (`[default: VALUE]`, as the flag takes it), a field of [`super::Config`], its default and
/// bounds in `resolve.rs`, a row in `tests.rs`, and its variable in a document.
macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $field:ident: $type:ty = $variable:literal,)+) => {
        /// Settings as given; what is absent is looked for elsewhere.
        #[derive(Clone, Debug, Default, Deserialize, clap::Args)]
        #[serde(default, deny_unknown_fields)]
        pub struct Settings {
            $($(#[doc = $doc])+ #[arg(long, env = $variable, hide_env_values = true)]
            pub $field: Option<$type>,)+
        }

        impl Settings {
            /// What is absent here, from there.
            #[must_use]
            pub fn or(self, other: Self) -> Self {
                Self { $($field: self.$field.or(other.$field),)+ }
            }
        }
    };
}

settings! {
    /// Address where the ledger listens for gateways: HTTP/2 or HTTP/1.1; with TLS if
    /// tls_certificate is set [default: 127.0.0.1:8402]
    listen: SocketAddr = "LEDGER_LISTEN",
    /// Address where the ledger listens for operators, probes and Prometheus [default:
    /// 127.0.0.1:8403]
    admin_listen: SocketAddr = "LEDGER_ADMIN_LISTEN",
    /// Address where the ledger listens for Stripe's webhooks, if stripe_webhook_secret is set
    /// [default: 127.0.0.1:8406]
    webhook_listen: SocketAddr = "LEDGER_WEBHOOK_LISTEN",
    /// File with the certificate of all three listeners and its intermediate certificates (PEM). If
    /// it is set, the listeners speak TLS only; if it is not set, they speak plain TCP
    tls_certificate: PathBuf = "LEDGER_TLS_CERTIFICATE",
    /// File with the private key of tls_certificate (PEM)
    tls_key: PathBuf = "LEDGER_TLS_KEY",
    /// File with certificate authorities (PEM) for mTLS with gateways: the ledger refuses a gateway
    /// without a certificate of one of them. If it is not set, a gateway needs only the token
    tls_client_ca: PathBuf = "LEDGER_TLS_CLIENT_CA",
    /// File with certificate authorities (PEM) for mTLS on admin_listen: the ledger refuses
    /// operators and probes without a certificate of one of them. Kubernetes' own probes have
    /// no certificate, and are refused. If it is not set, no certificate is asked for
    admin_tls_client_ca: PathBuf = "LEDGER_ADMIN_TLS_CLIENT_CA",
    /// Interval between two looks for renewed certificates, keys and authorities [default: 30s]
    tls_reload: Span = "LEDGER_TLS_RELOAD",
    /// Secret with which Stripe signs webhooks (whsec_…). If it is not set, the ledger takes no
    /// webhooks
    stripe_webhook_secret: Secret = "STRIPE_WEBHOOK_SECRET",
    /// Store of the books: file:PATH, redis://HOST:PORT, rediss://HOST:PORT (TLS),
    /// redis+cluster://HOST:PORT,HOST:PORT or postgres://user@host/database [default:
    /// file:stripe402.redb]
    store: StoreUrl = "LEDGER_STORE",
    /// Bearer token that gateways must send: 16 characters or more. To rotate it, write the old and
    /// the new one, separated by a comma; the ledger accepts both
    token: Secret = "LEDGER_TOKEN",
    /// Bearer tokens of operators: 16 characters or more, separated by commas, each with a name for
    /// the audit record before it (alice:TOKEN,bob:TOKEN). If it is not set, the operators' API and
    /// page are off
    admin_token: Secret = "LEDGER_ADMIN_TOKEN",
    /// Secret from which the ledger derives client ids: 16 characters or more. To rotate it, write
    /// the new one first, then the old ones, separated by commas
    server_secret: Secret = "SERVER_SECRET",
    /// Stripe's secret or restricted key (sk_… or rk_…)
    stripe_secret_key: Secret = "STRIPE_SECRET_KEY",
    /// Address of Stripe's API [default: https://api.stripe.com]
    stripe_api_base: String = "STRIPE_API_BASE",
    /// Timeout of one attempt of one call to Stripe; after it the outcome is unknown, and the
    /// ledger retries [default: 10s]
    stripe_timeout: Span = "STRIPE_TIMEOUT",
    /// Longest time to answer one card payment; after it the ledger answers 503 and goes on with
    /// the charge. Must be below the filter's ledger.payment_timeout [default: 25s]
    payment_deadline: Span = "LEDGER_PAYMENT_DEADLINE",
    /// Longest time for a cardholder to confirm a payment (3D Secure); after it the ledger cancels
    /// the payment [default: 15m]
    confirmation: Span = "LEDGER_CONFIRMATION",
    /// How long after an error of Stripe's own (5xx) the ledger repeats a charge with the same
    /// idempotency key, before it looks for the charge in Stripe's list of PaymentIntents
    /// [default: 10m]
    settle_after: Span = "LEDGER_SETTLE_AFTER",
    /// Whether the ledger verifies a card that never paid for a client (with a SetupIntent) before
    /// it may spend the client's balance. If false, whoever knows a card's number can spend that
    /// balance [default: true]
    verify_cards: bool = "LEDGER_VERIFY_CARDS",
    /// What the ledger does with a Shared Payment Token (MPP) that shows no card: `refuse` it, or
    /// `charge` it as a client of its own, whose credits only the client id of the receipt can spend
    /// [default: refuse]
    mpp_without_identity: WithoutIdentity = "LEDGER_MPP_WITHOUT_IDENTITY",
    /// Whether a refusal tells the client why the bank declined the card. The reason also helps
    /// card thieves [default: false]
    decline_details: bool = "LEDGER_DECLINE_DETAILS",
    /// Whether a refund that was made outside of the ledger, such as in Stripe's dashboard, may put
    /// an account into debt. If false, it takes at most the available balance [default: false]
    refund_debt: bool = "LEDGER_REFUND_DEBT",
    /// Highest number of keys that one client may have, beside those that are revoked; 0 allows none
    /// [default: 100]
    most_keys: usize = "LEDGER_MOST_KEYS",
    /// Period over which the limit_… settings count card attempts, declines and unknown ids
    /// [default: 10m]
    limit_window: Span = "LEDGER_LIMIT_WINDOW",
    /// Highest number of card attempts from one IP address (IPv6: per /64 network) per
    /// limit_window; more are refused with rate_limited [default: 60]
    limit_source_attempts: u64 = "LEDGER_LIMIT_SOURCE_ATTEMPTS",
    /// How many cards are verified for trial credit, per IP address (IPv6: per /64 network) and
    /// limit_window; more are refused with rate_limited [default: 10]
    limit_source_trials: u64 = "LEDGER_LIMIT_SOURCE_TRIALS",
    /// Highest number of declines from one IP address (IPv6: per /64 network) per limit_window;
    /// after them its card attempts are refused with rate_limited [default: 20]
    limit_source_declines: u64 = "LEDGER_LIMIT_SOURCE_DECLINES",
    /// Highest number of PaymentMethods and PaymentIntents from one IP address (IPv6: per /64
    /// network) per limit_window that Stripe does not know; after them its new ids are refused with
    /// rate_limited [default: 30]
    limit_source_unknown: u64 = "LEDGER_LIMIT_SOURCE_UNKNOWN",
    /// Highest number of requests in progress from one IP address (IPv6: per /64 network) with a
    /// PaymentMethod that is new to this ledger; more are refused with rate_limited [default: 200]
    limit_source_reads: u64 = "LEDGER_LIMIT_SOURCE_READS",
    /// Time for which the ledger remembers that Stripe does not know a PaymentMethod, and refuses
    /// it without asking again [default: 5m]
    unknown_card_memory: Span = "LEDGER_UNKNOWN_CARD_MEMORY",
    /// How many declines one card number may have per limit_window. Beyond that, PaymentMethods of
    /// this card that never paid are refused with rate_limited [default: 10]
    limit_card_declines: u64 = "LEDGER_LIMIT_CARD_DECLINES",
    /// Highest number of attempts with cards that never paid, of all clients together, per
    /// limit_window; more are refused with rate_limited, except for limit_quiet_attempts [default:
    /// 5000]
    limit_attempts: u64 = "LEDGER_LIMIT_ATTEMPTS",
    /// Highest number of declines of cards that never paid, of all clients together, per
    /// limit_window; after them such cards are refused with rate_limited, except for
    /// limit_quiet_attempts [default: 1000]
    limit_declines: u64 = "LEDGER_LIMIT_DECLINES",
    /// Number of attempts per limit_window that an IP address without a decline may make although
    /// limit_attempts or limit_declines is reached [default: 3]
    limit_quiet_attempts: u64 = "LEDGER_LIMIT_QUIET_ATTEMPTS",
    /// Interval between two runs that finish interrupted top-ups and delete expired records from
    /// the store [default: 60s]
    sweep: Span = "LEDGER_SWEEP",
    /// Time for which the ledger remembers the ids of deductions; it rejects a deduction that is
    /// older than half of it. Must be the same on all replicas, and at least 2h [default: 7days]
    charge_memory: Span = "LEDGER_CHARGE_MEMORY",
    /// Longest time by which a gateway's clock may be ahead of the ledger's; the ledger rejects
    /// deductions from further ahead [default: 60s]
    clock_skew: Span = "LEDGER_CLOCK_SKEW",
    /// File where the ledger writes a copy of a file store, in place of the copy before. If it is
    /// not set, the ledger writes no copies
    backup: PathBuf = "LEDGER_BACKUP",
    /// Interval between two copies to backup [default: 1h]
    backup_every: Span = "LEDGER_BACKUP_EVERY",
    /// Highest number of transactions that wait for the file store; more are answered with 503
    /// [default: 4096]
    store_queue: usize = "LEDGER_STORE_QUEUE",
    /// Timeout of one transaction on Redis or PostgreSQL; after it the ledger answers 503. Should
    /// be below the filter's ledger.timeout [default: 1s]
    store_timeout: Span = "LEDGER_STORE_TIMEOUT",
    /// Number of replicas of a Redis master that must have a top-up, a claim or a refund's plan
    /// before the ledger calls Stripe; 0 waits for none [default: 1 if the master has or had
    /// replicas, else 0]
    redis_wait_replicas: u32 = "LEDGER_REDIS_WAIT_REPLICAS",
    /// Longest time to wait for redis_wait_replicas; after it the ledger answers 503. Must be below
    /// store_timeout [default: 500ms, at most half of store_timeout]
    redis_wait_timeout: Span = "LEDGER_REDIS_WAIT_TIMEOUT",
    /// Number of connections to Redis or PostgreSQL [default: 16]
    store_connections: u32 = "LEDGER_STORE_CONNECTIONS",
    /// Largest request body, in bytes; a larger one is answered with 413 [default: 1048576]
    max_body: usize = "LEDGER_MAX_BODY",
    /// Largest size of a request's headers, in bytes; larger ones are answered with 431 [default:
    /// 32768]
    max_headers: usize = "LEDGER_MAX_HEADERS",
    /// Longest time to receive a request's headers; after it the ledger closes the connection
    /// [default: 10s]
    header_timeout: Span = "LEDGER_HEADER_TIMEOUT",
    /// Longest time to receive a request's body; after it the ledger answers 408 [default: 10s]
    body_timeout: Span = "LEDGER_BODY_TIMEOUT",
    /// Longest time to answer a request; after it the ledger answers 503. Must be above
    /// payment_deadline [default: 60s]
    request_timeout: Span = "LEDGER_REQUEST_TIMEOUT",
    /// Longest time for which a connection stays open without a request; after it the ledger closes
    /// the connection [default: 10m]
    idle_timeout: Span = "LEDGER_IDLE_TIMEOUT",
    /// Highest number of open connections per listener; more wait until one is closed [default:
    /// 1024]
    max_connections: usize = "LEDGER_MAX_CONNECTIONS",
    /// Time for which the ledger goes on serving after SIGTERM; /readyz answers 503, so that
    /// gateways turn to another replica [default: 5s]
    drain: Span = "LEDGER_DRAIN",
    /// Longest time to finish requests in progress after SIGTERM and drain; after it the ledger
    /// exits, and interrupted top-ups go on at the next start [default: 30s]
    shutdown_grace: Span = "LEDGER_SHUTDOWN_GRACE",
    /// Base address of an OpenTelemetry collector (OTLP over HTTP), such as http://collector:4318.
    /// If it is not set, the ledger sends no traces
    otlp_endpoint: String = "OTEL_EXPORTER_OTLP_ENDPOINT",
    /// Format of the log [default: text]
    log_format: LogFormat = "LEDGER_LOG_FORMAT",
    /// Filter of the log: a level, or directives of the Rust crate tracing, such as
    /// info,stripe402_ledger=debug [default: info]
    log: String = "LEDGER_LOG",
}

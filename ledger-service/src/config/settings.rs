//! The settings as they are given: all of them optional, from any of the three places.

use std::{net::SocketAddr, path::PathBuf};

use serde::Deserialize;

use super::values::{LogFormat, Secret, Span};
use crate::store::StoreUrl;

/// Declares every setting once: a field, a flag, an environment variable, a TOML key.
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
    /// Gateways connect here (HTTP/2 without TLS, or HTTP/1.1) [default: 127.0.0.1:8402]
    listen: SocketAddr = "LEDGER_LISTEN",
    /// Operators and probes connect here [default: 127.0.0.1:8403]
    admin_listen: SocketAddr = "LEDGER_ADMIN_LISTEN",
    /// Stripe's webhooks arrive here, if stripe_webhook_secret is set [default: 127.0.0.1:8406]
    webhook_listen: SocketAddr = "LEDGER_WEBHOOK_LISTEN",
    /// The certificate that all three listeners show (PEM, with those between it and the authority);
    /// with it, they speak TLS only
    tls_certificate: PathBuf = "LEDGER_TLS_CERTIFICATE",
    /// The key of that certificate (PEM)
    tls_key: PathBuf = "LEDGER_TLS_KEY",
    /// Gateways must show a certificate of these authorities (PEM); without, the token suffices
    tls_client_ca: PathBuf = "LEDGER_TLS_CLIENT_CA",
    /// Operators and probes must show a certificate of these authorities (PEM); Kubernetes' own
    /// probes cannot
    admin_tls_client_ca: PathBuf = "LEDGER_ADMIN_TLS_CLIENT_CA",
    /// How often renewed certificates, keys and authorities are looked for [default: 30s]
    tls_reload: Span = "LEDGER_TLS_RELOAD",
    /// What Stripe signs webhooks with (whsec_…)
    stripe_webhook_secret: Secret = "STRIPE_WEBHOOK_SECRET",
    /// Where the books are: file:PATH, redis://HOST:PORT, rediss://HOST:PORT (TLS),
    /// redis+cluster://HOST:PORT,HOST:PORT or postgres://user@host/database
    /// [default: file:stripe402.redb]
    store: StoreUrl = "LEDGER_STORE",
    /// What gateways must present as a bearer token; 16 characters or more; comma-separated, while
    /// one takes the place of another
    token: Secret = "LEDGER_TOKEN",
    /// What operators must present: tokens of 16 characters or more, comma-separated, each with a
    /// name before it for the record (alice:TOKEN,bob:TOKEN); without, the operator API and its
    /// page are off
    admin_token: Secret = "LEDGER_ADMIN_TOKEN",
    /// Derives client ids from cards; comma-separated, newest first, older ones still honoured
    server_secret: Secret = "SERVER_SECRET",
    /// Stripe's secret key (sk_… or rk_…)
    stripe_secret_key: Secret = "STRIPE_SECRET_KEY",
    /// Stripe's address [default: https://api.stripe.com]
    stripe_api_base: String = "STRIPE_API_BASE",
    /// For one attempt of one call to Stripe [default: 10s]
    stripe_timeout: Span = "STRIPE_TIMEOUT",
    /// For one card payment, all told; below the gateway's payment_timeout [default: 25s]
    payment_deadline: Span = "LEDGER_PAYMENT_DEADLINE",
    /// How long a cardholder may take to confirm (3D Secure) [default: 15m]
    confirmation: Span = "LEDGER_CONFIRMATION",
    /// For how long failures of Stripe's own are met with the same request, before its
    /// PaymentIntents are looked through instead [default: 10m]
    settle_after: Span = "LEDGER_SETTLE_AFTER",
    /// Whether a card that never paid for a client is verified (SetupIntent) before it spends the
    /// client's balance; without, whoever knows a card's number can spend it [default: true]
    verify_cards: bool = "LEDGER_VERIFY_CARDS",
    /// Whether clients are told why the bank declined; it helps thieves, too [default: false]
    decline_details: bool = "LEDGER_DECLINE_DETAILS",
    /// Whether a refund that was not ordered here (in Stripe's dashboard, say) may put an account into
    /// debt; else it takes what is available and no more [default: false]
    refund_debt: bool = "LEDGER_REFUND_DEBT",
    /// The time in which card attempts and declines are counted [default: 10m]
    limit_window: Span = "LEDGER_LIMIT_WINDOW",
    /// Card attempts from one address in that time [default: 60]
    limit_source_attempts: u64 = "LEDGER_LIMIT_SOURCE_ATTEMPTS",
    /// Declines from one address in that time [default: 20]
    limit_source_declines: u64 = "LEDGER_LIMIT_SOURCE_DECLINES",
    /// Reads in that time from one address of PaymentMethods and PaymentIntents that Stripe does not
    /// know [default: 30]
    limit_source_unknown: u64 = "LEDGER_LIMIT_SOURCE_UNKNOWN",
    /// Requests from one address at once whose PaymentMethod this ledger looks up for the first time
    /// [default: 200]
    limit_source_reads: u64 = "LEDGER_LIMIT_SOURCE_READS",
    /// How long a PaymentMethod that Stripe does not know is remembered as such [default: 5m]
    unknown_card_memory: Span = "LEDGER_UNKNOWN_CARD_MEMORY",
    /// Declines of one card number in that time [default: 10]
    limit_card_declines: u64 = "LEDGER_LIMIT_CARD_DECLINES",
    /// Attempts in that time with cards that never paid, all together [default: 5000]
    limit_attempts: u64 = "LEDGER_LIMIT_ATTEMPTS",
    /// Declines in that time, all together; past them only cards that have paid before go on
    /// [default: 1000]
    limit_declines: u64 = "LEDGER_LIMIT_DECLINES",
    /// Attempts in that time from an address without a decline that go on past the limits for all
    /// together [default: 3]
    limit_quiet_attempts: u64 = "LEDGER_LIMIT_QUIET_ATTEMPTS",
    /// How often top-ups that were cut off are looked for, and the store is kept up [default: 60s]
    sweep: Span = "LEDGER_SWEEP",
    /// How long charge ids are remembered, the same on all replicas; charges up to half as old are taken
    /// [default: 7days]
    charge_memory: Span = "LEDGER_CHARGE_MEMORY",
    /// How far a gateway's clock may be ahead [default: 60s]
    clock_skew: Span = "LEDGER_CLOCK_SKEW",
    /// Where copies of a file store are written, each in place of the one before; none without
    backup: PathBuf = "LEDGER_BACKUP",
    /// How often [default: 1h]
    backup_every: Span = "LEDGER_BACKUP_EVERY",
    /// Transactions that may wait for the file store [default: 4096]
    store_queue: usize = "LEDGER_STORE_QUEUE",
    /// For one transaction on a store that is a server; below the gateway's timeout [default: 1s]
    store_timeout: Span = "LEDGER_STORE_TIMEOUT",
    /// How many replicas of a Redis master must have a top-up, a claim or a refund's plan before Stripe is
    /// asked; 0: none [default: 1 where the master has replicas or had some, else 0]
    redis_wait_replicas: u32 = "LEDGER_REDIS_WAIT_REPLICAS",
    /// For how long they are waited for; past it the answer is 503; below store_timeout
    /// [default: 500ms, half of store_timeout at most]
    redis_wait_timeout: Span = "LEDGER_REDIS_WAIT_TIMEOUT",
    /// Connections to a store that is a server [default: 16]
    store_connections: u32 = "LEDGER_STORE_CONNECTIONS",
    /// The largest request body, in bytes [default: 1048576]
    max_body: usize = "LEDGER_MAX_BODY",
    /// The largest head of a request, in bytes [default: 32768]
    max_headers: usize = "LEDGER_MAX_HEADERS",
    /// For the head of a request; a connection that sends none is closed [default: 10s]
    header_timeout: Span = "LEDGER_HEADER_TIMEOUT",
    /// For the body of a request [default: 10s]
    body_timeout: Span = "LEDGER_BODY_TIMEOUT",
    /// For the answer to a request; above payment_deadline [default: 60s]
    request_timeout: Span = "LEDGER_REQUEST_TIMEOUT",
    /// For a connection without a request [default: 10m]
    idle_timeout: Span = "LEDGER_IDLE_TIMEOUT",
    /// Connections to one listener; more wait [default: 1024]
    max_connections: usize = "LEDGER_MAX_CONNECTIONS",
    /// For how long it goes on serving after SIGTERM while /readyz says 503, so that gateways turn
    /// to another replica first [default: 5s]
    drain: Span = "LEDGER_DRAIN",
    /// How long to wait after that for what is under way [default: 30s]
    shutdown_grace: Span = "LEDGER_SHUTDOWN_GRACE",
    /// Where traces go: the base address of an OpenTelemetry collector (OTLP over HTTP), such as
    /// http://collector:4318; without, there are none
    otlp_endpoint: String = "OTEL_EXPORTER_OTLP_ENDPOINT",
    /// How logs are written [default: text]
    log_format: LogFormat = "LEDGER_LOG_FORMAT",
    /// Which logs are written, as tracing directives [default: info]
    log: String = "LEDGER_LOG",
}

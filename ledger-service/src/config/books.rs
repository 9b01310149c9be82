//! Commands for operators, on the store itself.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use stripe402_protocol::Currency;
use uuid::Uuid;

use super::values::{Secret, Span};
use crate::store::{Address, StoreUrl};
use crate::store::{StoreOptions, WaitOptions};

/// For one transaction of a command.
const COMMAND: Duration = Duration::from_secs(60);

/// Which books, and how they are shown.
#[derive(Clone, Debug, Args)]
pub struct BooksArgs {
    /// Where the books are: file:PATH (the ledger must be stopped then, a file serves one process)
    /// redis://HOST:PORT, redis+cluster://HOST:PORT,HOST:PORT or postgres://user@host/database
    #[arg(
        long,
        env = "LEDGER_STORE",
        hide_env_values = true,
        default_value = "file:stripe402.redb"
    )]
    pub store: StoreUrl,
    /// How many replicas of a Redis master must have a refund's plan before Stripe is asked, as the
    /// ledger has it
    #[arg(long, env = "LEDGER_REDIS_WAIT_REPLICAS")]
    pub redis_wait_replicas: Option<u32>,
    /// JSON for programs, in place of a table for people
    #[arg(long)]
    pub json: bool,
}

/// What is done with one client.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Balance, movements and use
    Show(ClientArgs),
    /// No more deductions and card charges
    Freeze(FreezeArgs),
    /// Deductions and card charges again
    Unfreeze(FreezeArgs),
    /// Credit or debit by hand, with a reason
    Adjust(AdjustArgs),
    /// Give unused credits back to the cards they came from
    Refund(RefundArgs),
}

/// How Stripe is reached.
#[derive(Clone, Debug, Args)]
pub struct StripeArgs {
    /// Stripe's secret key (sk_… or rk_…)
    #[arg(long, env = "STRIPE_SECRET_KEY", hide_env_values = true)]
    pub stripe_secret_key: Secret,
    /// Stripe's address
    #[arg(long, env = "STRIPE_API_BASE", default_value = "https://api.stripe.com")]
    pub stripe_api_base: String,
    /// For one attempt of one call to Stripe
    #[arg(long, env = "STRIPE_TIMEOUT", default_value = "10s")]
    pub stripe_timeout: Span,
}

/// Whom to give back how much.
#[derive(Debug, Args)]
pub struct RefundArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the fields of the flattened")]
    pub client: ClientArgs,
    /// Units, e.g. 10000 for $1.00; without it all that is available
    #[arg(long)]
    pub amount: Option<i64>,
    /// Names this refund: given again, what was cut off is finished, and nothing is given back twice
    #[arg(long)]
    pub reference: String,
    /// The account's currency
    #[arg(long, default_value = "usd")]
    pub currency: Currency,
    /// For the record
    #[arg(long)]
    pub reason: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the fields of the flattened")]
    pub stripe: StripeArgs,
}

/// What to compare with Stripe.
#[derive(Debug, Args)]
pub struct ReconcileArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the fields of the flattened")]
    pub books: BooksArgs,
    /// From how long ago on
    #[arg(long, default_value = "7days")]
    pub since: Span,
    /// Post what Stripe says where the books do not know of it, once; credits are never taken back
    #[arg(long)]
    pub repair: bool,
    /// The name of books that were lost: what was charged for them belongs to these. It is in the
    /// metadata of their PaymentIntents (stripe402_books)
    #[arg(long)]
    pub lost_books: Option<Uuid>,
    /// As the ledger has it: finds whose a charge was that the books have lost
    #[arg(long, env = "SERVER_SECRET", hide_env_values = true)]
    pub server_secret: Option<Secret>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the fields of the flattened")]
    pub stripe: StripeArgs,
}

/// Which client.
#[derive(Clone, Debug, Args)]
pub struct ClientArgs {
    /// A client id, or its subject (16 hex digits, as in logs and in Stripe's metadata)
    pub client: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the fields of the flattened")]
    pub books: BooksArgs,
}

/// Which account, and why.
#[derive(Debug, Args)]
pub struct FreezeArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the fields of the flattened")]
    pub client: ClientArgs,
    /// For the record
    #[arg(long)]
    pub reason: String,
}

/// How much, and why.
#[derive(Debug, Args)]
pub struct AdjustArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the fields of the flattened")]
    pub client: ClientArgs,
    /// Units, e.g. 50000 to credit $5.00, -100 to debit one cent
    #[arg(long, allow_negative_numbers = true)]
    pub units: i64,
    /// The account's currency
    #[arg(long, default_value = "usd")]
    pub currency: Currency,
    /// For the record
    #[arg(long)]
    pub reason: String,
    /// Names this correction: given twice, it is made once
    #[arg(long)]
    pub reference: String,
}

/// From where to bring clients over.
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// The Express middleware's PostgreSQL tables (stop the middleware first)
    Express(ImportArgs),
}

/// From which database.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The middleware's database: postgres://user@host/database
    #[arg(long, env = "EXPRESS_DATABASE_URL", hide_env_values = true)]
    pub from: Address,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the fields of the flattened")]
    pub books: BooksArgs,
}

/// Which movements.
#[derive(Debug, Args)]
pub struct TransfersArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the fields of the flattened")]
    pub books: BooksArgs,
    /// Of one client only
    #[arg(long)]
    pub client: Option<String>,
}

/// How revenue is summed.
#[derive(Debug, Args)]
pub struct RevenueArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the fields of the flattened")]
    pub books: BooksArgs,
    /// A line for each
    #[arg(long, value_enum, default_value = "route")]
    pub by: RevenueBy,
}

/// What revenue is summed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RevenueBy {
    /// The priced route.
    Route,
    /// The day, UTC.
    Day,
}

impl BooksArgs {
    /// What these commands need: they take no charges.
    #[must_use]
    pub fn store_options(&self) -> StoreOptions {
        StoreOptions {
            charge_memory: Duration::from_secs(7 * 24 * 3600),
            clock_skew: Duration::from_secs(60),
            queue: 64,
            // Looking through all there is may take a while.
            timeout: COMMAND,
            wait: WaitOptions::within(self.redis_wait_replicas, COMMAND),
            connections: 2,
        }
    }
}

//! Commands for operators, on the store itself.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, ValueEnum};
use stripe402_protocol::Currency;
use uuid::Uuid;

use super::values::{Secret, Span};
use crate::store::{Address, StoreUrl};
use crate::store::{StoreOptions, WaitOptions};

/// For one transaction of a command.
const COMMAND: Duration = Duration::from_secs(60);

/// Which books, and how they are shown. [`BooksArgs::target`] also reads the environment.
#[derive(Clone, Debug, Args)]
pub struct BooksArgs {
    /// Store of the books: file:PATH, redis://HOST:PORT, rediss://HOST:PORT (TLS),
    /// redis+cluster://HOST:PORT,HOST:PORT or postgres://user@host/database. Only one process can open
    /// a file: while its ledger runs, use --url [env: LEDGER_STORE] [default: file:stripe402.redb]
    #[arg(long, conflicts_with = "url")]
    pub store: Option<StoreUrl>,
    /// Ledger to ask instead of opening its store: its operator listener, such as
    /// http://127.0.0.1:8403 (plain http on this machine only, else https). The token comes from the
    /// environment, LEDGER_ADMIN_TOKEN. Takes precedence over LEDGER_STORE [env: LEDGER_ADMIN_URL]
    #[arg(long)]
    pub url: Option<String>,
    /// File with the certificates (PEM) of the only authorities that are trusted at --url; without it,
    /// the public ones are
    #[arg(long, env = "LEDGER_ADMIN_CA")]
    pub ca: Option<PathBuf>,
    /// Number of replicas of a Redis master that must have a refund's plan before the command calls
    /// Stripe; use the ledger's value [default: 1 if the master has or had replicas, else 0]
    #[arg(long, env = "LEDGER_REDIS_WAIT_REPLICAS")]
    pub redis_wait_replicas: Option<u32>,
    /// Print JSON for programs instead of a table for people
    #[arg(long)]
    pub json: bool,
}

/// Into which store something is imported, and how that is shown.
#[derive(Clone, Debug, Args)]
pub struct StoreArgs {
    /// Store of the books: file:PATH, redis://HOST:PORT, rediss://HOST:PORT (TLS),
    /// redis+cluster://HOST:PORT,HOST:PORT or postgres://user@host/database. Stop the ledger before
    /// an import into its file: only one process can open it
    #[arg(
        long,
        env = "LEDGER_STORE",
        hide_env_values = true,
        default_value = "file:stripe402.redb"
    )]
    pub store: StoreUrl,
    /// Print JSON for programs instead of a table for people
    #[arg(long)]
    pub json: bool,
}

/// What is done with one client.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Show a client's balances, movements, latest deductions and open holds
    Show(ClientArgs),
    /// Freeze a client's accounts: the ledger refuses their deductions and card charges
    Freeze(FreezeArgs),
    /// Unfreeze a client's accounts: the ledger takes their deductions and card charges again
    Unfreeze(FreezeArgs),
    /// Add units to a client's balance or take units from it, with a reason
    Adjust(AdjustArgs),
    /// Give a client credit, with a reason. It is spent before credit that was paid for, and never
    /// refunded to a card
    Grant(GrantArgs),
    /// Refund unused credit to the cards that paid for it
    Refund(RefundArgs),
    /// Show a client's keys
    Keys(ClientArgs),
    /// Make a key for a client: another client id for the same balance, with limits of its own. It is
    /// shown once
    MakeKey(MakeKeyArgs),
    /// Revoke a client's key, for good
    RevokeKey(RevokeKeyArgs),
    /// Let a client's key charge its card no more. Only the card can agree to it again
    StopAutoTopUp(RevokeKeyArgs),
    /// Rotate a client's id: the ids so far spend nothing more, and the client's card learns the new one
    /// when it pays next
    Rotate(FreezeArgs),
}

/// How Stripe is reached.
#[derive(Clone, Debug, Args)]
pub struct StripeArgs {
    /// Stripe's secret or restricted key (sk_… or rk_…). Required without --url: a ledger has its own
    #[arg(long, env = "STRIPE_SECRET_KEY", hide_env_values = true)]
    pub stripe_secret_key: Option<Secret>,
    /// Address of Stripe's API
    #[arg(long, env = "STRIPE_API_BASE", default_value = "https://api.stripe.com")]
    pub stripe_api_base: String,
    /// Timeout of one attempt of one call to Stripe; after it the command retries
    #[arg(long, env = "STRIPE_TIMEOUT", default_value = "10s")]
    pub stripe_timeout: Span,
}

/// Whom to refund how much.
#[derive(Debug, Args)]
pub struct RefundArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the fields of the flattened")]
    pub client: ClientArgs,
    /// Amount to refund, in units (10000 = $1.00)
    #[arg(long, required_unless_present = "all")]
    pub amount: Option<i64>,
    /// Refund all credit that was paid for and is not spent
    #[arg(long, conflicts_with = "amount")]
    pub all: bool,
    /// Name of this refund, of your choice. Run the command again with the same name to finish a
    /// refund that was interrupted; the ledger never refunds twice under one name
    #[arg(long)]
    pub reference: String,
    /// Currency of the account to refund
    #[arg(long, default_value = "usd")]
    pub currency: Currency,
    /// Reason for the refund, for the audit record. If it is not set, the record has none
    #[arg(long)]
    pub reason: Option<String>,
    /// Refund without asking. Without it, the command shows at a terminal what goes back to which card
    /// charge, and asks; elsewhere it never asks
    #[arg(long)]
    pub yes: bool,
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
    /// Period to compare: from this long ago until now
    #[arg(long, default_value = "7days")]
    pub since: Span,
    /// Post the top-ups, refunds and disputes that Stripe has and the books lack. If it is not set,
    /// the command only reports them
    #[arg(long)]
    pub repair: bool,
    /// Name of books that were lost, whose charges these books take over. It is in the metadata of
    /// their PaymentIntents at Stripe (stripe402_books). If it is not set, charges for other books
    /// are left alone
    #[arg(long)]
    pub lost_books: Option<Uuid>,
    /// The ledger's SERVER_SECRET. With it, reconcile finds the client of a charge that is missing
    /// from the books
    #[arg(long, env = "SERVER_SECRET", hide_env_values = true)]
    pub server_secret: Option<Secret>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the fields of the flattened")]
    pub stripe: StripeArgs,
}

/// Which client.
#[derive(Clone, Debug, Args)]
pub struct ClientArgs {
    /// Client to work on: its client id, or its subject (16 hex digits, as in logs and in Stripe's
    /// metadata)
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
    /// Reason for this action, for the audit record
    #[arg(long)]
    pub reason: String,
}

/// How much, and why.
#[derive(Debug, Args)]
pub struct AdjustArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the fields of the flattened")]
    pub client: ClientArgs,
    /// Units to add (50000 adds $5.00), or to take if negative (-100 takes one cent)
    #[arg(long, allow_negative_numbers = true)]
    pub units: i64,
    /// Currency of the account to correct
    #[arg(long, default_value = "usd")]
    pub currency: Currency,
    /// Reason for the correction, for the audit record
    #[arg(long)]
    pub reason: String,
    /// Name of this correction, of your choice; the ledger makes a correction of the same name once
    #[arg(long)]
    pub reference: String,
}

/// How much, until when, and why.
#[derive(Debug, Args)]
pub struct GrantArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the fields of the flattened")]
    pub client: ClientArgs,
    /// Units to give (50000 = $5.00)
    #[arg(long)]
    pub units: i64,
    /// Currency of the account that gets them
    #[arg(long, default_value = "usd")]
    pub currency: Currency,
    /// Time until what is left of them expires, such as 30days. If it is not set, they never do
    #[arg(long)]
    pub expires_in: Option<Span>,
    /// Reason for the grant, for the audit record
    #[arg(long)]
    pub reason: String,
    /// Name of this grant, of your choice; the ledger makes a grant of the same name once
    #[arg(long)]
    pub reference: String,
}

/// What a key may do, and why it is made.
#[derive(Debug, Args)]
pub struct MakeKeyArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the fields of the flattened")]
    pub client: ClientArgs,
    /// Name of the key, for people
    #[arg(long)]
    pub label: String,
    /// Currency of the account that it spends
    #[arg(long, default_value = "usd")]
    pub currency: Currency,
    /// Units that it may spend in all (50000 = $5.00). If it is not set, there is no such limit
    #[arg(long)]
    pub total: Option<i64>,
    /// Units that it may spend in a day, UTC. If it is not set, there is no such limit
    #[arg(long)]
    pub per_day: Option<i64>,
    /// Units that it may spend in a month, UTC. If it is not set, there is no such limit
    #[arg(long)]
    pub per_month: Option<i64>,
    /// Time until it expires, such as 30days. If it is not set, it never does
    #[arg(long)]
    pub expires_in: Option<Span>,
    /// Route that it may pay for, by its name, or the beginning of names with a * behind. Can be given
    /// several times. If it is not set, it may pay for all
    #[arg(long)]
    pub route: Vec<String>,
    /// Let it manage its owner's keys
    #[arg(long)]
    pub manage: bool,
    /// Reason for the key, for the audit record
    #[arg(long)]
    pub reason: String,
}

/// Which key, and why.
#[derive(Debug, Args)]
pub struct RevokeKeyArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the fields of the flattened")]
    pub client: ClientArgs,
    /// Key, by its id (16 hex digits, as in the list)
    #[arg(long)]
    pub key: String,
    /// Reason for this action, for the audit record
    #[arg(long)]
    pub reason: String,
}

/// From where to bring clients over.
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// Import from the Express middleware's PostgreSQL tables; stop the middleware first
    Express(ImportArgs),
}

/// From which database.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Database of the Express middleware: postgres://user@host/database
    #[arg(long, env = "EXPRESS_DATABASE_URL", hide_env_values = true)]
    pub from: Address,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the fields of the flattened")]
    pub books: StoreArgs,
}

/// Which movements.
#[derive(Debug, Args)]
pub struct TransfersArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the fields of the flattened")]
    pub books: BooksArgs,
    /// Client whose movements to list: its client id or subject [default: all clients]
    #[arg(long)]
    pub client: Option<String>,
}

/// Which holds.
#[derive(Debug, Args)]
pub struct HoldsArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the fields of the flattened")]
    pub books: BooksArgs,
    /// Client whose holds to list: its client id or subject [default: all clients]
    #[arg(long)]
    pub client: Option<String>,
}

/// How revenue is summed.
#[derive(Debug, Args)]
pub struct RevenueArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the fields of the flattened")]
    pub books: BooksArgs,
    /// What to sum by: one line for each route, or for each day
    #[arg(long, value_enum, default_value = "route")]
    pub by: RevenueBy,
}

/// Which statement.
#[derive(Debug, Args)]
pub struct StatementArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the fields of the flattened")]
    pub books: BooksArgs,
    /// Month (UTC) such as 2026-11
    #[arg(long)]
    pub month: String,
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
        store_options(self.redis_wait_replicas)
    }
}

impl StoreArgs {
    /// What an import needs: it takes no charges.
    #[must_use]
    pub fn store_options(&self) -> StoreOptions {
        store_options(None)
    }
}

fn store_options(redis_wait_replicas: Option<u32>) -> StoreOptions {
    StoreOptions {
        charge_memory: Duration::from_secs(7 * 24 * 3600),
        clock_skew: Duration::from_secs(60),
        queue: 64,
        // Looking through all there is may take a while.
        timeout: COMMAND,
        wait: WaitOptions::within(redis_wait_replicas, COMMAND),
        connections: 2,
    }
}

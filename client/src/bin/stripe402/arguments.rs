//! What can be asked of the program.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use reqwest::Url;
use stripe402_client::{Amount, Policy, Wallet, storage::File};
use stripe402_protocol::{ClientId, Currency, PaymentMethodId, Units};

use crate::{
    address::address,
    exit::{EXIT_CODES, Exit},
    keys::KeyCommand,
    mcp::arguments::McpArgs,
    network::NetworkArgs,
};

/// Send HTTP requests and pay for them: by card or from a balance, within a budget.
///
/// Write amounts in units (500; 10000 units are one dollar) or as money with its currency
/// (0.05usd).
#[derive(Parser)]
#[command(name = "stripe402", version, disable_help_subcommand = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Send a request, and pay for it if it costs something.
    #[command(after_help = EXIT_CODES)]
    Curl(Box<CurlArgs>),
    /// Confirm a card charge that waits for its cardholder (3D Secure), on a local page with Stripe's own
    /// script; then send the request again. Takes the options of the `curl` that ended with 16.
    #[command(after_help = EXIT_CODES)]
    Confirm(Box<ConfirmArgs>),
    /// Show the balance at the server of a URL.
    #[command(after_help = EXIT_CODES)]
    Balance(BalanceArgs),
    /// Show what a URL costs, or what a header says, in units and money; nothing is paid.
    #[command(after_help = EXIT_CODES)]
    Explain(ExplainArgs),
    /// Add, list and remove cards to pay with.
    #[command(subcommand)]
    Card(CardCommand),
    /// Create, list and revoke keys: client ids for others, which spend your balance within limits.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Show what cards were charged, or begin the count anew.
    #[command(subcommand)]
    Budget(BudgetCommand),
    /// Serve MCP on standard input and output: tools for an agent, which pay within these limits.
    ///
    /// The agent may lower a limit for one call, and never raise it. It is not told card ids and client ids.
    #[command(after_help = EXIT_CODES)]
    Mcp(Box<McpArgs>),
    /// Show the help of a command, or the exit codes.
    #[command(after_help = EXIT_CODES)]
    Help(HelpArgs),
    /// Print the page of a command for man, as in: stripe402 man curl | man -l -
    Man(HelpArgs),
    /// Print a script that completes commands and options, as in: source <(stripe402 completion bash)
    Completion(CompletionArgs),
}

#[derive(Args)]
pub(crate) struct CompletionArgs {
    /// Shell to complete in.
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Args)]
pub(crate) struct HelpArgs {
    /// Command, such as `card add`; or `exit-codes`.
    pub(crate) topic: Vec<String>,
}

#[derive(Subcommand)]
pub(crate) enum BudgetCommand {
    /// Show what cards were charged, in 24 hours and in total, by currency.
    #[command(after_help = EXIT_CODES)]
    Show(CommonArgs),
    /// Forget what cards were charged, so that budgets count from now on. A charge of unknown outcome stays.
    #[command(after_help = EXIT_CODES)]
    Reset(CommonArgs),
}

#[derive(Subcommand)]
pub(crate) enum CardCommand {
    /// Add a card for the server of a URL, on a local page with Stripe's own form: the number goes
    /// to Stripe, never through this program.
    #[command(after_help = EXIT_CODES)]
    Add(CardArgs),
    /// List the cards in the credentials file, by server.
    #[command(after_help = EXIT_CODES)]
    List(CommonArgs),
    /// Remove the card for the server of a URL. Its balance there stays.
    #[command(after_help = EXIT_CODES)]
    Remove(RemoveArgs),
}

#[derive(Args)]
pub(crate) struct RemoveArgs {
    /// URL of the server: any of its paths.
    #[arg(value_parser = address)]
    pub(crate) url: Url,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Args)]
pub(crate) struct ConfirmArgs {
    /// Address of Stripe's API. At any other address a stand-in's script shows the bank's window.
    #[arg(long, env = "STRIPE_API_BASE", default_value = "https://api.stripe.com")]
    pub(crate) stripe_api_base: Url,
    #[command(flatten)]
    pub(crate) curl: CurlArgs,
}

/// Options in the manner of curl, and how much may be paid.
#[derive(Args, Clone)]
pub(crate) struct CurlArgs {
    /// URL to send the request to.
    #[arg(value_parser = address)]
    pub(crate) url: Url,
    /// Method of the request [default: GET; POST with --data or --data-binary; PUT with
    /// --upload-file; HEAD with --head]
    #[arg(short = 'X', long)]
    pub(crate) request: Option<reqwest::Method>,
    /// Header to send, as NAME: VALUE; may be repeated.
    #[arg(short = 'H', long = "header")]
    pub(crate) headers: Vec<String>,
    /// Data to post; @FILE reads a file without its line ends. May be repeated: the parts are
    /// joined by &.
    #[arg(short = 'd', long = "data")]
    pub(crate) data: Vec<String>,
    /// Data to post without a change; @FILE reads a file, @- reads standard input.
    #[arg(long)]
    pub(crate) data_binary: Option<String>,
    /// File to send with PUT; - streams standard input, which cannot be sent a second time with a
    /// payment.
    #[arg(short = 'T', long, conflicts_with_all = ["data", "data_binary"])]
    pub(crate) upload_file: Option<String>,
    /// File to write the body of the answer to [default: standard output]
    #[arg(short = 'o', long)]
    pub(crate) output: Option<PathBuf>,
    /// Print the status and headers of the answer before its body.
    #[arg(short = 'i', long)]
    pub(crate) include: bool,
    /// Send a HEAD request and print the status and headers.
    #[arg(short = 'I', long)]
    pub(crate) head: bool,
    /// Do not print what was paid.
    #[arg(short = 's', long)]
    pub(crate) silent: bool,
    /// Exit with 22 if the status is 400 or above.
    #[arg(short = 'f', long)]
    pub(crate) fail: bool,
    /// Follow redirects; a redirect to another origin is not paid for.
    #[arg(short = 'L', long)]
    pub(crate) location: bool,
    /// Longest time for the request, in seconds; after it the program stops. If it is not set,
    /// there is no limit.
    #[arg(short = 'm', long)]
    pub(crate) max_time: Option<u64>,
    #[command(flatten)]
    pub(crate) paying: PayingArgs,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// How much may be paid, with what, and where.
#[derive(Args, Clone)]
#[command(next_help_heading = "Paying")]
pub(crate) struct PayingArgs {
    /// PaymentMethod of the card to pay with (pm_…) [default: the card of `stripe402 card add`]
    #[arg(long, env = "STRIPE402_PAYMENT_METHOD", hide_env_values = true)]
    pub(crate) payment_method: Option<PaymentMethodId>,
    /// Client id to use [default: the one in the credentials file]
    #[arg(long, env = "STRIPE402_CLIENT_ID", hide_env_values = true, value_parser = client_id)]
    pub(crate) client_id: Option<ClientId>,
    /// Highest price to pay for this request; above it nothing is paid. A metered request counts with
    /// the most that it can cost [default: 1.00, if the currency has cents]
    #[arg(long)]
    pub(crate) max_price: Option<Amount>,
    /// Highest amount of one card charge; above it nothing is charged [default: 10.00, if the
    /// currency has cents]
    #[arg(long)]
    pub(crate) max_charge: Option<Amount>,
    /// Highest sum of all card charges that the credentials file records; above it nothing is
    /// charged. If it is not set, there is no limit.
    #[arg(long)]
    pub(crate) budget: Option<Amount>,
    /// Highest sum of card charges in 24 hours; above it nothing is charged. If it is not set,
    /// there is no limit.
    #[arg(long)]
    pub(crate) budget_per_day: Option<Amount>,
    /// Amount to charge the card for new credits [default: the server's minimum]
    #[arg(long)]
    pub(crate) top_up: Option<Amount>,
    /// Currency to pay in; a price in another one is not paid [default: the currency of the amounts
    /// above, else usd]
    #[arg(long)]
    pub(crate) currency: Option<Currency>,
    /// Origin that may be paid, and that may get a card which was used elsewhere; may be repeated.
    /// If it is not set, any origin may be paid.
    #[arg(long = "allow-origin")]
    pub(crate) origins: Option<Vec<String>>,
    /// Allow http:// to other machines: credentials are then sent unencrypted.
    #[arg(long)]
    pub(crate) allow_http: bool,
}

/// Where credentials are kept.
#[derive(Args, Clone)]
pub(crate) struct KeptArgs {
    /// File that keeps credentials and budgets, with mode 0600
    /// [default: stripe402/credentials.json in the configuration folder]
    #[arg(long, env = "STRIPE402_CREDENTIALS")]
    pub(crate) credentials: Option<PathBuf>,
}

#[derive(Args, Clone)]
pub(crate) struct CommonArgs {
    #[command(flatten)]
    pub(crate) kept: KeptArgs,
    /// Print one JSON object on standard output, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct BalanceArgs {
    /// URL of the server: any of its paths.
    #[arg(value_parser = address)]
    pub(crate) url: Url,
    /// Client id to use [default: the one in the credentials file]
    #[arg(long, env = "STRIPE402_CLIENT_ID", hide_env_values = true, value_parser = client_id)]
    pub(crate) client_id: Option<ClientId>,
    /// Currency of the balance in the last receipt, for a server that has no balance address.
    #[arg(long, default_value = "usd")]
    pub(crate) currency: Currency,
    /// Allow http:// to another machine: the client id is then sent unencrypted.
    #[arg(long)]
    pub(crate) allow_http: bool,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Args)]
pub(crate) struct ExplainArgs {
    /// URL to ask, or the value of a header: payment-required, payment or payment-response.
    pub(crate) what: String,
    /// Method of the request.
    #[arg(short = 'X', long, default_value = "GET")]
    pub(crate) request: reqwest::Method,
    /// Print one JSON object on standard output, for programs.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

#[derive(Args)]
pub(crate) struct CardArgs {
    /// URL of the server: a path with a price, or any where the server lists what it sells.
    #[arg(value_parser = address)]
    pub(crate) url: Url,
    /// Address of Stripe's API. At any other address a stand-in makes the card at once, from
    /// --test-number.
    #[arg(long, env = "STRIPE_API_BASE", default_value = "https://api.stripe.com")]
    pub(crate) stripe_api_base: Url,
    /// Number of the test card, for a stand-in.
    #[arg(long, default_value = "4242424242424242")]
    pub(crate) test_number: String,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

pub(crate) fn client_id(text: &str) -> Result<ClientId, String> {
    text.parse().map_err(|_| "a client id is 64 lowercase hexadecimal digits".to_owned())
}

impl Cli {
    pub(crate) fn json(&self) -> bool {
        match &self.command {
            Command::Curl(arguments) => arguments.common.json,
            Command::Confirm(arguments) => arguments.curl.common.json,
            Command::Balance(arguments) => arguments.common.json,
            Command::Explain(arguments) => arguments.json,
            Command::Key(command) => command.json(),
            Command::Card(CardCommand::Add(arguments)) => arguments.common.json,
            Command::Card(CardCommand::Remove(arguments)) => arguments.common.json,
            Command::Card(CardCommand::List(common))
            | Command::Budget(BudgetCommand::Show(common) | BudgetCommand::Reset(common)) => {
                common.json
            }
            // Standard output is MCP's, a page's or a script's.
            Command::Help(_) | Command::Mcp(_) | Command::Man(_) | Command::Completion(_) => false,
        }
    }
}

impl CommonArgs {
    pub(crate) fn file(&self) -> Result<File, Exit> {
        self.kept.file()
    }

    pub(crate) fn wallet(&self, policy: Policy) -> Result<Wallet, Exit> {
        self.kept.wallet(policy)
    }
}

impl KeptArgs {
    pub(crate) fn file(&self) -> Result<File, Exit> {
        if let Some(path) = &self.credentials {
            return Ok(File::new(path));
        }
        let variable = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let folder = variable("XDG_CONFIG_HOME")
            .or_else(|| variable("APPDATA"))
            .or_else(|| variable("HOME").map(|home| home.join(".config")));
        let folder = folder.ok_or_else(|| {
            Exit::usage(
                "there is no home folder for the credentials file: set --credentials".to_owned(),
            )
        })?;
        Ok(File::new(folder.join("stripe402/credentials.json")))
    }

    pub(crate) fn wallet(&self, policy: Policy) -> Result<Wallet, Exit> {
        Wallet::with_storage(policy, self.file()?).map_err(|error| Exit::usage(error.to_string()))
    }
}

impl PayingArgs {
    /// One currency for all amounts.
    pub(crate) fn policy(self) -> Result<Policy, Exit> {
        let limits =
            [self.max_price, self.max_charge, self.budget, self.budget_per_day, self.top_up];
        let written = limits.into_iter().flatten().filter_map(|amount| amount.currency);
        let mut currency = self.currency;
        for other in written {
            if *currency.get_or_insert(other) != other {
                return Err(Exit::usage(
                    "the amounts have different currencies: write all of them in one".to_owned(),
                ));
            }
        }
        let units = |amount: Option<Amount>| -> Option<Units> { amount.map(|amount| amount.units) };
        let origins = self.origins.map(|origins| {
            let origin = |text: String| match text.parse::<Url>() {
                Ok(url) => url.origin().ascii_serialization(),
                Err(_) => text,
            };
            origins.into_iter().map(origin).collect()
        });
        Ok(Policy {
            payment_method: self.payment_method,
            client_id: self.client_id,
            currency: currency.unwrap_or(Currency::USD),
            max_price: units(self.max_price),
            max_charge: units(self.max_charge),
            top_up: units(self.top_up),
            budget_per_day: units(self.budget_per_day),
            budget_total: units(self.budget),
            origins,
            allow_http: self.allow_http,
            ..Policy::default()
        })
    }
}

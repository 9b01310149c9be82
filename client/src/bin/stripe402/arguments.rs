//! What can be asked of the program.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use reqwest::Url;
use stripe402_client::{Amount, Policy, Wallet, storage::File};
use stripe402_protocol::{ClientId, Currency, PaymentMethodId, Units};

use crate::exit::{Exit, HELP};

/// HTTP requests that are paid for: answers 402 with a card or a balance, within a budget.
///
/// Amounts are units (500; 10,000 are one dollar) or money with its currency (0.05usd).
#[derive(Parser)]
#[command(name = "stripe402", version, after_help = HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Send a request, and pay for it if it costs something.
    #[command(after_help = HELP)]
    Curl(Box<CurlArgs>),
    /// What is left at the server of this URL.
    #[command(after_help = HELP)]
    Balance(BalanceArgs),
    /// What a URL costs, or what a header says, in units and money. Nothing is paid.
    #[command(after_help = HELP)]
    Explain(ExplainArgs),
    /// Cards to pay with.
    #[command(subcommand)]
    Card(CardCommand),
}

#[derive(Subcommand)]
pub(crate) enum CardCommand {
    /// Enter a card for the server of this URL, on a local page with Stripe's own form: the number
    /// goes to Stripe, never through this program.
    #[command(after_help = HELP)]
    Add(CardArgs),
}

/// Options in the manner of curl, and how much may be paid.
#[derive(Args)]
pub(crate) struct CurlArgs {
    /// Where to.
    pub(crate) url: Url,
    /// The method; GET, or POST with data, unless given.
    #[arg(short = 'X', long)]
    pub(crate) request: Option<reqwest::Method>,
    /// A header, as NAME: VALUE.
    #[arg(short = 'H', long = "header")]
    pub(crate) headers: Vec<String>,
    /// Data to post; @FILE reads a file, without its line ends. Several are joined by &.
    #[arg(short = 'd', long = "data")]
    pub(crate) data: Vec<String>,
    /// Data to post as it is; @FILE reads a file, @- the standard input.
    #[arg(long)]
    pub(crate) data_binary: Option<String>,
    /// A file to send with PUT; - streams the standard input, which can be sent once only.
    #[arg(short = 'T', long, conflicts_with_all = ["data", "data_binary"])]
    pub(crate) upload_file: Option<String>,
    /// Write the answer's body there.
    #[arg(short = 'o', long)]
    pub(crate) output: Option<PathBuf>,
    /// Show the answer's head, too.
    #[arg(short = 'i', long)]
    pub(crate) include: bool,
    /// Ask for the head only.
    #[arg(short = 'I', long)]
    pub(crate) head: bool,
    /// Say nothing of what was paid.
    #[arg(short = 's', long)]
    pub(crate) silent: bool,
    /// Exit with 22 if the status is 400 or above.
    #[arg(short = 'f', long)]
    pub(crate) fail: bool,
    /// Follow redirects; what leads to another origin is not paid for.
    #[arg(short = 'L', long)]
    pub(crate) location: bool,
    /// Seconds until it is given up.
    #[arg(short = 'm', long)]
    pub(crate) max_time: Option<u64>,
    #[command(flatten)]
    pub(crate) paying: PayingArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// How much may be paid, with what, and where.
#[derive(Args)]
#[command(next_help_heading = "Paying")]
pub(crate) struct PayingArgs {
    /// The card, pm_…; else the one of  card add.
    #[arg(long, env = "STRIPE402_PAYMENT_METHOD", hide_env_values = true)]
    pub(crate) payment_method: Option<PaymentMethodId>,
    /// A client id that is known already.
    #[arg(long, env = "STRIPE402_CLIENT_ID", hide_env_values = true, value_parser = client_id)]
    pub(crate) client_id: Option<ClientId>,
    /// The most that this request may cost [default: 1.00, where the currency has cents]
    #[arg(long)]
    pub(crate) max_price: Option<Amount>,
    /// The most that the card may be charged at once [default: 10.00, where the currency has cents]
    #[arg(long)]
    pub(crate) max_charge: Option<Amount>,
    /// The most that cards may be charged in total, as long as the credentials are kept.
    #[arg(long)]
    pub(crate) budget: Option<Amount>,
    /// The most that cards may be charged in 24 hours.
    #[arg(long)]
    pub(crate) budget_per_day: Option<Amount>,
    /// What to charge the card, if the server's least is not wanted.
    #[arg(long)]
    pub(crate) top_up: Option<Amount>,
    /// The only currency that is paid in [default: usd]
    #[arg(long)]
    pub(crate) currency: Option<Currency>,
    /// An origin that may be paid, and may be shown a card that was used elsewhere; several are
    /// possible. Any if absent.
    #[arg(long = "allow-origin")]
    pub(crate) origins: Option<Vec<String>>,
    /// Send credentials unencrypted to other machines.
    #[arg(long)]
    pub(crate) allow_http: bool,
}

#[derive(Args)]
pub(crate) struct CommonArgs {
    /// Where credentials and budgets are kept, in a file of mode 0600
    /// [default: stripe402/credentials.json in the configuration folder]
    #[arg(long, env = "STRIPE402_CREDENTIALS")]
    pub(crate) credentials: Option<PathBuf>,
    /// Answer with one JSON object on the standard output, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct BalanceArgs {
    /// Any URL of the server.
    pub(crate) url: Url,
    /// A client id that is known already.
    #[arg(long, env = "STRIPE402_CLIENT_ID", hide_env_values = true, value_parser = client_id)]
    pub(crate) client_id: Option<ClientId>,
    /// The currency of the last receipt, where the server does not tell.
    #[arg(long, default_value = "usd")]
    pub(crate) currency: Currency,
    /// Send the client id unencrypted to another machine.
    #[arg(long)]
    pub(crate) allow_http: bool,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Args)]
pub(crate) struct ExplainArgs {
    /// A URL to ask, or the value of a header: payment-required, payment or payment-response.
    pub(crate) what: String,
    /// The method to ask with.
    #[arg(short = 'X', long, default_value = "GET")]
    pub(crate) request: reqwest::Method,
    /// Answer with one JSON object on the standard output, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct CardArgs {
    /// Any URL of the server that asks for payment.
    pub(crate) url: Url,
    /// Where Stripe's API is; elsewhere than at Stripe, a stand-in is asked at once, with a test
    /// card's number.
    #[arg(long, env = "STRIPE_API_BASE", default_value = "https://api.stripe.com")]
    pub(crate) stripe_api_base: Url,
    /// The test card's number, for a stand-in.
    #[arg(long, default_value = "4242424242424242")]
    pub(crate) test_number: String,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

fn client_id(text: &str) -> Result<ClientId, String> {
    text.parse().map_err(|_| "a client id is 64 lowercase hexadecimal digits".to_owned())
}

impl Cli {
    pub(crate) fn json(&self) -> bool {
        match &self.command {
            Command::Curl(arguments) => arguments.common.json,
            Command::Balance(arguments) => arguments.common.json,
            Command::Explain(arguments) => arguments.json,
            Command::Card(CardCommand::Add(arguments)) => arguments.common.json,
        }
    }
}

impl CommonArgs {
    pub(crate) fn file(&self) -> Result<File, Exit> {
        if let Some(path) = &self.credentials {
            return Ok(File::new(path));
        }
        let variable = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let folder = variable("XDG_CONFIG_HOME")
            .or_else(|| variable("APPDATA"))
            .or_else(|| variable("HOME").map(|home| home.join(".config")));
        let folder = folder.ok_or_else(|| {
            Exit::usage("there is no home folder: name a file with --credentials".to_owned())
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
                return Err(Exit::usage("amounts of different currencies".to_owned()));
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

//! `stripe402 key create`, `list`, `revoke` and `rotate`: keys for those who shall spend, with limits of their own.

use clap::{Args, Subcommand};
use reqwest::{Method, Url};
use serde_json::{Value, json};
use stripe402_client::{Amount, Purse, is_private, money, storage::Storage as _};
use stripe402_protocol::{
    ClientId, Currency, PAYMENT, PaymentMethodId, Units, encode,
    message::{KeyAutoTopUp, KeyBudget, KeyPayment, KeyRight, KeyTerms, RotatedId, ShownKey},
};

use crate::{
    address::address,
    arguments::{CommonArgs, client_id},
    budget::{now, purse},
    exit::{EXIT_CODES, Exit},
    explain,
    network::NetworkArgs,
    show,
};

/// Where gateways manage keys.
const PATH: &str = "/.well-known/stripe402/keys";

#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// Create a key: a client id for somebody else, which spends your balance within limits of its own.
    /// It is shown this once.
    #[command(after_help = EXIT_CODES)]
    Create(CreateArgs),
    /// List the keys of your balance, and what each has spent.
    #[command(after_help = EXIT_CODES)]
    List(WhoArgs),
    /// Revoke a key, for good.
    #[command(after_help = EXIT_CODES)]
    Revoke(RevokeArgs),
    /// Rotate the client id of your card: those so far spend nothing more, and the new one spends the same
    /// balance.
    #[command(after_help = EXIT_CODES)]
    Rotate(RotateArgs),
}

/// Whose keys, and at which server.
#[derive(Args, Clone)]
pub(crate) struct WhoArgs {
    /// URL of the server: any of its paths.
    #[arg(value_parser = address)]
    pub(crate) url: Url,
    /// PaymentMethod of your card (pm_…) [default: the card of `stripe402 card add`]
    #[arg(long, env = "STRIPE402_PAYMENT_METHOD", hide_env_values = true)]
    pub(crate) payment_method: Option<PaymentMethodId>,
    /// Key of yours that may manage keys, in place of a card.
    #[arg(long, hide_env_values = true, value_parser = client_id, conflicts_with = "payment_method")]
    pub(crate) manager: Option<ClientId>,
    /// Allow http:// to another machine: what proves you is then sent unencrypted.
    #[arg(long)]
    pub(crate) allow_http: bool,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Args)]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    pub(crate) who: WhoArgs,
    /// Name of the key, for you.
    #[arg(long)]
    pub(crate) label: String,
    /// Highest amount that it may spend in all. If it is not set, there is no limit.
    #[arg(long)]
    pub(crate) total: Option<Amount>,
    /// Highest amount that it may spend in a day, UTC. If it is not set, there is no limit.
    #[arg(long)]
    pub(crate) per_day: Option<Amount>,
    /// Highest amount that it may spend in a month, UTC. If it is not set, there is no limit.
    #[arg(long)]
    pub(crate) per_month: Option<Amount>,
    /// Currency that it spends.
    #[arg(long, default_value = "usd")]
    pub(crate) currency: Currency,
    /// Days until it expires. If it is not set, it never does.
    #[arg(long)]
    pub(crate) days: Option<u32>,
    /// Route that it may pay for, by its name, or the beginning of names with a * behind; may be
    /// repeated. If it is not set, it may pay for all.
    #[arg(long = "route")]
    pub(crate) routes: Vec<String>,
    /// Let it manage your keys, too.
    #[arg(long)]
    pub(crate) may_manage: bool,
    /// Let the server charge your card when the balance runs low, such as
    /// below=1usd,amount=5usd,monthly-most=50usd. Only your card can agree to that.
    #[arg(long, value_name = "TERMS", conflicts_with = "manager")]
    pub(crate) auto_top_up: Option<String>,
}

#[derive(Args)]
pub(crate) struct RevokeArgs {
    #[command(flatten)]
    pub(crate) who: WhoArgs,
    /// Id of the key, as in the list.
    #[arg(long)]
    pub(crate) id: String,
}

#[derive(Args)]
pub(crate) struct RotateArgs {
    #[command(flatten)]
    pub(crate) who: WhoArgs,
    /// Seconds for which the ids so far go on spending.
    #[arg(long, default_value_t = 0)]
    pub(crate) grace: u64,
}

impl KeyCommand {
    pub(crate) const fn json(&self) -> bool {
        match self {
            Self::Create(arguments) => arguments.who.common.json,
            Self::List(who) => who.common.json,
            Self::Revoke(arguments) => arguments.who.common.json,
            Self::Rotate(arguments) => arguments.who.common.json,
        }
    }
}

pub(crate) async fn key(command: KeyCommand) -> Result<u8, Exit> {
    match command {
        KeyCommand::Create(arguments) => create(arguments).await,
        KeyCommand::List(who) => list(&who).await,
        KeyCommand::Revoke(arguments) => revoke(&arguments).await,
        KeyCommand::Rotate(arguments) => rotate(&arguments).await,
    }
}

async fn create(arguments: CreateArgs) -> Result<u8, Exit> {
    let CreateArgs { who, label, total, per_day, per_month, currency, .. } = arguments;
    let units = |amount: Option<Amount>| -> Result<Option<Units>, Exit> {
        let Some(Amount { units, currency: written }) = amount else { return Ok(None) };
        if written.is_some_and(|written| written != currency) {
            return Err(Exit::usage(format!("an amount is not in {currency}: set --currency")));
        }
        Ok(Some(units))
    };
    let budget =
        KeyBudget { total: units(total)?, per_day: units(per_day)?, per_month: units(per_month)? };
    let ends = |days: u32| {
        now().saturating_add(u64::from(days).saturating_mul(86_400)).saturating_mul(1_000)
    };
    let terms = KeyTerms {
        label: Some(label),
        currency: Some(currency.to_string()),
        budget: Some(budget),
        expires: arguments.days.map(ends),
        routes: Some(arguments.routes),
        rights: arguments.may_manage.then_some(KeyRight::Manage).into_iter().collect(),
        auto_top_up: arguments.auto_top_up.map(|text| auto_top_up(&text, &units)).transpose()?,
    };
    let made =
        ask(&who, Method::POST, "", KeyPayment { key: Some(terms), ..KeyPayment::default() })
            .await?;
    if who.common.json {
        show::json(&made);
        return Ok(0);
    }
    let made: ShownKey = read(made)?;
    show::say(made.key.as_deref().unwrap_or_default());
    let told = "It is shown this once: use it as a client id, as in STRIPE402_CLIENT_ID";
    show::aside(&format!("key {} ({}). {told}", made.id, made.label));
    Ok(0)
}

/// What the card agrees to: three amounts by their names, each once.
fn auto_top_up(
    text: &str,
    units: &impl Fn(Option<Amount>) -> Result<Option<Units>, Exit>,
) -> Result<KeyAutoTopUp, Exit> {
    let wrong = || {
        let text = "--auto-top-up: must be below=AMOUNT,amount=AMOUNT,monthly-most=AMOUNT";
        Exit::usage(text.to_owned())
    };
    let (mut below, mut amount, mut monthly_most) = (None, None, None);
    for part in text.split(',') {
        let (name, value) = part.split_once('=').ok_or_else(wrong)?;
        let place = match name {
            "below" => &mut below,
            "amount" => &mut amount,
            "monthly-most" => &mut monthly_most,
            _ => return Err(wrong()),
        };
        let value: Amount = value.parse().map_err(|_| wrong())?;
        if place.replace(units(Some(value))?.ok_or_else(wrong)?).is_some() {
            return Err(wrong());
        }
    }
    let all = below.zip(amount).zip(monthly_most).ok_or_else(wrong)?;
    let ((below, amount), monthly_most) = all;
    Ok(KeyAutoTopUp { below, amount, monthly_most })
}

async fn list(who: &WhoArgs) -> Result<u8, Exit> {
    let found = ask(who, Method::GET, "", KeyPayment::default()).await?;
    if who.common.json {
        show::json(&found);
        return Ok(0);
    }
    let keys = found.get("keys").cloned().unwrap_or_default();
    let keys: Vec<ShownKey> = read(keys)?;
    if keys.is_empty() {
        show::say("There is no key. Create one:  stripe402 key create URL --label NAME");
    }
    for key in keys {
        let currency: Currency =
            key.currency.parse().map_err(|_| unreadable("its currency is unknown"))?;
        let left = key.left.map_or_else(
            || "no limit".to_owned(),
            |left| format!("{} left", money(left, currency)),
        );
        let spent = money(key.spent, currency);
        show::row(&key.id, &format!("{}: {}, {spent} spent, {left}", key.label, key.state));
    }
    Ok(0)
}

async fn revoke(arguments: &RevokeArgs) -> Result<u8, Exit> {
    let RevokeArgs { who, id } = arguments;
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Exit::usage("--id: must be the id of a key, as in the list".to_owned()));
    }
    let revoked = ask(who, Method::DELETE, &format!("/{id}"), KeyPayment::default()).await?;
    if who.common.json {
        show::json(&revoked);
        return Ok(0);
    }
    let revoked: ShownKey = read(revoked)?;
    show::say(&format!("key {} ({}) is revoked.", revoked.id, revoked.label));
    Ok(0)
}

/// The id so far is forgotten where it is known: what is paid next is paid with the new one.
async fn rotate(arguments: &RotateArgs) -> Result<u8, Exit> {
    let RotateArgs { who, grace } = arguments;
    let payment = KeyPayment { grace_seconds: Some(*grace), ..KeyPayment::default() };
    let rotated = ask(who, Method::POST, "/rotate", payment).await?;
    let told: RotatedId = read(rotated.clone())?;
    let id: ClientId = told.client_id.parse().map_err(|_| unreadable("it is no client id"))?;
    let origin = who.url.origin().ascii_serialization();
    let learn = &mut |purse: &mut Purse| {
        if let Some(known) = purse.origins.get_mut(&origin) {
            known.client_id = Some(id);
        }
    };
    let kept = who.common.file()?.change(learn);
    kept.map_err(|error| Exit::local(error.to_string()))?;
    if who.common.json {
        show::json(&rotated);
        return Ok(0);
    }
    show::say(&told.client_id);
    let end = match grace {
        0 => "Those before it spend nothing more".to_owned(),
        _ => format!("Those before it spend for {grace} seconds more at the most"),
    };
    show::aside(&format!("This is your client id now (generation {}). {end}", told.generation));
    Ok(0)
}

/// Has the server do something with keys.
async fn ask(
    who: &WhoArgs,
    method: Method,
    below: &str,
    mut payment: KeyPayment,
) -> Result<Value, Exit> {
    let origin = who.url.origin().ascii_serialization();
    if !who.allow_http && !is_private(&origin) {
        return Err(stripe402_client::Error::NotEncrypted { origin }.into());
    }
    match (&who.manager, &who.payment_method) {
        (Some(manager), _) => payment.client_id = Some(manager.to_hex()),
        (None, Some(card)) => payment.payment_method_id = Some(card.as_str().to_owned()),
        (None, None) => {
            let kept = purse(&who.common)?;
            let card = kept.origins.get(&origin).and_then(|known| known.card.as_ref());
            let card = card.ok_or_else(|| {
                let text =
                    format!("there is no card for {origin}: run stripe402 card add {}", who.url);
                Exit::usage(text)
            })?;
            payment.payment_method_id = Some(card.as_str().to_owned());
        }
    }
    let url = who.url.join(&format!("{PATH}{below}"));
    let url = url.map_err(|error| Exit::usage(error.to_string()))?;
    let header = (PAYMENT, encode(&payment));
    let answer = explain::ask_with(&who.network, url, method, header).await?;
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.map_err(reqwest_middleware::Error::from)?;
    if status < 300 { Ok(body) } else { Err(refused(status, body)) }
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Exit> {
    serde_json::from_value(value).map_err(|error| unreadable(&error.to_string()))
}

fn unreadable(why: &str) -> Exit {
    Exit::local(format!("the server's answer about keys cannot be read: {why}"))
}

/// What a server says that does not do it: as of a payment, or of keys.
fn refused(status: u16, body: Value) -> Exit {
    let text = |path: &str| body.pointer(path).and_then(Value::as_str).map(ToOwned::to_owned);
    let message = text("/error/message").or_else(|| text("/error"));
    let message = message.unwrap_or_else(|| format!("the server answered {status}"));
    let code = match (status, text("/reason").as_deref(), text("/errorCode").as_deref()) {
        (_, Some("authentication_required"), _) => 16,
        (429 | 503, ..) => 17,
        (_, _, Some("card_declined")) => 12,
        (402, ..) => 13,
        _ => 14,
    };
    Exit { code, message, error: json!({"status": status, "body": body}) }
}

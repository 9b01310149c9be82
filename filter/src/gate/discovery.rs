//! What is for sale, and what a client has left: answered by the gate itself, free of deduction.

use std::rc::Rc;

use serde_json::{Map, Value, json};
use stripe402_protocol::{
    EXTENSIONS, Intent, Payment, Units, VERSION,
    message::{self, Balance, BalanceAnswer},
};

use super::{Head, LedgerError, Mint, Phase, Reply, Step, Stream};
use crate::{
    config::{Config, Discovery},
    pricing::{Match, Rule, without_query},
};

/// The list holds no more routes than that: it is for reading.
const MOST_LISTED: usize = 1_000;

impl Stream {
    /// Answers what is asked of the gate; `None` if it is asked of the API.
    pub(super) fn discover(&mut self, head: &Head<'_>, mint: Mint<'_>) -> Option<Step> {
        let config = Rc::clone(&self.config);
        let discovery = config.discovery.as_ref()?;
        let path = without_query(&head.path);
        let below = path.strip_prefix(discovery.path.as_str())?;
        if !matches!(below, "" | "/balance") {
            return None;
        }
        Some(match &*head.method {
            "GET" | "HEAD" if below.is_empty() => {
                let list = || listing(&config, discovery).to_string().into_bytes().into();
                let list = discovery.listing.get_or_init(list);
                self.refuse(Reply::found(Rc::clone(list), "stripe402_discovery"))
            }
            "GET" | "HEAD" => self.balance(head, mint),
            "OPTIONS" => self.refuse(Reply::options()),
            _ => self.refuse(Reply::wrong_method()),
        })
    }

    fn balance(&mut self, head: &Head<'_>, mint: Mint<'_>) -> Step {
        let limit = self.config.limits.payment_header_bytes;
        let header = head.payment.filter(|header| !head.ambiguous && header.len() <= limit);
        let Some(Ok(payment)) = header.map(Payment::decode) else {
            return self.refuse(Reply::no_client());
        };
        let client = match payment.intent() {
            Intent::Spend { client_id: Some(client), .. } => client,
            // An id that is none is an unknown client, which has as little as an empty one.
            Intent::Spend { client_id: None, .. } => {
                return self.refuse(self.credits(0, None));
            }
            Intent::Card(_) | Intent::Nothing => return self.refuse(Reply::no_client()),
        };
        let Some(question) = mint() else { return self.without_balance() };
        self.phase = Phase::Asking { question };
        Step::Ask(Balance {
            version: message::VERSION,
            client_id: client,
            currency: self.config.defaults.currency,
        })
    }

    /// The ledger's word on the balance.
    pub fn on_balance(&mut self, answer: Result<BalanceAnswer, LedgerError>) -> Option<Step> {
        if !matches!(self.phase, Phase::Asking { .. }) {
            return None;
        }
        Some(match answer {
            Ok(answer) => {
                let owed = answer.amount_owed.map(Units::get);
                self.refuse(self.credits(answer.credits_remaining.get(), owed))
            }
            Err(_) => self.without_balance(),
        })
    }

    /// Too many balances were asked for.
    pub fn too_many(&mut self) -> Step {
        self.refuse(Reply::too_many())
    }

    fn without_balance(&mut self) -> Step {
        self.refuse(Reply::unavailable())
    }

    fn credits(&self, credits: i64, owed: Option<i64>) -> Reply {
        let currency = self.config.defaults.currency;
        let mut body = json!({"creditsRemaining": credits, "currency": currency.as_str()});
        if let (Some(owed), Some(body)) = (owed, body.as_object_mut()) {
            body.insert("amountOwed".to_owned(), owed.into());
        }
        Reply::found(body.to_string().into_bytes().into(), "stripe402_balance")
    }
}

/// What is for sale, from the configuration.
fn listing(config: &Config, discovery: &Discovery) -> Value {
    let rules = config.routes.rules();
    let mut list = json!({
        "stripe402Version": VERSION,
        "publishableKey": config.defaults.publishable_key,
        "currency": config.defaults.currency.as_str(),
        "extensions": EXTENSIONS,
        "balance": format!("{}/balance", discovery.path),
        "routes": rules.iter().take(MOST_LISTED).map(|rule| listed(rule)).collect::<Vec<_>>(),
    });
    if rules.len() > MOST_LISTED
        && let Some(list) = list.as_object_mut()
    {
        list.insert("more".to_owned(), Value::Bool(true));
    }
    list
}

fn listed(rule: &Rule) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    match &rule.of {
        Match::RouteName(name) => put("routeName", name.as_str().into()),
        Match::Exact(path) => put("path", path.as_str().into()),
        Match::Template(path) => put("template", path.as_str().into()),
        Match::Prefix(path) => put("prefix", path.as_str().into()),
    }
    if !rule.hosts.is_every() {
        put("hosts", rule.hosts.names().collect());
    }
    if !rule.methods.is_empty() {
        put("methods", rule.methods.as_slice().into());
    }
    match &rule.offer {
        None => put("free", true.into()),
        Some(priced) => {
            put("price", priced.price().get().into());
            put("currency", priced.currency.as_str().into());
            put("minTopUp", priced.min_top_up.get().into());
            for (name, text) in
                [("description", &priced.description), ("mimeType", &priced.mime_type)]
            {
                if let Some(text) = text {
                    put(name, text.as_str().into());
                }
            }
        }
    }
    Value::Object(fields)
}

//! What is for sale, what a client has left, and what became of its requests: answered by the gate
//! itself, free of deduction.

use std::rc::Rc;

use serde_json::{Map, Value, json};
use stripe402_protocol::{
    ClientId, DeductionId, EXTENSIONS, Intent, Payment, Units, VERSION,
    message::{self, Balance, SettlementQuery},
};

use super::{
    Audience, Head, LedgerError, Mint, Phase, Question, QuestionAnswer, Reply, Step, Stream,
    keys::is_key_path, published::published,
};
use crate::{
    config::{Config, Discovery},
    pricing::{Match, Named, Offer, Pricing, Rule, Tools, without_query},
};

/// The list holds no more routes than that: it is for reading.
pub(super) const MOST_LISTED: usize = 1_000;

impl Stream {
    /// Answers what is asked of the gate; `None` if it is asked of the API.
    pub(super) fn discover(&mut self, head: &Head<'_>, mint: Mint<'_>) -> Option<Step> {
        let config = Rc::clone(&self.config);
        let discovery = config.discovery.as_ref()?;
        let path = without_query(&head.path);
        if let Some(content) = published(&config, discovery, path) {
            // Envoy turns what a gRPC client is answered into a status without a body: no cache may keep that.
            let kept = self.audience != Audience::Grpc;
            return Some(self.refuse(match &*head.method {
                "GET" | "HEAD" => Reply::published(content, kept),
                "OPTIONS" => Reply::options(),
                _ => read_only(),
            }));
        }
        let below = path.strip_prefix(discovery.path.as_str())?;
        if let Some(key) = below.strip_prefix("/keys").filter(|key| is_key_path(key)) {
            return Some(self.on_keys(head, key.strip_prefix('/'), mint));
        }
        let receipt = below.strip_prefix("/receipts/");
        if !matches!(below, "" | "/balance") && receipt.is_none() {
            return None;
        }
        Some(match (&*head.method, receipt) {
            ("GET" | "HEAD", None) if below.is_empty() => {
                let list = || listing(&config, discovery).to_string().into_bytes().into();
                let list = discovery.listing.get_or_init(list);
                self.refuse(Reply::found(Rc::clone(list), "stripe402_discovery"))
            }
            ("GET" | "HEAD", None) => self.balance(head, mint),
            ("GET" | "HEAD", Some(id)) => self.receipt(head, id, mint),
            ("OPTIONS", _) => self.refuse(Reply::options()),
            _ => self.refuse(read_only()),
        })
    }

    fn balance(&mut self, head: &Head<'_>, mint: Mint<'_>) -> Step {
        match self.asker(head) {
            Asker::Client(client_id) => {
                let currency = self.config.defaults.currency;
                let balance = Balance { version: message::VERSION, client_id, currency };
                self.ask(Question::Balance(balance), mint)
            }
            Asker::Unknown => self.refuse(self.credits(0, None)),
            Asker::Nobody => self.refuse(Reply::no_client()),
        }
    }

    /// What became of a request that the client paid for.
    fn receipt(&mut self, head: &Head<'_>, id: &str, mint: Mint<'_>) -> Step {
        match (self.asker(head), id.parse::<DeductionId>()) {
            (Asker::Client(client_id), Ok(id)) => {
                let query = SettlementQuery { version: message::VERSION, client_id, id };
                self.ask(Question::Settlement(query), mint)
            }
            (Asker::Client(_) | Asker::Unknown, _) => self.refuse(Reply::no_receipt()),
            (Asker::Nobody, _) => self.refuse(Reply::no_client()),
        }
    }

    /// Who asks, by the `payment` header.
    fn asker(&self, head: &Head<'_>) -> Asker {
        let limit = self.config.limits.payment_header_bytes;
        let header = head.payment.filter(|header| !head.ambiguous && header.len() <= limit);
        let Some(Ok(payment)) = header.map(Payment::decode) else { return Asker::Nobody };
        match payment.intent() {
            Intent::Spend { client_id: Some(client), .. } => Asker::Client(client),
            Intent::Spend { client_id: None, .. } => Asker::Unknown,
            Intent::Card(_) | Intent::Nothing => Asker::Nobody,
        }
    }

    pub(super) fn ask(&mut self, question: Question, mint: Mint<'_>) -> Step {
        let Some(id) = mint() else { return self.refuse(Reply::unavailable()) };
        self.phase = Phase::Asking { question: id };
        Step::Ask(question)
    }

    /// The ledger's word on what was asked.
    pub fn on_question(&mut self, answer: Result<QuestionAnswer, LedgerError>) -> Option<Step> {
        if !matches!(self.phase, Phase::Asking { .. }) {
            return None;
        }
        Some(match answer {
            Ok(QuestionAnswer::Balance(answer)) => {
                let owed = answer.amount_owed.map(Units::get);
                self.refuse(self.credits(answer.credits_remaining.get(), owed))
            }
            Ok(QuestionAnswer::Settlement(Some(settlement))) => {
                let body = serde_json::to_vec(&settlement).unwrap_or_default();
                self.refuse(Reply::found(body.into(), "stripe402_receipt"))
            }
            Ok(QuestionAnswer::Keys(answer)) => self.refuse(Reply::keys(answer)),
            Ok(QuestionAnswer::Settlement(None)) => self.refuse(Reply::no_receipt()),
            Err(_) => self.refuse(Reply::unavailable()),
        })
    }

    /// Too much was asked.
    pub fn too_many(&mut self) -> Step {
        self.refuse(Reply::too_many())
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

fn read_only() -> Reply {
    Reply::wrong_method("use GET", "GET, HEAD, OPTIONS")
}

/// Who asks for a balance or a receipt.
enum Asker {
    /// A client.
    Client(ClientId),
    /// An id that is none: an unknown client, which has as little as an empty one.
    Unknown,
    /// Nobody says who.
    Nobody,
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
        "receipts": format!("{}/receipts/{{id}}", discovery.path),
        "keys": format!("{}/keys", discovery.path),
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
        Some(priced) => describe(&mut fields, priced),
    }
    Value::Object(fields)
}

fn describe(fields: &mut Map<String, Value>, offer: &Offer) {
    let mut put = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    match &offer.tools {
        // Each has a price of its own.
        Some(tools) => put("mcp", of_tools(tools)),
        None => put("price", offer.price().get().into()),
    }
    if let Some(trial) = offer.trial_told() {
        put("trial", json!(trial));
    }
    if let Some(anonymous) = offer.anonymous_told() {
        put("anonymous", json!(anonymous));
    }
    put("currency", offer.currency.as_str().into());
    put("minTopUp", offer.min_top_up.get().into());
    if let Some(pricing) = offer.price.told() {
        put("pricing", json!(pricing));
    }
    for (name, text) in [("description", &offer.description), ("mimeType", &offer.mime_type)] {
        if let Some(text) = text {
            put(name, text.as_str().into());
        }
    }
}

fn of_tools(tools: &Tools) -> Value {
    let one = |pricing: &Pricing| match pricing {
        Pricing::Offer(offer) => {
            let mut fields = Map::new();
            describe(&mut fields, offer);
            Value::Object(fields)
        }
        Pricing::Free => json!({"free": true}),
        Pricing::Unlisted => Value::Null,
    };
    let all = |named: &Named| {
        let mut fields = Map::new();
        for (name, pricing) in named.all().iter().take(MOST_LISTED) {
            fields.insert(name.to_string(), one(pricing));
        }
        Value::Object(fields)
    };
    let mut listed = json!({"tools": all(&tools.tools), "methods": all(&tools.methods)});
    if let (Some(listed), false) = (listed.as_object_mut(), one(&tools.other).is_null()) {
        listed.insert("other".to_owned(), one(&tools.other));
    }
    listed
}

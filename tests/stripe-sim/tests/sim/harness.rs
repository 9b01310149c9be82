//! A stand-in in this process, and calls to it.

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use stripe_sim::{Handle, Options, serve};
use tokio::net::TcpListener;

/// Parameters of a call.
pub(crate) type Form<'a> = &'a [(&'a str, &'a str)];

/// A payment of 5 dollars.
pub(crate) const PAY: [(&str, &str); 5] = [
    ("amount", "500"),
    ("currency", "usd"),
    ("confirm", "true"),
    ("payment_method", "pm_card_visa"),
    ("allowed_payment_method_types[]", "card"),
];

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Reply {
    /// The object of a call that was to succeed.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{:#}", self.body);
        self.body
    }

    /// The error of a call that was to fail with this status.
    #[track_caller]
    pub(crate) fn error(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:#}", self.body);
        self.body["error"].clone()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A running stand-in with a client.
pub(crate) struct Sim {
    pub(crate) handle: Handle,
    pub(crate) client: Client,
    pub(crate) key: String,
}

impl Sim {
    pub(crate) async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    pub(crate) async fn start_with(options: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let handle = serve(listener, options).await.unwrap();
        // No connection is shared between calls: a dropped one must not be retried by the client.
        let client = Client::builder().pool_max_idle_per_host(0).build().unwrap();
        Self { handle, client, key: "sk_test_sim".to_owned() }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.handle.base_url()))
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Reply {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        Reply { status, headers, body: serde_json::from_str(&text).unwrap_or(json!(text)) }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(self.request(Method::GET, path).bearer_auth(&self.key)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.send(self.request(Method::DELETE, path).bearer_auth(&self.key)).await
    }

    pub(crate) async fn post(&self, path: &str, form: Form<'_>) -> Reply {
        self.send(self.request(Method::POST, path).bearer_auth(&self.key).form(form)).await
    }

    pub(crate) async fn post_keyed(&self, path: &str, form: Form<'_>, key: &str) -> Reply {
        let request = self.request(Method::POST, path).bearer_auth(&self.key).form(form);
        self.send(request.header("Idempotency-Key", key)).await
    }

    /// A test control.
    pub(crate) async fn play(&self, path: &str, body: Value) -> Value {
        self.send(self.request(Method::POST, &format!("/_sim/{path}")).json(&body)).await.ok()
    }

    pub(crate) async fn customer(&self) -> String {
        id(&self.post("/v1/customers", &[]).await.ok())
    }

    /// A PaymentMethod of a card number, with this security code.
    pub(crate) async fn method(&self, number: &str, cvc: &str) -> String {
        let form = [
            ("type", "card"),
            ("card[number]", number),
            ("card[exp_month]", "12"),
            ("card[exp_year]", "2040"),
            ("card[cvc]", cvc),
        ];
        id(&self.post("/v1/payment_methods", &form).await.ok())
    }

    /// A PaymentIntent of 5 dollars.
    pub(crate) async fn pay(&self, method: &str, more: Form<'_>) -> Reply {
        let mut form = PAY;
        form[3].1 = method;
        self.post("/v1/payment_intents", &[&form, more].concat()).await
    }

    /// The same, by the number of a card.
    pub(crate) async fn pay_by(&self, number: &str) -> Reply {
        let method = self.method(number, "123").await;
        self.pay(&method, &[]).await
    }

    /// A SetupIntent.
    pub(crate) async fn set_up(&self, method: &str, more: Form<'_>) -> Reply {
        let form = [
            ("confirm", "true"),
            ("payment_method", method),
            ("allowed_payment_method_types[]", "card"),
        ];
        self.post("/v1/setup_intents", &[&form, more].concat()).await
    }

    /// What moved in US dollars.
    pub(crate) async fn totals(&self) -> Value {
        self.get("/_sim/totals").await.ok()["usd"].clone()
    }

    /// Stripe's name for the card number of a PaymentMethod.
    pub(crate) async fn fingerprint(&self, method: &str) -> String {
        text(&self.get(&format!("/v1/payment_methods/{method}")).await.ok()["card"], "fingerprint")
    }

    /// The object of the newest event of a type.
    pub(crate) async fn told(&self, kind: &str) -> Value {
        let path = format!("/v1/events?types[]={kind}&limit=1");
        self.get(&path).await.ok()["data"][0]["data"]["object"].clone()
    }

    /// The types of all events, oldest first.
    pub(crate) async fn events(&self) -> Vec<String> {
        let events = self.get("/v1/events?limit=100").await.ok();
        let mut kinds: Vec<_> =
            events["data"].as_array().unwrap().iter().map(|event| text(event, "type")).collect();
        kinds.reverse();
        kinds
    }
}

pub(crate) fn text(object: &Value, field: &str) -> String {
    object[field].as_str().unwrap_or_else(|| panic!("no {field} in {object:#}")).to_owned()
}

pub(crate) fn id(object: &Value) -> String {
    text(object, "id")
}

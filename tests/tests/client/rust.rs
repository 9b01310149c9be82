//! The middleware for reqwest.

use futures_util::{StreamExt as _, future::join_all, stream};
use reqwest::{Body, Method};
use reqwest_middleware::ClientWithMiddleware;
use serde_json::{Value, json};
use stripe402_client::{Policy, Wallet, paid, payment_error};

pub(crate) struct Payer {
    client: ClientWithMiddleware,
}

impl Payer {
    pub(crate) fn new(settings: Value) -> Self {
        let policy: Policy = serde_json::from_value(settings).unwrap();
        let wallet = Wallet::new(policy).unwrap();
        let client = wallet.client(reqwest::Client::builder().no_proxy()).unwrap();
        Self { client }
    }

    pub(crate) async fn calls(&self, calls: &[Value]) -> Vec<Value> {
        join_all(calls.iter().map(|call| self.call(call))).await
    }

    async fn call(&self, call: &Value) -> Value {
        let method: Method = call["method"].as_str().unwrap_or("GET").parse().unwrap();
        let mut request = self.client.request(method, call["url"].as_str().unwrap());
        for (name, value) in call["headers"].as_object().into_iter().flatten() {
            request = request.header(name, value.as_str().unwrap());
        }
        if let Some(body) = call["body"].as_str() {
            let chunks: Vec<_> = body.as_bytes().chunks(7).map(<[u8]>::to_vec).collect();
            request = request.body(if call["stream"] == true {
                Body::wrap_stream(stream::iter(chunks).map(Ok::<_, std::io::Error>))
            } else {
                Body::from(body.to_owned())
            });
        }
        match request.send().await {
            Ok(response) => {
                let paid = paid(&response).map(|paid| json!(paid));
                let status = response.status().as_u16();
                json!({"status": status, "body": response.text().await.unwrap(), "paid": paid})
            }
            Err(error) => match payment_error(&error) {
                Some(error) => json!({"error": error.to_json()}),
                None => panic!("{error:?}"),
            },
        }
    }
}

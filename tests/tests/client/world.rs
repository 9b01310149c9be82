//! A gateway with a few more routes, another origin, and what is counted.

use serde_json::{Value, json};
use stripe402_tests::stack::{Stack, StackOptions};

use crate::{elsewhere::Elsewhere, version_one::VersionOne};

pub(crate) struct World {
    pub(crate) stack: Stack,
    pub(crate) elsewhere: Elsewhere,
    pub(crate) version_one: VersionOne,
}

impl World {
    pub(crate) async fn start() -> Self {
        let elsewhere = Elsewhere::start().await;
        let port = elsewhere.address.port();
        let options = StackOptions::new().filter(price_more).config(move |config| {
            let routes = config.routes()?.as_array_mut().expect("a list of routes");
            routes.insert(0, json!({
                "match": {"path": "/away"},
                "redirect": {"host_redirect": "127.0.0.1", "port_redirect": port, "response_code": "TEMPORARY_REDIRECT"},
            }));
            routes.insert(0, json!({
                "match": {"path": "/moved"},
                "redirect": {"path_redirect": "/api/weather", "response_code": "MOVED_PERMANENTLY"},
            }));
            Ok(())
        });
        let stack = Stack::start(options).await.unwrap();
        Self { stack, elsewhere, version_one: VersionOne::start().await }
    }

    pub(crate) fn weather(&self) -> Value {
        json!({"url": self.stack.url("/api/weather")})
    }

    /// What the stand-in was asked to charge this card.
    pub(crate) async fn deductions(&self, card: &str) -> usize {
        let calls = self.stack.sim.calls("/v1/payment_intents").await.unwrap();
        let charges = calls.iter().filter(|call| call.method == "POST");
        charges.filter(|call| call.params["payment_method"] == card).count()
    }

    /// Requests that came to the gateway.
    pub(crate) async fn requests(&self) -> u64 {
        self.stack.envoy.stat("http.gateway.downstream_rq_total").await.unwrap()
    }
}

/// A route that takes bodies, one that costs nearly all of a top-up, and one that a new card may try.
fn price_more(filter: &mut Value) {
    let routes = filter["routes"].as_array_mut().unwrap();
    routes.push(json!({"name": "post", "path": "/api/echo", "methods": ["POST"], "price": 200}));
    routes.push(json!({"name": "dear", "path": "/api/echo", "methods": ["PUT"], "price": 49_400}));
    routes.push(json!({"name": "tried", "path": "/api/echo", "methods": ["DELETE"], "price": 200}));
    filter["trial"] = json!({"units": 500, "routes": ["tried"], "expires": "30d"});
}

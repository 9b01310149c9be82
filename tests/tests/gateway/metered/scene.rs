//! A gateway before an API of the test's own whose prices are metered, and a client with credits.

use std::net::SocketAddr;

use serde_json::{Value, json};
use stripe402_tests::{
    raw,
    stack::{Stack, StackOptions},
    wire,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{account, balance};
use crate::{
    answer::pay,
    other_api::{add_cluster, shows_bodies},
};

/// What the client buys, in units: enough for holds of megabytes.
const BOUGHT: i64 = 9_000_000;

/// A gateway before this API, where each of these paths has its price.
pub(super) fn before(api: SocketAddr, prices: &[(&str, Value)]) -> StackOptions {
    let routes: Vec<_> = prices
        .iter()
        .map(|(path, price)| {
            json!({"name": path.replace('/', "-"), "path": path, "price": price.clone()})
        })
        .collect();
    StackOptions::new()
        .filter(|filter| {
            let all = filter["routes"].as_array_mut().unwrap();
            all.retain(|shipped| routes.iter().all(|own| own["path"] != shipped["path"]));
            all.extend(routes);
        })
        // As most hosts are; who wants another one says so.
        .config(|config| shows_bodies(config, false))
        .config(move |config| {
            add_cluster(config, "own", api)?;
            let route = json!({
                "match": {"prefix": "/own/"}, "route": {"cluster": "own", "timeout": "30s"},
            });
            config.routes()?.as_array_mut().unwrap().insert(0, route);
            Ok(())
        })
}

/// A running gateway, and who pays.
pub(super) struct Scene {
    pub(super) stack: Stack,
    pub(super) client: String,
    left: i64,
}

impl Scene {
    pub(super) async fn start(options: StackOptions) -> Self {
        let stack = Stack::start(options).await.unwrap();
        let card = stack.sim.fresh_card().await.unwrap();
        let top_up = json!({"paymentMethodId": card, "topUpAmount": BOUGHT});
        let receipt = pay(&stack, "/api/joke", top_up).await.receipt();
        let client = receipt["clientId"].as_str().unwrap().to_owned();
        Self { stack, client, left: BOUGHT - 100 }
    }

    /// The `payment` header's value.
    pub(super) fn payment(&self) -> String {
        wire::encode(&json!({"clientId": self.client}))
    }

    /// Opens a connection and sends a head that pays, and what follows it.
    pub(super) async fn send(&self, request: &str, more: &str, body: &[u8]) -> TcpStream {
        let payment = self.payment();
        let head = format!("{request} HTTP/1.1\r\nhost: x\r\npayment: {payment}\r\n{more}\r\n");
        let mut stream = raw::open(self.stack.envoy.address(), head.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        stream
    }

    /// What was left at the last look.
    pub(super) const fn left(&self) -> i64 {
        self.left
    }

    /// Units that are held now.
    pub(super) async fn held(&self) -> i64 {
        let subject = self.client.parse::<stripe402_protocol::ClientId>().unwrap().subject();
        account(&self.stack, &subject).await["pending"].as_i64().unwrap()
    }

    /// What was captured since the last look. Nothing may be held for long: the captures are there within
    /// a second or so, and not at the holds' own ends.
    pub(super) async fn captured(&mut self) -> i64 {
        let left = balance(&self.stack, &self.client).await;
        std::mem::replace(&mut self.left, left) - left
    }
}

/// Everything until the connection ends or breaks.
pub(super) async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let (mut all, mut part) = (Vec::new(), vec![0; 65_536]);
    while let Ok(size @ 1..) = stream.read(&mut part).await {
        all.extend_from_slice(&part[..size]);
    }
    all
}

//! What only `stripe402 mcp` has: its tools, limits that an agent cannot raise, credentials that it is not told.

use serde_json::{Value, json};
use stripe402_tests::{
    card,
    stack::{Stack, StackOptions},
};

use crate::{
    mcp::{Sdk, Server},
    metered_api::{COST, MOST, MeteredApi},
    world::World,
};

async fn fresh(world: &World) -> String {
    world.stack.sim.payment_method(&card::fresh().unwrap(), "123").await.unwrap()
}

fn refused(answer: &Value, code: &str) -> String {
    let error = &answer["error"];
    assert_eq!(error["code"], code, "{answer}");
    error["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn tools_are_listed_priced_and_paid() {
    let world = World::start().await;
    let (card, weather) = (fresh(&world).await, world.stack.url("/api/weather"));
    let server = Sdk::start().server(&["--payment-method", &card, "--budget", "5usd"]);
    let told = server.step(json!({"list": true})).await;
    let tools = told["tools"].as_array().unwrap();
    let names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["fetch_paid", "price", "balance", "budget"]);
    assert!(
        tools.iter().all(|tool| tool["inputSchema"]["additionalProperties"] == false),
        "{told}"
    );
    assert_eq!(told["about"]["info"]["name"], "stripe402");
    let log = told["log"].as_str().unwrap();
    assert!(
        log.contains("pays at most $1.00 a request and $10.00 a card charge; a budget of $5.00"),
        "{log}"
    );

    let price = server.call("price", json!({"url": weather})).await;
    assert_eq!(
        (&price["free"], &price["price"], &price["minTopUp"]),
        (&json!(false), &json!(500), &json!(50_000))
    );
    assert_eq!(price["text"], "$0.05 a request; a card is charged $5.00 at least, kept as credit");
    let free = server.call("price", json!({"url": world.stack.url("/api/health")})).await;
    assert_eq!(free, json!({"free": true, "status": 200}));
    refused(&server.call("balance", json!({"url": weather})).await, "payment_required");
    assert_eq!(world.deductions(&card).await, 0, "asking is free");

    let first = server.call("fetch_paid", json!({"url": weather})).await;
    assert_eq!(
        (&first["status"], &first["bodyEncoding"]),
        (&json!(200), &json!("text")),
        "{first}"
    );
    assert_eq!(first["body"], r#"{"conditions":"Sunny","temp":72}"#);
    assert_eq!(first["headers"]["content-type"], "application/json");
    assert_eq!(
        first["receipt"],
        json!({
            "paid": 500, "left": 49_500, "charged": 50_000, "currency": "usd",
            "text": "paid $0.05; $4.95 left; the card was charged $5.00",
        })
    );
    // A path that is new: the price is asked for, and told.
    let joke = server.call("fetch_paid", json!({"url": world.stack.url("/api/joke")})).await;
    let receipt =
        json!({"paid": 100, "left": 49_400, "currency": "usd", "text": "paid $0.01; $4.94 left"});
    assert_eq!(joke["receipt"], receipt);
    let balance = server.call("balance", json!({"url": weather})).await;
    assert_eq!((&balance["left"], &balance["now"]), (&json!(49_400), &json!(true)), "{balance}");
    let all = server.call("balance", json!({})).await;
    assert_eq!(all["balances"][0]["left"], 49_400, "{all}");
    let budget = server.call("budget", json!({})).await;
    assert_eq!(
        budget["budgets"],
        json!([{"budget": "total", "limit": 50_000, "left": 0}]),
        "{budget}"
    );
    assert_eq!(
        (&budget["charged"], &budget["maxPrice"]),
        (&json!(50_000), &json!(10_000)),
        "{budget}"
    );
}

/// What a person has set stands, whatever an agent asks for.
#[tokio::test]
async fn an_agent_lowers_a_limit_and_cannot_raise_it() {
    let world = World::start().await;
    let (card, weather) = (fresh(&world).await, world.stack.url("/api/weather"));
    let sdk = Sdk::start();
    let limited = |most: &str| sdk.server(&["--payment-method", &card, "--max-price", most]);
    let server = limited("500");
    for lower in [json!(499), json!("499"), json!("0.0499usd"), json!(0)] {
        let answer = server.call("fetch_paid", json!({"url": weather, "max_price": lower})).await;
        let said = refused(&answer, "price_too_high");
        assert!(said.ends_with("nothing was paid"), "{said}");
    }
    let strict = limited("499");
    for higher in [json!(50_000), json!("100usd"), json!(9_007_199_254_740_991_i64)] {
        let answer = strict.call("fetch_paid", json!({"url": weather, "max_price": higher})).await;
        assert_eq!(answer["error"]["most"], 499, "{answer}");
        refused(&answer, "price_too_high");
    }
    let priced = strict.call("price", json!({"url": weather})).await;
    assert_eq!(priced["notPaid"]["code"], "price_too_high", "{priced}");
    for (wrong, why) in [
        (json!({"max_price": "1eur"}), "max_price: this client pays only in usd"),
        (json!({"max_price": 0.5}), "max_price: write units"),
        (json!({"max_price": -1}), "max_price: write units"),
        (json!({"budget": "100usd"}), "unknown field `budget`"),
        (json!({"origins": []}), "unknown field `origins`"),
        (json!({"headers": {"Payment": "eyJ9"}}), "the payment header is this program's part"),
        (json!({"url": "file:///etc/passwd"}), "a URL begins with http:// or https://"),
        (json!({"url": "ftp://api.example/"}), "a URL begins with http:// or https://"),
        (json!({"method": "GET /"}), "is not a method of HTTP"),
    ] {
        let mut arguments = json!({"url": weather});
        arguments.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        let said = refused(&server.call("fetch_paid", arguments).await, "usage");
        assert!(said.contains(why), "{said}");
    }
    assert_eq!(world.deductions(&card).await, 0);
    // A lower limit is for one call.
    let paid = json!({"url": weather, "max_price": 500});
    assert_eq!(server.call("fetch_paid", paid).await["status"], 200);
    let lower = json!({"url": weather, "max_price": 499});
    refused(&server.call("fetch_paid", lower).await, "price_too_high");
    assert_eq!(server.call("fetch_paid", json!({"url": weather})).await["receipt"]["left"], 49_000);
    let unknown = server.step(json!({"calls": [{"name": "raise_budget", "arguments": {}}]})).await;
    assert!(
        unknown["results"][0]["thrown"].as_str().unwrap().contains("there is no tool raise_budget")
    );
}

#[tokio::test]
async fn a_budget_ends_and_a_decline_is_said() {
    let world = World::start().await;
    let weather = world.stack.url("/api/weather");
    let sdk = Sdk::start();
    let card = fresh(&world).await;
    let server =
        sdk.server(&["--payment-method", &card, "--budget", "5usd", "--max-price", "5usd"]);
    let dear = json!({"url": world.stack.url("/api/echo"), "method": "PUT"});
    assert_eq!(server.call("fetch_paid", dear.clone()).await["receipt"]["left"], 600);
    let said = refused(&server.call("fetch_paid", dear.clone()).await, "budget_exceeded");
    assert!(
        said.contains("only $0.00 is left of the budget in total; nothing was charged"),
        "{said}"
    );
    assert_eq!(
        server.call("fetch_paid", json!({"url": weather})).await["receipt"]["left"],
        100,
        "what is left is spent"
    );

    let declined = world.stack.sim.payment_method("4000000000000002", "123").await.unwrap();
    let server = sdk.server(&["--payment-method", &declined]);
    let said = refused(&server.call("fetch_paid", json!({"url": weather})).await, "card_declined");
    assert_eq!(said, "the card was declined (card_declined)");
}

/// An API is told its client's id and may repeat it; the agent does not see it in text or in bytes.
#[tokio::test]
async fn an_answer_is_bounded_and_says_nothing_that_could_be_spent() {
    let world = World::start().await;
    let card = fresh(&world).await;
    let sdk = Sdk::start();
    let echo = json!({"url": world.stack.url("/api/echo"), "body": card});
    let server = sdk.server(&["--payment-method", &card]);
    for _ in 0..2 {
        let answer = server.call("fetch_paid", echo.clone()).await;
        assert_eq!(answer["status"], 200, "{answer}");
        let body = answer["body"].as_str().unwrap();
        assert!(body.contains(r#"["x-stripe402-client-id","(hidden by stripe402)"]"#), "{body}");
        assert!(answer["headers"]["payment-response"].is_null(), "{answer}");
    }
    let server = sdk.server(&["--payment-method", &card, "--max-body", "10"]);
    let answer = server.call("fetch_paid", json!({"url": world.stack.url("/api/weather")})).await;
    assert_eq!(
        (&answer["body"], &answer["bodyTruncated"]),
        (&json!(r#"{"conditio"#), &json!(true)),
        "{answer}"
    );
}

struct Slow {
    stack: Stack,
    server: Server,
    weather: Value,
}

impl Slow {
    /// The card is charged 900 ms after it was sent.
    async fn start(arguments: &[&str]) -> Self {
        let stack = Stack::start(StackOptions::new()).await.unwrap();
        let card = stack.sim.fresh_card().await.unwrap();
        let slow = json!({"method": "POST", "path": "/v1/payment_intents", "action": "latency", "ms": 1_500});
        stack.sim.fault(&slow).await.unwrap();
        let all = [&["--payment-method", &card, "--budget", "5usd"], arguments].concat();
        let weather = json!({"url": stack.url("/api/weather")});
        Self { server: Sdk::start().server(&all), stack, weather }
    }

    /// It counts while its outcome is not known, and the next call finds it, within the same budget.
    async fn is_paid_once(&self) {
        let budget = self.server.call("budget", json!({})).await;
        assert_eq!(
            (&budget["charged"], &budget["unconfirmed"]),
            (&json!(0), &json!(50_000)),
            "{budget}"
        );
        self.stack.sim.clear_faults().await.unwrap();
        let mut answer = self.server.call("fetch_paid", self.weather.clone()).await;
        while answer["error"]["code"] == "outcome_unknown" {
            answer = self.server.call("fetch_paid", self.weather.clone()).await;
        }
        assert_eq!(answer["receipt"]["charged"], 50_000, "{answer}");
        // The first request may have been served as well.
        let left = answer["receipt"]["left"].as_i64().unwrap();
        assert!([49_500, 49_000].contains(&left), "{answer}");
        assert_eq!(self.stack.sim.totals("usd").await.unwrap().charged, 500);
    }
}

#[tokio::test]
async fn a_lost_answer_is_not_paid_for_twice() {
    let here = Slow::start(&["--max-time", "1"]).await;
    let said =
        refused(&here.server.call("fetch_paid", here.weather.clone()).await, "outcome_unknown");
    assert!(said.contains("the card is not charged twice"), "{said}");
    here.is_paid_once().await;
}

#[tokio::test]
async fn a_call_that_is_cancelled_is_not_paid_for_twice() {
    let here = Slow::start(&[]).await;
    let call = json!([{"name": "fetch_paid", "arguments": here.weather, "cancelAfter": 700}]);
    let told = here.server.step(json!({"calls": call})).await;
    assert!(told["results"][0]["thrown"].as_str().unwrap().contains("abort"), "{told}");
    here.is_paid_once().await;
}

#[tokio::test]
async fn what_a_metered_call_cost_is_said() {
    let metered = MeteredApi::start().await;
    let server = Sdk::start().server(&["--payment-method", "pm_metered", "--max-price", "2usd"]);
    let price = server.call("price", json!({"url": metered.url("/held")})).await;
    assert!(price["text"].as_str().unwrap().starts_with("at most $2.00 a request"), "{price}");
    for (path, left) in [("/trailing", 49_875), ("/held", 49_750)] {
        let answer = server.call("fetch_paid", json!({"url": metered.url(path)})).await;
        let receipt = &answer["receipt"];
        assert_eq!(
            (&receipt["held"], &receipt["captured"]),
            (&json!(MOST), &json!(COST)),
            "{answer}"
        );
        assert_eq!((&receipt["paid"], &receipt["left"]), (&json!(COST), &json!(left)), "{answer}");
    }
    let answer = server.call("fetch_paid", json!({"url": metered.url("/gone")})).await;
    assert_eq!(answer["receipt"]["settlementError"]["code"], "unsettled", "{answer}");
    assert_eq!(answer["receipt"]["text"], "paid; the cost is not known; $2.9750 left");
}

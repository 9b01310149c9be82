use super::*;
use crate::pricing::{Named, Pricing, Tools};

/// The first route, with this as its `mcp`.
fn route(mcp: Value) -> Value {
    let mut config = good();
    config["routes"][0] = json!({"path": "/mcp", "mcp": mcp});
    config
}

fn tools(config: &Config) -> &Tools {
    config.routes.rules()[0].offer.as_ref().unwrap().tools.as_deref().unwrap()
}

/// Names, prices and what the books call them.
fn listed(named: &Named) -> Vec<(&str, i64, &str)> {
    let one = |(name, pricing): &'_ (Box<str>, Pricing)| match pricing {
        Pricing::Offer(offer) => (offer.price().get(), offer.name.clone()),
        Pricing::Free => (0, String::new()),
        Pricing::Unlisted => panic!("{name}"),
    };
    named
        .all()
        .iter()
        .map(|entry| {
            let (price, book) = one(entry);
            (&*entry.0, price, &*book.leak())
        })
        .collect()
}

#[test]
fn tools_have_prices_of_their_own() {
    let mcp = json!({
        "tools": {
            "echo": 0,
            "search": 100,
            "report": {"price": {"most": 2_500, "usage": [{"header": "x-cost"}]}, "name": "r"},
            "free": {"free": true},
        },
        "methods": {"resources/read": 20},
        "other": 700,
    });
    let mut config = route(mcp);
    config["routes"][0]["min_top_up"] = json!(60_000);
    let config = parse(&config).unwrap();
    let expected =
        [("echo", 0, ""), ("free", 0, ""), ("report", 2_500, "r"), ("search", 100, "/mcp search")];
    assert_eq!(listed(&tools(&config).tools), expected);
    assert_eq!(listed(&tools(&config).methods), [("resources/read", 20, "/mcp resources/read")]);
    let other = tools(&config).price("tools/call", Some("x"));
    assert!(
        matches!(other, Pricing::Offer(offer) if offer.price().get() == 700 && offer.name == "/mcp other")
    );
    let all = config.routes.rules()[0].offer.as_ref().unwrap();
    assert_eq!((all.price().get(), all.min_top_up.get()), (2_500, 60_000));
    let search = tools(&config).price("tools/call", Some("search"));
    assert!(matches!(search, Pricing::Offer(offer) if offer.min_top_up.get() == 60_000));
    let of = |pricing: Pricing| match pricing {
        Pricing::Offer(offer) => (offer.void_on.upstream_4xx, offer.void_on.upstream_5xx),
        other => panic!("{other:?}"),
    };
    assert_eq!(of(tools(&config).price("tools/call", Some("search"))), (true, true));
    let mut own = route(json!({"tools": {"search": 100}}));
    own["routes"][0]["void_on"] = json!(["upstream_5xx"]);
    let own = parse(&own).unwrap();
    assert_eq!(of(tools(&own).price("tools/call", Some("search"))), (false, true));
    let free = parse(&route(json!({"tools": {"echo": 0}, "other": "deny"}))).unwrap();
    assert_eq!(free.routes.rules()[0].offer.as_ref().unwrap().price().get(), 0);
    assert!(matches!(tools(&free).price("tools/call", Some("x")), Pricing::Unlisted));
}

#[test]
fn what_is_wrong_with_tools_is_named() {
    let by = json!({"json": "/model", "table": {"a": {"n": 1}}});
    let usage = json!([{"json": {"n": "/n"}}]);
    for (mcp, path) in [
        (json!({}), "routes[0].mcp.tools"),
        (json!({"tool": {}}), "routes[0].mcp.tool"),
        (json!(100), "routes[0].mcp"),
        (json!({"tools": [100]}), "routes[0].mcp.tools"),
        (json!({"tools": {"": 100}}), "routes[0].mcp.tools."),
        (json!({"tools": {"a": -1}}), "routes[0].mcp.tools.a"),
        (json!({"tools": {"a": 1.5}}), "routes[0].mcp.tools.a"),
        (json!({"tools": {"a": "100"}}), "routes[0].mcp.tools.a"),
        (json!({"tools": {"a": {}}}), "routes[0].mcp.tools.a.price"),
        (json!({"tools": {"a": {"price": 0}}}), "routes[0].mcp.tools.a.price"),
        (json!({"tools": {"a": {"prize": 1}}}), "routes[0].mcp.tools.a.prize"),
        (
            json!({"tools": {"a": {"price": {"most": 9, "usage": usage, "by": by}}}}),
            "routes[0].mcp.tools.a.price.by",
        ),
        (json!({"tools": {"a": 1}, "other": "free"}), "routes[0].mcp.other"),
        (json!({"methods": {"tools/call": 1}}), "routes[0].mcp.methods.tools/call"),
    ] {
        assert_eq!(parse(&route(mcp.clone())).unwrap_err().path, path, "{mcp}");
    }
    let mut both = route(json!({"tools": {"a": 1}}));
    both["routes"][0]["price"] = json!(1);
    assert_eq!(parse(&both).unwrap_err().path, "routes[0].price");
    for (limit, value) in [("mcp_body_bytes", json!(1_023)), ("mcp_body_timeout", json!("0s"))] {
        let mut config = good();
        config["limits"] = json!({limit: value});
        assert_eq!(parse(&config).unwrap_err().path, format!("limits.{limit}"));
    }
}

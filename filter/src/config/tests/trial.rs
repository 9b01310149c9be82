use stripe402_protocol::{Units, message::CardTrial};

use super::*;

fn offered(config: &Value) -> Option<CardTrial> {
    joke(&parse(config).unwrap()).trial
}

#[test]
fn a_trial_is_off_unless_it_covers_the_route() {
    let units = |units, lasts_ms| Some(CardTrial { units: Units::from_u32(units), lasts_ms });
    assert_eq!(offered(&good()), None);
    for (trial, expected) in [
        (json!({"units": 2_000}), units(2_000, None)),
        (json!({"units": 100, "per": "card"}), units(100, None)),
        (json!({"units": 99}), None),
        (json!({"units": 100, "routes": ["other", "/api/joke"]}), units(100, None)),
        (json!({"units": 100, "routes": ["/api/jok"]}), None),
        (json!({"units": 100, "routes": []}), None),
        (json!({"units": 100, "expires": "30d"}), units(100, Some(30 * 24 * 3_600_000))),
        (json!({"units": 100.0, "expires": "1h"}), units(100, Some(3_600_000))),
    ] {
        assert_eq!(offered(&with("/trial", trial.clone())), expected, "{trial}");
    }
    // In another currency the same number of units is another amount.
    let mut euros = with("/trial", json!({"units": 2_000}));
    euros["routes"][0]["currency"] = json!("eur");
    assert_eq!(offered(&euros), None);
    euros["currency"] = json!("eur");
    assert!(offered(&euros).is_some());
}

#[test]
fn a_metered_price_is_covered_by_its_most() {
    let mut config = with("/trial", json!({"units": 2_000}));
    config["routes"][0]["price"] = json!({"most": 2_000, "usage": [{"header": "x-cost"}]});
    assert!(offered(&config).is_some());
    config["routes"][0]["price"]["most"] = json!(2_001);
    assert_eq!(offered(&config), None);
}

#[test]
fn tools_have_the_trial_of_their_route() {
    let tools = |routes: Value| {
        let mut config = with("/trial", json!({"units": 2_000, "routes": routes}));
        let mcp = json!({"tools": {"cheap": 100, "dear": 3_000}});
        config["routes"][0] = json!({"path": "/api/joke", "name": "tools", "mcp": mcp});
        let offer = joke(&parse(&config).unwrap());
        let tools = &offer.tools.as_ref().unwrap().tools;
        let of = |(name, pricing): &(Box<str>, crate::pricing::Pricing)| match pricing {
            crate::pricing::Pricing::Offer(offer) => (name.to_string(), offer.trial.is_some()),
            _ => (name.to_string(), false),
        };
        tools.all().iter().map(of).filter(|(_, trial)| *trial).collect::<Vec<_>>()
    };
    assert_eq!(tools(json!(["tools"])), [("cheap".to_owned(), true)]);
    assert_eq!(tools(json!(["other"])), []);
}

#[test]
fn what_is_wrong_with_a_trial_is_named() {
    for (trial, path) in [
        (json!({}), "trial.units"),
        (json!({"units": 0}), "trial.units"),
        (json!({"units": -1}), "trial.units"),
        (json!({"units": "2000"}), "trial.units"),
        (json!({"units": 1, "per": "client"}), "trial.per"),
        (json!({"units": 1, "routes": "joke"}), "trial.routes"),
        (json!({"units": 1, "routes": [1]}), "trial.routes[0]"),
        (json!({"units": 1, "expires": "0d"}), "trial.expires"),
        (json!({"units": 1, "expires": "367d"}), "trial.expires"),
        (json!({"units": 1, "expires": "90m"}), "trial.expires"),
        (json!({"units": 1, "expires": 30}), "trial.expires"),
        (json!({"units": 1, "requests": 20}), "trial.requests"),
        (json!(2_000), "trial"),
    ] {
        assert_eq!(parse(&with("/trial", trial.clone())).unwrap_err().path, path, "{trial}");
    }
    // A name may be that of a route in Envoy, where those may say their price.
    let mut config = with("/trial", json!({"units": 1, "routes": ["/api/joke", "elsewhere"]}));
    assert!(parse(&config).is_ok());
    config["route_metadata"] = json!(false);
    assert_eq!(parse(&config).unwrap_err().path, "trial.routes[1]");
}

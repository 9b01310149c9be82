use super::*;

fn requests(config: &Value) -> u32 {
    joke(&parse(config).unwrap()).anonymous
}

#[test]
fn a_route_has_its_own_number_or_the_usual_one() {
    assert_eq!(requests(&good()), 0);
    for (usual, own, expected) in [
        (json!({"requests": 20, "per": "address"}), Value::Null, 20),
        (json!({"requests": 20}), json!({"requests": 3}), 3),
        (json!({"requests": 20}), json!({"requests": 0}), 0),
        (Value::Null, json!({"requests": 3.0}), 3),
    ] {
        let mut config = with("/anonymous", usual);
        config["routes"][0]["anonymous"] = own.clone();
        assert_eq!(requests(&config), expected, "{own}");
    }
}

#[test]
fn a_metered_price_has_none() {
    let mut config = with("/anonymous", json!({"requests": 20}));
    config["routes"][0]["price"] = json!({"most": 2_000, "usage": [{"header": "x-cost"}]});
    assert_eq!(requests(&config), 0);
    config["routes"][0]["anonymous"] = json!({"requests": 1});
    assert_eq!(parse(&config).unwrap_err().path, "routes[0].anonymous");
    config["routes"][0]["anonymous"] = json!({"requests": 0});
    assert_eq!(requests(&config), 0);
}

#[test]
fn tools_have_what_their_route_says_or_they_themselves() {
    let mut config = with("/anonymous", json!({"requests": 20}));
    let metered = json!({"price": {"most": 9, "usage": [{"header": "x-cost"}]}});
    let own = json!({"price": 100, "anonymous": {"requests": 1}});
    let mcp = json!({"tools": {"a": 100, "b": own, "c": metered}});
    let route = json!({"path": "/api/joke", "anonymous": {"requests": 5}, "mcp": mcp});
    config["routes"][0] = route;
    let offer = joke(&parse(&config).unwrap());
    let tools = &offer.tools.as_ref().unwrap().tools;
    let of = |(_, pricing): &(Box<str>, crate::pricing::Pricing)| match pricing {
        crate::pricing::Pricing::Offer(offer) => offer.anonymous,
        _ => panic!(),
    };
    assert_eq!(tools.all().iter().map(of).collect::<Vec<_>>(), [5, 1, 0]);
}

#[test]
fn what_is_wrong_with_it_is_named() {
    for (anonymous, path) in [
        (json!({}), "anonymous.requests"),
        (json!({"requests": -1}), "anonymous.requests"),
        (json!({"requests": 1.5}), "anonymous.requests"),
        (json!({"requests": 1_000_001}), "anonymous.requests"),
        (json!({"requests": "20"}), "anonymous.requests"),
        (json!({"requests": 1, "per": "card"}), "anonymous.per"),
        (json!({"requests": 1, "window": "1d"}), "anonymous.window"),
        (json!(20), "anonymous"),
    ] {
        let at = |config: &Value| parse(config).unwrap_err().path;
        assert_eq!(at(&with("/anonymous", anonymous.clone())), path, "{anonymous}");
        let of_route = at(&with("/routes/0/anonymous", anonymous));
        assert_eq!(of_route, format!("routes[0].{path}"));
    }
}

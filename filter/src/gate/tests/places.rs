//! Prices in the metadata of routes and virtual hosts.

use super::*;
use crate::pricing::Pricing;

fn placed(metadata: &Value) -> RouteOverride {
    let json = json!({
        "publishable_key": "pk_test_x",
        "ledger": {"cluster": "ledger"},
        "routes": [metadata],
    });
    let config = Config::parse(json.to_string().as_bytes()).unwrap();
    match &config.routes.rules()[0].offer {
        Some(offer) => RouteOverride::Offer(Rc::clone(offer)),
        None => RouteOverride::Free,
    }
}

/// A virtual host says what everything costs that no rule is about, or that may be read so.
#[test]
fn what_the_virtual_host_says_comes_last() {
    let config = |unmatched: &str| {
        let json = json!({
            "publishable_key": "pk_test_x",
            "ledger": {"cluster": "ledger"},
            "unmatched": unmatched,
            "routes": [
                {"name": "joke", "path": "/api/joke", "price": 100},
                {"prefix": "/docs/", "free": true},
            ],
        });
        Rc::new(Config::parse(json.to_string().as_bytes()).unwrap())
    };
    let RouteOverride::Offer(offer) = placed(&json!({"path": "/x", "price": 700})) else {
        panic!()
    };
    let sold = Pricing::Offer(offer);
    for (path, says, expected) in [
        ("/api/joke", &sold, ("100", false)),
        ("/api/JOKE", &sold, ("700", true)),
        ("/other", &sold, ("700", true)),
        ("/docs/x", &sold, ("free", false)),
        ("/docs/%2e%2e/x", &sold, ("700", true)),
        ("/api/joke", &Pricing::Free, ("100", false)),
        ("/other", &Pricing::Free, ("free", true)),
        ("/api/JOKE", &Pricing::Free, ("100", true)),
    ] {
        for unmatched in ["free", "deny"] {
            let mut stream = Stream::new(config(unmatched));
            let head = head(path, "");
            let unsaid = stream.on_request(&head, &UNSAID, &mut minting());
            assert_eq!(stream.is_open(), expected.1, "{path}");
            if unmatched == "deny" && expected.1 {
                let Step::Reply(reply) = unsaid else { panic!("{path} passed") };
                assert_eq!(reply.status, 403, "{path}");
            }
            let inherited = RouteOverride::Inherited(None, says.clone());
            let price = match stream.on_request(&head, &inherited, &mut minting()) {
                Step::Reply(reply) => {
                    let body: Value = serde_json::from_slice(&reply.body).unwrap();
                    body["price"].to_string()
                }
                Step::Pass(Passed::Free) => "free".to_owned(),
                other => panic!("{other:?}"),
            };
            assert_eq!(price, expected.0, "{path} {says:?} {unmatched}");
            assert!(!stream.is_open());
        }
    }
}

#[test]
fn what_the_route_in_envoy_says_comes_first() {
    let free = placed(&json!({"path": "/x", "free": true}));
    let sold = placed(&json!({"path": "/x", "price": 7}));
    for (path, placed, expected) in [
        ("/api/joke", &free, "free"),
        ("/api/joke", &RouteOverride::None(None), "challenge"),
        ("/api/free", &sold, "challenge"),
        ("/api/free", &RouteOverride::None(None), "free"),
    ] {
        let step = Stream::new(config()).on_request(&head(path, ""), placed, &mut minting());
        assert_eq!(word(&step), expected, "{path} {placed:?}");
    }
    for path in ["/api/joke", "/api/free"] {
        let mut stream = Stream::new(config());
        let Step::Reply(reply) =
            stream.on_request(&head(path, ""), &RouteOverride::Invalid, &mut minting())
        else {
            panic!("{path} was let through");
        };
        assert_eq!((reply.status, reply.details), (500, "stripe402_misconfigured"));
    }
}

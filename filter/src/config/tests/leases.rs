use super::*;

#[test]
fn leases_are_off_and_have_defaults() {
    let off = parse(&good()).unwrap();
    let usual = LeaseSettings { enabled: false, ttl_ms: 2_000, hand_over_ms: 250, most: 5 };
    assert_eq!(off.leases, usual);
    assert!(!joke(&off).leases);
    let on = parse(&with("/leases", json!({"enabled": true}))).unwrap();
    assert_eq!(on.leases, LeaseSettings { enabled: true, ..usual });
    assert!(joke(&on).leases);
    let own = json!({"ttl": "8s", "hand_over": "2s", "most": "50%"});
    let own = parse(&with("/leases", own)).unwrap().leases;
    assert_eq!((own.ttl_ms, own.hand_over_ms, own.most), (8_000, 2_000, 50));
}

#[test]
fn a_route_says_whether_it_has_them() {
    let mut config = with("/routes/0/leases", json!(true));
    assert!(joke(&parse(&config).unwrap()).leases, "it alone");
    config["leases"] = json!({"enabled": true});
    config["routes"][0]["leases"] = json!(false);
    assert!(!joke(&parse(&config).unwrap()).leases, "all but it");
    // One of a metered price has none, whatever all others have.
    let metered = json!({"most": 100, "usage": [{"header": "x-cost"}]});
    config["routes"][0] = json!({"path": "/api/joke", "price": metered});
    assert!(!joke(&parse(&config).unwrap()).leases);
    config["routes"][0]["leases"] = json!(true);
    assert_eq!(parse(&config).unwrap_err().path, "routes[0].leases");
}

#[test]
fn what_is_wrong_with_leases_is_named() {
    for (leases, path) in [
        (json!({"ttl": "999ms"}), "leases.ttl"),
        (json!({"ttl": "11s"}), "leases.ttl"),
        (json!({"hand_over": "99ms"}), "leases.hand_over"),
        (json!({"hand_over": "501ms"}), "leases.hand_over"),
        (json!({"most": 5}), "leases.most"),
        (json!({"most": "0%"}), "leases.most"),
        (json!({"most": "51%"}), "leases.most"),
        (json!({"share": "5%"}), "leases.share"),
        (json!({"enabled": "yes"}), "leases.enabled"),
        (json!(true), "leases"),
    ] {
        assert_eq!(parse(&with("/leases", leases.clone())).unwrap_err().path, path, "{leases}");
    }
}

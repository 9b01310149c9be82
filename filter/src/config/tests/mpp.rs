//! `mpp`.

use serde_json::{Value, json};

use crate::config::{Config, ConfigError};

const SECRET: &str = "a secret of the gate of 32 bytes at least";

fn parse(change: impl FnOnce(&mut Value)) -> Result<Config, ConfigError> {
    let mut json = json!({
        "publishable_key": "pk_test_x",
        "ledger": {"cluster": "ledger"},
        "mpp": {"enabled": true, "realm": "api.example.com", "network_id": "profile_test_61"},
    });
    change(&mut json["mpp"]);
    Config::parse(json.to_string().as_bytes())
}

#[test]
fn what_is_wrong_is_named() {
    for (field, value) in [
        ("realm", Value::Null),
        ("realm", json!("")),
        ("realm", json!("a\"b")),
        ("realm", json!("a|b")),
        ("realm", json!("ä")),
        ("network_id", Value::Null),
        ("network_id", json!("profile_")),
        ("network_id", json!("acct_1")),
        ("network_id", json!("profile_a\"b")),
        ("header", json!("Authorization")),
        ("header", json!("payment")),
        ("header", json!("x-stripe402-client-id")),
        ("header", json!("a b")),
        ("header", json!("")),
        ("expires", json!("29s")),
        ("secret", json!("short")),
        ("secret", json!(format!("{SECRET},short"))),
    ] {
        let error = parse(|mpp| mpp[field] = value.clone()).unwrap_err();
        assert_eq!(error.path, format!("mpp.{field}"), "{value}");
    }
    let both = parse(|mpp| {
        mpp["secret"] = json!(SECRET);
        mpp["secret_env"] = json!("X");
    });
    assert_eq!(both.unwrap_err().path, "mpp.secret");
}

#[test]
fn it_is_off_unless_it_is_switched_on() {
    for change in [json!({}), json!({"enabled": false, "realm": ""})] {
        assert!(parse(|mpp| *mpp = change).unwrap().mpp.is_none());
    }
    let mpp = parse(|_| {}).unwrap().mpp.unwrap();
    assert_eq!((mpp.expires_ms, mpp.secrets().count()), (300_000, 0));
}

#[test]
fn the_secret_comes_from_a_variable() {
    let with = |value: Option<&str>| {
        let variable = |name: &str| {
            assert_eq!(name, "MPP_SECRET");
            value.map(ToOwned::to_owned)
        };
        parse(|_| {}).unwrap().with_secrets(variable)
    };
    let config = with(Some(SECRET)).unwrap();
    assert_eq!(config.mpp.unwrap().secrets().collect::<Vec<_>>(), [SECRET.as_bytes()]);
    for wrong in [None, Some(""), Some("short")] {
        assert_eq!(with(wrong).unwrap_err().path, "mpp.secret_env", "{wrong:?}");
    }
    let known = parse(|mpp| mpp["secret"] = json!(SECRET)).unwrap();
    let known = known.with_secrets(|_| panic!("there is one")).unwrap();
    let shown = format!("{known:?}");
    assert!(!shown.contains(SECRET), "a secret is shown");
}

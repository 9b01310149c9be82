//! Prices that are known afterwards, as they are written.

use serde_json::{Value, json};
use stripe402_protocol::Units;

use super::{super::price::price, good, parse, said, with};
use crate::pricing::{Body, MeteredPrice, Other, Price, Unknown, UsageSource};

/// With everything that a price can have.
fn full() -> Value {
    json!({
        "most": 20_000,
        "least": 100,
        "usage": [
            {"header": "x-stripe402-cost"},
            {
                "json": {"prompt": "/usage/prompt_tokens", "completion": "/usage/completion_tokens"},
                "per_1000": {"prompt": 25, "completion": 100},
            },
            {"sse": {"prompt": "/usage/prompt_tokens"}, "per_1000": {"prompt": 25}},
            {"grpc_trailer": "x-cost"},
            {"bytes": {"per_mib": 500}},
        ],
        "unknown": "least",
    })
}

/// With a table.
fn tabled() -> Value {
    json!({
        "most": 20_000,
        "usage": [{"json": {"in": "/in", "out": "/out"}}, {"seconds": {"each": 10}}],
        "by": {
            "json": "/model",
            "table": {"small": {"in": 1, "out": 2}, "large": {"in": 10, "out": 20}},
            "other": "large",
        },
    })
}

fn changed(mut price: Value, pointer: &str, value: Value) -> Value {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    match price.pointer_mut(parent).unwrap() {
        Value::Array(list) => list[field.parse::<usize>().unwrap()] = value,
        object => object[field] = value,
    }
    price
}

fn metered(value: Value) -> MeteredPrice {
    match price("price".to_owned(), value).unwrap() {
        Price::Metered(price) => MeteredPrice::clone(&price),
        Price::Flat(units) => panic!("it is flat: {units}"),
    }
}

#[test]
fn every_field_is_read() {
    let read = metered(full());
    assert_eq!((read.most.get(), read.least.get(), read.unknown), (20_000, 100, Unknown::Least));
    assert!(read.by.is_none());
    let [header, json, sse, trailer, bytes] = &read.usage[..] else { panic!("{:?}", read.usage) };
    assert_eq!(*header, UsageSource::Header("x-stripe402-cost".into()));
    assert_eq!(*trailer, UsageSource::GrpcTrailer("x-cost".into()));
    assert_eq!(*bytes, UsageSource::Bytes { per_mib: Units::from_u32(500) });
    let (UsageSource::Json(json), UsageSource::Sse(sse)) = (json, sse) else { panic!() };
    assert_eq!((json.pointers.len(), sse.pointers.len()), (2, 1));
    let rates = json.per_1000.as_ref().unwrap();
    assert_eq!(rates.units(&json.names, &[1_000, 0]), Some(100), "completion is before prompt");
}

#[test]
fn a_table_takes_the_place_of_unit_prices() {
    let read = metered(tabled());
    assert_eq!((read.least, read.unknown), (Units::ZERO, Unknown::Most), "the defaults");
    let by = read.by.unwrap();
    let names: Vec<_> = by.table.iter().map(|(name, _)| &**name).collect();
    assert_eq!((names, by.body, by.other), (vec!["large", "small"], Body::Request, Other::Row(0)));
    let refused = metered(changed(tabled(), "/by/other", Value::Null)).by.unwrap();
    assert_eq!(refused.other, Other::Refuse);
    let answered = metered(changed(tabled(), "/by/answer", json!(true))).by.unwrap();
    assert_eq!(answered.body, Body::Answer);
}

#[test]
fn every_mistake_is_named_by_its_path() {
    let long = "n".repeat(257);
    for (base, pointer, value, path) in [
        (full(), "/most", Value::Null, "most"),
        (full(), "/most", json!(0), "most"),
        (full(), "/most", json!(-1), "most"),
        (full(), "/most", json!(0.5), "most"),
        (full(), "/most", json!("20000"), "most"),
        (full(), "/most", json!(9_007_199_254_740_992_i64), "most"),
        (full(), "/least", json!(20_001), "least"),
        (full(), "/least", json!(-1), "least"),
        (full(), "/unknown", json!("never"), "unknown"),
        (full(), "/extend", json!(true), "extend"),
        (full(), "/usage", Value::Null, "usage"),
        (full(), "/usage", json!([]), "usage"),
        (full(), "/usage", json!({}), "usage"),
        (full(), "/usage", json!(vec![json!({"header": "x"}); 9]), "usage"),
        (full(), "/usage/0", json!("x-cost"), "usage[0]"),
        (full(), "/usage/0", json!({}), "usage[0]"),
        (full(), "/usage/0", json!({"metadata": "x"}), "usage[0].metadata"),
        (full(), "/usage/0/grpc_trailer", json!("x"), "usage[0]"),
        (full(), "/usage/0/per_1000", json!({}), "usage[0].per_1000"),
        (full(), "/usage/0/header", json!("X-Cost"), "usage[0].header"),
        (full(), "/usage/0/header", json!(":status"), "usage[0].header"),
        (full(), "/usage/0/header", json!(""), "usage[0].header"),
        (full(), "/usage/3/grpc_trailer", json!("x-cost-bin"), "usage[3].grpc_trailer"),
        (full(), "/usage/1/json", json!("/usage"), "usage[1].json"),
        (full(), "/usage/1/json", json!({}), "usage[1].json"),
        (full(), "/usage/1/json/prompt", json!("usage/prompt"), "usage[1].json.prompt"),
        (full(), "/usage/1/json/prompt", json!(""), "usage[1].json.prompt"),
        (full(), "/usage/1/json/prompt", json!("/a~2"), "usage[1].json.prompt"),
        (full(), "/usage/1/json/prompt", json!(7), "usage[1].json.prompt"),
        (full(), "/usage/1/json/prompt", json!("/usage/completion_tokens"), "usage[1].json.prompt"),
        (full(), "/usage/1/per_1000", Value::Null, "usage[1].per_1000"),
        (full(), "/usage/1/per_1000/total", json!(1), "usage[1].per_1000.total"),
        (full(), "/usage/1/per_1000/prompt", json!(-1), "usage[1].per_1000.prompt"),
        (full(), "/usage/1/per_1000/prompt", json!(2.5), "usage[1].per_1000.prompt"),
        (full(), "/usage/1/per_1000", json!({"prompt": 1}), "usage[1].per_1000.completion"),
        (full(), "/usage/4/bytes", json!(500), "usage[4].bytes"),
        (full(), "/usage/4/bytes", json!({}), "usage[4].bytes.per_mib"),
        (full(), "/usage/4/bytes/per_mib", json!(0), "usage[4].bytes.per_mib"),
        (full(), "/usage/4/bytes/each", json!(1), "usage[4].bytes.each"),
        (full(), "/usage/3", json!({"seconds": {"each": 1}}), "usage[4]"),
        (full(), "/usage/3", json!({"header": "x-stripe402-cost"}), "usage[3]"),
        (full(), "/by", tabled()["by"].clone(), "usage[1].per_1000"),
        (tabled(), "/usage/0/per_1000", json!({"in": 1, "out": 1}), "usage[0].per_1000"),
        (tabled(), "/usage/0", json!({"header": "x"}), "by"),
        (tabled(), "/by", json!("/model"), "by"),
        (tabled(), "/by/json", Value::Null, "by.json"),
        (tabled(), "/by/json", json!("model"), "by.json"),
        (tabled(), "/by/answer", json!("yes"), "by.answer"),
        (tabled(), "/by/table", Value::Null, "by.table"),
        (tabled(), "/by/table", json!({}), "by.table"),
        (tabled(), "/by/table", json!([]), "by.table"),
        (tabled(), "/by/table/small", json!(1), "by.table.small"),
        (tabled(), "/by/table/small", json!({"in": 1}), "by.table.small.out"),
        (tabled(), "/by/table/small/in", json!(-1), "by.table.small.in"),
        (tabled(), "/by/table/small/inn", json!(1), "by.table.small.inn"),
        (tabled(), "/by/table/refuse", json!({"in": 1, "out": 1}), "by.table.refuse"),
        (tabled(), "/by/table", json!({(long): {"in": 1, "out": 1}}), "by.table."),
        (tabled(), "/by/other", json!("medium"), "by.other"),
        (tabled(), "/by/other", json!(1), "by.other"),
        (tabled(), "/by", json!({"json": "/m", "answer": true, "table": {"a": {}}}), "by.other"),
    ] {
        let value = changed(base, pointer, value);
        let error = price("price".to_owned(), value).expect_err(pointer);
        let named = error.path.strip_prefix("price.").unwrap();
        assert!(
            if path.ends_with('.') { named.starts_with(path) } else { named == path },
            "{error}"
        );
        // The whole configuration names the route, too, and does not get as far as the refusal.
        assert!(!error.problem.contains("not available"), "{error}");
    }
    let config =
        with("/routes/1/price", changed(full(), "/usage/1/per_1000/completion", json!(-1)));
    assert_eq!(
        parse(&config).unwrap_err().to_string(),
        "routes[1].price.usage[1].per_1000.completion: must be a whole number of units, 0 or more, \
         without quotes"
    );
}

#[test]
fn a_refused_answer_is_a_contradiction() {
    let mut both = tabled();
    both["by"]["answer"] = json!(true);
    both["by"]["other"] = json!("refuse");
    assert_eq!(price("price".to_owned(), both).unwrap_err().path, "price.by.other");
}

#[test]
fn metadata_is_named_by_its_namespace_and_keys() {
    let of = |key: Value| {
        json!({
            "most": 9,
            "usage": [{"metadata": {"n": key}, "per_1000": {"n": 1}}],
        })
    };
    let read = price("price".to_owned(), of(json!("envoy.ai.token_usage/a/b"))).unwrap();
    let Price::Metered(read) = read else { panic!() };
    let UsageSource::Metadata(written) = &read.usage[0] else { panic!() };
    assert_eq!(&*written.keys[0], "envoy.ai.token_usage\0a\0b");
    let twice = json!({"most": 9, "usage": [{"metadata": {"a": "x/y", "b": "x/y"},
        "per_1000": {"a": 1, "b": 1}}]});
    for wrong in [of(json!("tokens")), of(json!("a//b")), of(json!("/a")), of(json!(7)), twice] {
        let error = price("price".to_owned(), wrong).unwrap_err();
        assert!(error.path.starts_with("price.usage[0].metadata"), "{error}");
    }
    let route = pairs_of(&json!({"price": of(json!("x/y"))}));
    assert!(parse(&good()).unwrap().metadata(&route, None).is_ok());
}

/// As Envoy hands an object over.
fn pairs_of(value: &Value) -> Vec<u8> {
    match value {
        Value::Null => panic!("Envoy hands no null over"),
        Value::Bool(truth) => vec![u8::from(*truth)],
        Value::Number(number) => number.as_f64().unwrap().to_le_bytes().to_vec(),
        Value::String(text) => text.as_bytes().to_vec(),
        Value::Array(elements) => {
            let elements: Vec<_> = elements.iter().map(pairs_of).collect();
            // An element is the name of its pair. Names are bytes: this may be no text.
            let size = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_le_bytes();
            let mut bytes = u32::try_from(elements.len()).unwrap().to_le_bytes().to_vec();
            elements.iter().for_each(|element| bytes.extend([size(element), [0; 4]].concat()));
            elements.iter().for_each(|element| bytes.extend([element, &[0, 0][..]].concat()));
            bytes
        }
        Value::Object(fields) => {
            let fields: Vec<_> =
                fields.iter().map(|(name, value)| (name, pairs_of(value))).collect();
            let fields: Vec<_> =
                fields.iter().map(|(name, value)| (name.as_str(), &**value)).collect();
            said(&fields)
        }
    }
}

#[test]
fn a_route_in_envoy_says_the_same_as_the_configuration() {
    for written in [full(), tabled()] {
        let said = super::super::metadata::decode(&pairs_of(&json!({"price": written}))).unwrap();
        let read = price("price".to_owned(), said["price"].clone()).unwrap();
        assert_eq!(read, price("price".to_owned(), written).unwrap());
    }
    let twice = said(&[("most", &1.0_f64.to_le_bytes()), ("most", &1.0_f64.to_le_bytes())]);
    for wrong in [
        twice,
        said(&[("most", b"12345678")]),
        said(&[("most", &1.0_f64.to_le_bytes()), ("usage", b"header")]),
        said(&[("most", &1.0_f64.to_le_bytes()), ("by", &[0xff; 40])]),
    ] {
        let route = said(&[("price", &wrong)]);
        let error = parse(&good()).unwrap().metadata(&route, None).unwrap_err();
        assert!(error.path.starts_with("filter_metadata.stripe402.price"), "{error}");
        assert!(!error.problem.contains("not available"), "{error}");
    }
}

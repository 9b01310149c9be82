//! How programs, browsers, gRPC clients, agents and operators are answered.

use super::*;

/// Libraries let a client choose another method by a header; the dearer of both is paid.
#[test]
fn a_method_override_is_no_discount() {
    let json = json!({
        "publishable_key": "pk_test_x",
        "ledger": {"cluster": "ledger"},
        "routes": [
            {"name": "post", "path": "/a", "methods": ["POST"], "price": 1},
            {"name": "delete", "path": "/a", "methods": ["DELETE"], "price": 9},
        ],
    });
    let config = Rc::new(Config::parse(json.to_string().as_bytes()).unwrap());
    let payment = stripe402_protocol::encode(&json!({"clientId": CLIENT}));
    for (method, header, value, expected) in [
        ("POST", "x-other", "DELETE", Some("post")),
        ("POST", "x-http-method-override", "DELETE", Some("delete")),
        ("POST", "x_http_method_override", " delete ", Some("delete")),
        ("POST", "x-method-override", "DELETE", Some("delete")),
        ("POST", "x-http-method", "DELETE", Some("delete")),
        ("DELETE", "x-http-method", "POST", Some("delete")),
        ("GET", "x-http-method", "DELETE", Some("delete")),
        ("GET", "x-http-method", "GET", None),
    ] {
        let headers =
            [(":method", method), (":path", "/a"), (header, value), ("payment", &payment)];
        let headers = headers.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let head = Head::read(headers.into_iter(), &Identity::default(), None);
        let step = Stream::new(Rc::clone(&config)).on_request(&head, &UNSAID, &mut minting());
        let deducted = match &step {
            Step::Deduct(deduction) => Some(&*deduction.route),
            _ => None,
        };
        assert_eq!(deducted, expected, "{method} {header}: {value}");
    }
}

fn reply_to(headers: &[(&str, &str)]) -> EncodedReply {
    let usual = [(":method", "GET"), (":path", "/api/joke")];
    let headers = headers.iter().chain(&usual);
    let headers = headers.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let head = Head::read(headers, &Identity::default(), None);
    match Stream::new(config()).on_request(&head, &UNSAID, &mut minting()) {
        Step::Reply(reply) => reply,
        other => panic!("{other:?}"),
    }
}

#[test]
fn programs_browsers_and_grpc_clients_are_each_answered_in_their_own_way() {
    let kind = |reply: &EncodedReply| {
        let kind = reply.headers.iter().find(|(name, _)| *name == "content-type");
        kind.map_or(String::new(), |(_, value)| value.to_string())
    };
    for (name, value, expected) in [
        ("accept", "*/*", "application/json"),
        ("accept", "application/json", "application/json"),
        ("accept", "text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
        ("accept", "application/json, TEXT/HTML;q=0.1", "text/html; charset=utf-8"),
        ("content-type", "application/grpc", ""),
        ("content-type", "application/grpc+proto", ""),
        ("content-type", "application/grpc-web", "application/json"),
        ("content-type", "application/json", "application/json"),
    ] {
        let reply = reply_to(&[(name, value)]);
        assert_eq!((reply.status, &*kind(&reply)), (402, expected), "{name}: {value}");
        assert!(reply.headers.iter().any(|(name, _)| *name == "payment-required"));
        assert_eq!(reply.grpc.is_some(), expected.is_empty());
    }
    let grpc = reply_to(&[("content-type", "application/grpc")]);
    assert_eq!(grpc.grpc, Some(9), "FAILED_PRECONDITION");
    let refused = reply_to(&[("content-type", "application/grpc"), ("payment", "~")]);
    let message = String::from_utf8_lossy(&refused.body).into_owned();
    assert!(message.contains("base64") && !message.contains('{'), "{message}");
}

#[test]
fn the_page_holds_the_challenge_and_nothing_that_is_unfilled() {
    let reply = reply_to(&[("accept", "text/html")]);
    let page = String::from_utf8_lossy(&reply.body).into_owned();
    let challenge = reply.headers.iter().find(|(name, _)| *name == "payment-required").unwrap();
    assert!(page.contains(&format!("data-challenge=\"{}\"", challenge.1)));
    assert!(page.contains("data-stripe=\"https://js.stripe.com/v3/\""));
    assert!(page.contains("data-balance=\"/.well-known/stripe402/balance\""));
    assert!(!page.contains("{{"));
}

#[test]
fn what_is_for_sale_is_listed_and_the_gates_own_addresses_are_free() {
    let ask = |method: &str, path: &str, payment: &str| {
        let headers = [(":method", method), (":path", path), ("payment", payment)];
        let headers = headers.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let head = Head::read(headers.into_iter(), &Identity::default(), None);
        let step = Stream::new(config()).on_request(&head, &UNSAID, &mut minting());
        match step {
            Step::Reply(reply) => {
                let body = serde_json::from_slice(&reply.body).unwrap_or(Value::Null);
                (reply.status, body)
            }
            Step::Ask(Question::Balance(balance)) => (0, json!(balance.client_id.to_hex())),
            _ => (1, Value::Null),
        }
    };
    let (status, list) = ask("GET", "/.well-known/stripe402?x", "");
    assert_eq!(status, 200);
    assert_eq!(list["routes"][0]["path"], "/api/joke");
    assert_eq!(list["routes"][0]["price"], 100);
    assert_eq!(list["balance"], "/.well-known/stripe402/balance");
    assert_eq!(ask("POST", "/.well-known/stripe402", "").0, 405);
    assert_eq!(ask("OPTIONS", "/.well-known/stripe402", "").0, 204);
    assert_eq!(ask("GET", "/.well-known/stripe402/other", "").0, 1, "that is the API's");
    let balance = "/.well-known/stripe402/balance";
    let client = stripe402_protocol::encode(&json!({"clientId": CLIENT}));
    assert_eq!(ask("GET", balance, &client), (0, json!(CLIENT)));
    assert_eq!(ask("GET", balance, "").0, 400);
    let card = stripe402_protocol::encode(&json!({"paymentMethodId": "pm_1"}));
    assert_eq!(ask("GET", balance, &card).0, 400);
    let none = stripe402_protocol::encode(&json!({"clientId": "c8a2e"}));
    assert_eq!(
        ask("GET", balance, &none),
        (200, json!({"creditsRemaining": 0, "currency": "usd"}))
    );
}

#[test]
fn the_list_is_written_once_for_a_configuration() {
    let config = config();
    let ask = || {
        let step = Stream::new(Rc::clone(&config)).on_request(
            &head("/.well-known/stripe402", ""),
            &UNSAID,
            &mut minting(),
        );
        let Step::Reply(reply) = step else { panic!("{step:?}") };
        reply.body
    };
    assert!(Rc::ptr_eq(&ask(), &ask()));
}

#[test]
fn access_logs_are_told_what_became_of_it_and_no_credential() {
    let (mut stream, _) = start("/api/joke", &json!({"clientId": CLIENT}));
    let step =
        stream.on_deduction(Ok(DeductionOutcome::Deducted(Units::from_u32(900))), &mut minting());
    let text = stream.describe(&step.unwrap()).unwrap();
    let deduction = DeductionId::mint(1, [7; 10]);
    let subject = CLIENT.parse::<ClientId>().unwrap().subject();
    let expected = format!(
        "outcome=paid route=joke price=100 currency=usd subject={subject} charge={deduction} left=900"
    );
    assert_eq!(text, expected);
    assert!(!text.contains(&CLIENT[..8]));
    let head = ResponseHead { status: 500, ..ResponseHead::default() };
    let voided = stream.on_response(&head, Origin::default).describe.unwrap();
    assert!(voided.starts_with("outcome=voided route=joke price=100"), "{voided}");
    let (stream, step) = start("/api/joke", &Value::Null);
    assert_eq!(stream.describe(&step).as_deref(), Some("outcome=challenge"));
    let (stream, step) = start("/api/free", &Value::Null);
    assert_eq!(stream.describe(&step), None);
}

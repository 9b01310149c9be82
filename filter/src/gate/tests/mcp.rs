//! One address, and a price for each tool.

use super::*;

fn config(mcp: &Value) -> Rc<Config> {
    let json = json!({
        "publishable_key": "pk_test_x",
        "ledger": {"cluster": "ledger"},
        "routes": [{"name": "mcp", "path": "/mcp", "mcp": mcp}],
        "limits": {"mcp_body_bytes": 1_024},
    });
    Rc::new(Config::parse(json.to_string().as_bytes()).unwrap())
}

fn usual() -> Value {
    json!({"tools": {"echo": 0, "search": 100, "report": {"price": 2_500, "description": "All of it"}}})
}

/// Headers beside those of every request, and whether the head is all.
fn begin(method: &str, more: &[(&str, &str)], ends: bool) -> (Stream, Step) {
    let mut stream = Stream::new(config(&usual()));
    let headers = [(":method", method), (":path", "/mcp?x=1")].into_iter();
    let headers = headers.chain(more.iter().copied());
    let headers = headers.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let head = Head { ends, ..Head::read(headers, &Identity::default(), None) };
    let step = stream.on_request(&head, &UNSAID, &mut minting());
    (stream, step)
}

const JSON: (&str, &str) = ("content-type", "application/json");

/// What a message of this text comes to, in a word, and the answer's JSON if it is ours.
fn send(body: &str, more: &[(&str, &str)]) -> (String, Value) {
    let (mut stream, step) = begin("POST", &[&[JSON], more].concat(), false);
    let step = match step {
        Step::Read => match stream.on_request_body(body.as_bytes(), true, &mut minting()) {
            BodyStep::Decided(decided) => decided.step,
            other => panic!("{other:?}"),
        },
        step => step,
    };
    told(&step)
}

fn told(step: &Step) -> (String, Value) {
    match step {
        Step::Reply(reply) => {
            let body: Value = serde_json::from_slice(&reply.body).unwrap();
            assert_eq!(body["jsonrpc"], "2.0", "{body}");
            assert_eq!(body["error"]["data"]["httpStatus"], reply.status);
            (format!("{} {}", reply.status, body["error"]["code"]), body)
        }
        Step::Deduct(deduction) => {
            (format!("{} {}", deduction.route, deduction.amount), Value::Null)
        }
        step => (word(step), Value::Null),
    }
}

fn call(name: &str) -> String {
    json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": name}}).to_string()
}

fn paying() -> String {
    stripe402_protocol::encode(&json!({"clientId": CLIENT}))
}

#[test]
fn each_tool_has_its_price() {
    let payment = paying();
    let paid = [("payment", payment.as_str())];
    for (body, of_nobody, of_payer) in [
        (call("echo"), "free", "free"),
        (call("search"), "402 -32042", "mcp search 100"),
        (call("report"), "402 -32042", "mcp report 2500"),
        (call("other"), "403 -32601", "403 -32601"),
        (call("Search"), "403 -32601", "403 -32601"),
        (r#"{"id":1,"method":"initialize"}"#.to_owned(), "free", "free"),
        (r#"{"method":"notifications/initialized"}"#.to_owned(), "free", "free"),
        (r#"{"id":1,"result":{}}"#.to_owned(), "free", "free"),
        (r#"{"id":1,"method":"resources/read"}"#.to_owned(), "403 -32601", "403 -32601"),
        (call("search").replace("\"id\":7,", ""), "400 -32600", "400 -32600"),
        (format!("[{}]", call("echo")), "400 -32600", "400 -32600"),
        ("{".to_owned(), "400 -32700", "400 -32700"),
        (call("search").replace('}', " ").repeat(40), "413 -32600", "413 -32600"),
        (
            r#"{"id":1,"method":"ping","Method":"tools/call"}"#.to_owned(),
            "400 -32600",
            "400 -32600",
        ),
    ] {
        assert_eq!(send(&body, &[]).0, of_nobody, "{body}");
        assert_eq!(send(&body, &paid).0, of_payer, "{body}");
    }
}

#[test]
fn a_refusal_says_what_it_costs_in_json_rpc() {
    let (_, body) = send(&call("report"), &[]);
    assert_eq!(body["id"], 7);
    let error = &body["error"];
    assert_eq!(
        (&error["message"], &error["data"]["price"]),
        (&"Payment Required".into(), &2_500.into())
    );
    assert_eq!(error["data"]["resource"]["url"], "/mcp");
    assert_eq!(error["data"]["resource"]["description"], "All of it");
    assert_eq!(error["data"]["accepts"][0]["scheme"], "stripe");
    let (_, search) = send(&call("search"), &[]);
    assert_eq!(search["error"]["data"]["resource"]["description"], "MCP tool: search");
    let text = call("report").replace("\"id\":7", "\"id\":\"a\\\"b\"");
    assert_eq!(send(&text, &[]).1["id"], "a\"b");
    let wrong = stripe402_protocol::encode(&json!({"clientId": 7}));
    let (word, body) = send(&call("search"), &[("payment", &wrong)]);
    assert_eq!(
        (word.as_str(), &body["error"]["data"]["errorCode"]),
        ("402 -32043", &"invalid_payment".into())
    );
}

#[test]
fn what_headers_say_must_be_what_the_body_says() {
    let base64 = "=?base64?c2VhcmNo?=";
    for (headers, expected) in [
        (&[("mcp-method", "tools/call"), ("mcp-name", "search")][..], "402 -32042"),
        (&[("mcp-method", "tools/call"), ("mcp-name", base64)], "402 -32042"),
        (&[("mcp-name", "search")], "402 -32042"),
        (&[("mcp-method", "tools/list")], "400 -32020"),
        (&[("mcp-method", "tools/call"), ("mcp-name", "echo")], "400 -32020"),
        (&[("mcp-name", "Search")], "400 -32020"),
        (&[("mcp-name", "=?base64?c2VhcmNo")], "400 -32020"),
        (&[("mcp-name", "=?base64?!?=")], "400 -32020"),
        (&[("mcp-name", "search"), ("mcp-name", "search")], "400 -32600"),
        (&[("mcp_name", "echo")], "400 -32020"),
        (&[("mcp-name", "search"), ("mcp_name", "search")], "400 -32600"),
        (&[("mcp_method", "tools/list")], "400 -32020"),
        (&[("expect", "100-continue")], "417 -32600"),
        (&[("x-http-method-override", "GET")], "400 -32600"),
        (&[("content-encoding", "gzip")], "415 -32600"),
        (&[("content-type", "text/plain")], "415 -32600"),
    ] {
        assert_eq!(send(&call("search"), headers).0, expected, "{headers:?}");
    }
    assert_eq!(send(&call("echo"), &[("mcp-name", "search")]).0, "400 -32020");
}

#[test]
fn only_a_post_has_a_message() {
    for (method, ends, expected) in [
        ("GET", true, "free"),
        ("HEAD", true, "free"),
        ("DELETE", true, "free"),
        ("POST", true, "400 -32700"),
        ("PUT", true, "405 -32600"),
        ("PATCH", false, "405 -32600"),
        ("post", false, "405 -32600"),
        ("CONNECT", false, "405 -32600"),
        ("POST", false, "read"),
        ("GET", false, "read"),
    ] {
        assert_eq!(told(&begin(method, &[JSON], ends).1).0, expected, "{method}");
    }
    for (body, expected) in [("", "free"), (&*call("echo"), "400 -32600")] {
        let (mut stream, _) = begin("GET", &[JSON], false);
        let BodyStep::Decided(decided) =
            stream.on_request_body(body.as_bytes(), true, &mut || None)
        else {
            panic!("not decided")
        };
        assert_eq!(told(&decided.step).0, expected, "{body}");
    }
    assert_eq!(told(&begin("POST", &[], false).1).0, "415 -32600", "no content type");
}

#[test]
fn a_body_is_waited_for_to_its_end() {
    let payment = paying();
    let (mut stream, _) = begin("POST", &[JSON, ("payment", &payment)], false);
    let body = call("search");
    let (last, first) = body.as_bytes().split_last().unwrap();
    for byte in first {
        assert_eq!(stream.request_body_use(), RequestBodyUse::Decide);
        let step = stream.on_request_body(&[*byte], false, &mut minting());
        assert!(matches!(step, BodyStep::Hold), "{step:?}");
    }
    let BodyStep::Decided(decided) = stream.on_request_body(&[*last], true, &mut minting()) else {
        panic!("not decided")
    };
    assert_eq!(told(&decided.step).0, "mcp search 100");
    assert_eq!(stream.request_body_use(), RequestBodyUse::Wait);
    let (mut late, _) = begin("POST", &[JSON], false);
    late.read_from(5);
    assert!(late.is_reading_since(5) && !late.is_reading_since(6));
    late.on_request_body(b"{", false, &mut || None);
    let step = late.on_late_body().unwrap();
    assert_eq!(told(&step).0, "408 -32600");
    assert!(late.on_late_body().is_none());
}

#[test]
fn clients_find_what_tools_cost() {
    let mut stream = Stream::new(config(&usual()));
    let step = stream.on_request(&head("/.well-known/stripe402", ""), &UNSAID, &mut minting());
    let Step::Reply(reply) = step else { panic!("{step:?}") };
    let listed: Value = serde_json::from_slice(&reply.body).unwrap();
    let route = &listed["routes"][0];
    assert_eq!(route["price"], Value::Null);
    assert_eq!(route["mcp"]["tools"]["echo"], json!({"free": true}));
    assert_eq!(route["mcp"]["tools"]["report"]["price"], 2_500);
    assert_eq!(route["mcp"]["tools"]["report"]["description"], "All of it");
    assert_eq!(route["mcp"].get("other"), None);
}

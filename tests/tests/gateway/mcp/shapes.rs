//! Requests by which somebody may hope to get a dear tool for less.

use serde_json::json;

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

const JSON: &str = "application/json";
const CHEAP: [&str; 2] = ["echo", "search"];
const DEAR: &str = "report";

fn post(body: impl Into<Vec<u8>>) -> Shape {
    let headers = vec![("content-type", JSON.to_owned())];
    Shape { method: "POST", path: "/mcp", headers, body: body.into() }
}

fn with(shape: Shape, more: &[(&'static str, &str)]) -> Shape {
    let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
    Shape { headers: shape.headers.into_iter().chain(more).collect(), ..shape }
}

pub(super) fn call(name: &str) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": {}}})
        .to_string()
}

/// All of them.
pub(super) fn all() -> Vec<Shape> {
    [honest(), repeated(), mirrored(), encoded(), odd()].concat()
}

/// What clients send. Each must be served.
pub(super) fn honest() -> Vec<Shape> {
    let free = [
        r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","id":"a","method":"tools/list","params":{"name":"report"}}"#,
        r#"{"jsonrpc":"2.0","id":9,"result":{"name":"report","method":"tools/call"}}"#,
        r#"{"jsonrpc":"2.0","id":2,"method":"server/discover","params":{"_meta":{"name":"report"}}}"#,
    ];
    let calls = CHEAP.iter().chain([&DEAR]).map(|name| post(call(name)));
    let new = CHEAP
        .iter()
        .chain([&DEAR])
        .map(|name| with(post(call(name)), &[("mcp-method", "tools/call"), ("mcp-name", name)]));
    let nested = json!({"id": 1, "method": "tools/call", "params": {"arguments": {"name": DEAR, "method": "x"},
        "name": "echo"}});
    let resumed = with(post(""), &[("mcp-session-id", "x"), ("last-event-id", "7")]);
    let resumed = Shape { method: "GET", ..resumed };
    free.into_iter()
        .map(post)
        .chain([resumed])
        .chain(calls)
        .chain(new)
        .chain([post(nested.to_string())])
        .collect()
}

/// A field that is there again, in another spelling or of another kind, before or after.
fn repeated() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for cheap in CHEAP {
        let cases = [
            ("name", format!("\"{cheap}\""), format!("\"{DEAR}\"")),
            ("params", format!("{{\"name\":\"{cheap}\"}}"), format!("{{\"name\":\"{DEAR}\"}}")),
            ("method", "\"tools/list\"".to_owned(), "\"tools/call\"".to_owned()),
        ];
        for (field, mild, dear) in cases {
            for spelling in spellings(field) {
                for dear in [dear.clone(), format!("[{dear}]"), format!("[[{dear}]]")] {
                    for dear_first in [false, true] {
                        let own = format!("\"{field}\":{mild}");
                        let other = format!("\"{spelling}\":{dear}");
                        let both = if dear_first { [other, own] } else { [own, other] }.join(",");
                        shapes.push(post(message(field, &both)));
                    }
                }
            }
            shapes.push(post(message(field, &format!("\"{field}\":{mild},\"{field}\":null"))));
            shapes.push(post(message(field, &format!("\"{field}\":null,\"{field}\":{dear}"))));
            for spelling in spellings(field) {
                shapes.push(post(message(field, &format!("\"{spelling}\":{dear}"))));
            }
        }
    }
    shapes
}

/// A call whose field of this name is given.
fn message(field: &str, given: &str) -> String {
    match field {
        "name" => format!(r#"{{"id":1,"method":"tools/call","params":{{{given}}}}}"#),
        "params" => format!(r#"{{"id":1,"method":"tools/call",{given}}}"#),
        _ => format!(r#"{{"id":1,{given},"params":{{"name":"{DEAR}"}}}}"#),
    }
}

/// How a field may be written that somebody takes for this one.
fn spellings(field: &str) -> Vec<String> {
    let (first, rest) = field.split_at(1);
    let capital = first.to_uppercase();
    vec![
        field.to_owned(),
        format!("{capital}{rest}"),
        field.to_uppercase(),
        format!("\\u{:04x}{rest}", first.as_bytes()[0]),
        format!("\\u{:04x}{rest}", capital.as_bytes()[0]),
        format!("{field}\\u0000"),
        format!("{field}\\u0000x"),
    ]
}

/// Headers that say something else than the body.
fn mirrored() -> Vec<Shape> {
    let base64 =
        ["=?base64?ZWNobw==?=", "=?base64?cmVwb3J0?=", "=?base64?!?=", "=?BASE64?cmVwb3J0?="];
    let names = ["echo", "search", DEAR, "Report", ""].into_iter().chain(base64);
    let mut shapes = Vec::new();
    for body in [call("echo"), call(DEAR), r#"{"id":1,"method":"tools/list"}"#.to_owned()] {
        for method in [None, Some("tools/call"), Some("tools/list"), Some("Tools/Call"), Some("")] {
            let method: Vec<_> = method.iter().map(|method| ("mcp-method", *method)).collect();
            for name in names.clone() {
                shapes
                    .push(with(post(body.clone()), &[&method[..], &[("mcp-name", name)]].concat()));
            }
            let twice = [&method[..], &[("mcp-name", "echo"), ("mcp-name", DEAR)]].concat();
            shapes.push(with(post(body.clone()), &twice));
        }
    }
    shapes
}

/// The same in encodings that somebody understands.
fn encoded() -> Vec<Shape> {
    let wide = |bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        call(DEAR).encode_utf16().flat_map(bytes).collect()
    };
    let bodies = [
        format!("\u{feff}{}", call(DEAR)).into_bytes(),
        wide(u16::to_le_bytes),
        wide(u16::to_be_bytes),
        format!("method=tools/call&params[name]={DEAR}").into_bytes(),
        format!(
            r#"{{"id":1,"method":"tools/list","x":"&method=tools/call&params[name]={DEAR}&"}}"#
        )
        .into_bytes(),
        call(DEAR).into_bytes(),
    ];
    let types = [
        None,
        Some(JSON),
        Some("APPLICATION/JSON; charset=utf-8"),
        Some("application/json; charset=utf-16"),
        Some("application/json;charset=\"UTF-16LE\""),
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=x"),
        Some("application/json, text/plain"),
        Some(""),
    ];
    let mut shapes = Vec::new();
    for body in bodies {
        for one in types {
            let headers: Vec<_> = one.iter().map(|of| ("content-type", (*of).to_owned())).collect();
            shapes.push(Shape { headers, ..post(body.clone()) });
        }
        shapes.push(with(post(body.clone()), &[("content-type", "text/plain")]));
        for coding in ["gzip", "identity", "br", "identity, gzip"] {
            shapes.push(with(post(body.clone()), &[("content-encoding", coding)]));
        }
    }
    shapes
}

/// Batches, other methods of HTTP, cut and glued bodies, names that look alike.
fn odd() -> Vec<Shape> {
    let (cheap, dear) = (call("echo"), call(DEAR));
    let list = r#"{"id":1,"method":"tools/list"}"#;
    let bodies = [
        format!("[{dear}]"),
        format!("[{cheap},{dear}]"),
        format!("[{list}]"),
        format!("{cheap}{dear}"),
        format!("{cheap}\n{dear}"),
        format!("{list}\n{dear}"),
        dear.replace("\"id\":1,", ""),
        dear.replace("\"id\":1", "\"id\":null"),
        dear.replace("\"jsonrpc\"", "\"result\":{},\"jsonrpc\""),
        dear.replace("\"jsonrpc\"", "\"error\":{\"code\":1,\"message\":\"\"},\"jsonrpc\""),
        dear[..dear.len() - 1].to_owned(),
        format!("{dear},"),
        format!("{cheap}//{dear}"),
        format!(r#"{{"id":1,"method":"tools/call","params":["{DEAR}"]}}"#),
        format!(r#"{{"id":1,"method":"tools/call","params":[{{"name":"{DEAR}"}}]}}"#),
        format!(r#"{{"id":1,"method":"tools/call","params":{{"name":["{DEAR}"]}}}}"#),
        format!(r#"{{"id":1,"method":["tools/call"],"params":{{"name":"{DEAR}"}}}}"#),
        dear.replace(DEAR, "Report"),
        dear.replace(DEAR, " report"),
        dear.replace(DEAR, "report\\u0000"),
        dear.replace(DEAR, "re\\u0000port"),
        dear.replace(DEAR, "r\\u0065port"),
        dear.replace(DEAR, "re-port"),
        dear.replace("tools/call", "Tools/Call"),
        dear.replace("tools/call", "tools/call "),
        dear.replace("tools/call", "tools\\/call"),
        dear.replace("tools/call", "tools/call\\u0000"),
        dear.replace("tools/call", "notifications/tools/call"),
        format!("{}{dear}", " ".repeat(70_000)),
        format!("{}{dear}", " ".repeat(300_000)),
        format!(r#"{{"a":{}1{},{}"#, "[".repeat(200), "]".repeat(200), &dear[1..]),
    ];
    let mut shapes: Vec<Shape> = bodies.iter().map(|body| post(body.clone())).collect();
    for method in ["GET", "HEAD", "DELETE", "PUT", "PATCH", "OPTIONS", "QUERY", "post"] {
        for body in ["", list, &dear] {
            shapes.push(Shape { method, ..post(body) });
        }
    }
    for header in ["x-http-method-override", "x-http-method", "x-method-override"] {
        for (method, body) in [("POST", list), ("POST", &*dear), ("GET", &*dear), ("GET", "")] {
            shapes.push(with(Shape { method, ..post(body) }, &[(header, "POST")]));
        }
    }
    for path in ["/MCP", "/mcp/", "/mcp?method=tools/list", "/mcp;a=b", "/%6dcp", "/./mcp", "//mcp"]
    {
        shapes.push(Shape { path, ..post(dear.clone()) });
    }
    shapes
}

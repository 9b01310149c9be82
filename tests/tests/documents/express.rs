//! `docs/express.md`: its lines of JavaScript run, its route lets the middleware be paid, its command exists.

use std::process::Command;

use serde_json::{Value, json};
use stripe402_tests::{
    binary,
    stack::{Stack, StackOptions},
    wire,
};

use super::{blocks, read};

/// The one block in this language.
fn block(language: &str) -> String {
    let document = read("docs/express.md");
    let found: Vec<_> = blocks(&document).into_iter().filter(|(of, _)| *of == language).collect();
    assert_eq!(found.len(), 1, "{language}");
    found[0].1.to_owned()
}

/// Of a payment, only the client id reaches the middleware, whatever else is in it.
#[test]
fn the_lines_switch_card_payments_off() {
    let id = "0123456789abcdef".repeat(4);
    let card = json!({"paymentMethodId": "pm_1", "topUpAmount": 50_000});
    let rows: [(Value, Value); 6] = [
        (json!(wire::encode(&json!({"clientId": id}))), json!({"clientId": id})),
        (json!(wire::encode(&card)), Value::Null),
        (
            json!(wire::encode(&json!({"clientId": id, "paymentMethodId": "pm_1"}))),
            json!({"clientId": id}),
        ),
        (json!("!!!"), Value::Null),
        (json!(wire::encode(&Value::Null)), Value::Null),
        (Value::Null, Value::Null),
    ];
    let sent: Vec<&Value> = rows.iter().map(|(sent, _)| sent).collect();
    let script = format!(
        "let handler; const app = {{ use: (given) => {{ handler = given }} }};\n{}\n\
         const heard = {}.map((payment) => {{\n\
           const req = {{ headers: payment === null ? {{}} : {{ payment }} }};\n\
           let went = false; handler(req, {{}}, () => {{ went = true }});\n\
           if (!went) throw new Error('the request was held');\n\
           return req.headers.payment ? JSON.parse(Buffer.from(req.headers.payment, 'base64')) : null;\n\
         }});\n\
         console.log(JSON.stringify(heard));",
        block("js"),
        json!(sent),
    );
    let output = Command::new("node").args(["-e", &script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let heard: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let expected: Vec<Value> = rows.into_iter().map(|(_, expected)| expected).collect();
    assert_eq!(heard, expected);
}

/// Where the filter is switched off, the middleware behind it gets the payment; elsewhere it does not.
#[tokio::test]
async fn the_route_lets_the_middleware_be_paid() {
    let route: Vec<Value> = serde_norway::from_str(&block("yaml")).unwrap();
    let options = StackOptions::new().config(move |config| {
        let routes = config.routes()?.as_array_mut().unwrap();
        routes.splice(0..0, route);
        Ok(())
    });
    let stack = Stack::start(options).await.unwrap();
    let payment = json!({"clientId": "0123456789abcdef".repeat(4)});
    for (path, arrives) in [("/api/old/joke", true), ("/api/health", false)] {
        stack.pay(path, &payment).send().await.unwrap();
        let heard = stack.upstream.recorder().last().unwrap();
        assert_eq!(heard.header(wire::PAYMENT).is_some(), arrives, "{path}");
    }
}

#[test]
fn the_import_is_a_command_with_these_settings() {
    let output =
        Command::new(binary::ledger().unwrap()).args(["import", "express", "--help"]).output();
    let help = String::from_utf8(output.unwrap().stdout).unwrap();
    for variable in ["EXPRESS_DATABASE_URL", "LEDGER_STORE"] {
        assert!(help.contains(variable) && block("text").contains(variable), "{variable}");
    }
}

//! What operators see of the holds that are open, and what a payer is told of one request.

use reqwest::Method;
use serde_json::{Value, json};
use stripe402_protocol::message::{Batch, Capture, Deduction, Void};
use stripe402_tests::stack::{Stack, StackOptions};

use crate::{
    answer::{Answer, paid_client, pay, send},
    operator::{batch, get, hold, request, send_batch, subject},
};

#[tokio::test]
async fn open_holds_are_listed_the_earliest_end_first() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    assert_eq!(get(&stack, "/holds").await, json!({"holds": [], "more": false}));
    let (client, other) = (paid_client(&stack).await, paid_client(&stack).await);
    let late = hold(&stack, &client, ("chat", 2_000), (90, 3_600)).await;
    let early = hold(&stack, &other, ("images", 500), (0, 60)).await;
    let all = get(&stack, "/holds").await;
    assert_eq!(
        (&all["holds"][0]["charge"], &all["holds"][1]["charge"], &all["more"]),
        (&json!(early.id), &json!(late.id), &json!(false)),
        "{all}"
    );
    let own = get(&stack, &format!("/holds?client={client}")).await;
    let mut shown = own["holds"][0].clone();
    let age = shown.as_object_mut().unwrap().remove("age_seconds").unwrap();
    assert!((90..100).contains(&age.as_u64().unwrap()), "{age}");
    let expected = json!({"charge": late.id, "subject": subject(&client), "currency": "usd",
        "amount": 2_000, "route": "chat", "at_ms": late.id.minted_ms(),
        "ends_ms": late.hold.unwrap().ends_ms, "at_end": 200, "lease": false});
    assert_eq!((shown, own["holds"].as_array().unwrap().len()), (expected, 1));
    assert!(!all.to_string().contains(&client), "a client id is a credential");
    let one = get(&stack, "/holds?limit=1").await;
    assert_eq!((&one["holds"][0], &one["more"]), (&all["holds"][0], &json!(true)));
    let details = get(&stack, &format!("/clients/{}", subject(&client))).await;
    assert_eq!(details["holds"][0]["charge"], json!(late.id), "{details}");

    for (query, status) in [
        ("limit=0", 400),
        ("limit=501", 400),
        ("cursor=1", 400),
        ("client=me", 400),
        ("client=0123456789abcdef", 404),
    ] {
        let answer = send(request(&stack, Method::GET, &format!("/holds?{query}"))).await;
        assert_eq!(answer.status, status, "{query}: {answer:?}");
    }
    let Deduction { id, client_id, amount, .. } = late;
    let capture = Capture { id, client_id, amount, count: 1 };
    send_batch(&stack, Batch { captures: vec![capture], ..batch(vec![]) }).await;
    assert_eq!(get(&stack, &format!("/holds?client={client}")).await["holds"], json!([]));
}

async fn settlement(stack: &Stack, client: &str, id: &str) -> Answer {
    let asked = json!({"version": 3, "clientId": client, "id": id});
    let url = stack.ledgers[0].url("/v1/settlement");
    send(stack.client.post(url).bearer_auth(&stack.secrets.ledger_token).json(&asked)).await
}

async fn settled(stack: &Stack, client: &str, of: &Deduction) -> Value {
    let answer = settlement(stack, client, &of.id.to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut body = answer.body;
    let fields = body.as_object_mut().unwrap();
    assert_eq!(fields.remove("id"), Some(json!(of.id)));
    assert_eq!(fields.remove("currency"), Some(json!("usd")));
    body
}

#[tokio::test]
async fn a_payer_is_told_what_became_of_a_request() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let (client, stranger) = (paid_client(&stack).await, paid_client(&stack).await);
    pay(&stack, "/api/joke", json!({"clientId": client})).await.receipt();
    let details = get(&stack, &format!("/clients/{}", subject(&client))).await;
    let flat = details["accounts"][0]["recent"][0]["charge"].as_str().unwrap();
    let answer = settlement(&stack, &client, flat).await;
    let expected = json!({"id": flat, "state": "captured", "captured": 100, "currency": "usd",
        "creditsRemaining": 49_400});
    assert_eq!((answer.status, &answer.body), (200, &expected));

    let held = hold(&stack, &client, ("chat", 2_000), (0, 600)).await;
    let expected = json!({"state": "held", "held": 2_000, "creditsRemaining": 47_400});
    assert_eq!(settled(&stack, &client, &held).await, expected);
    let capture = Capture {
        id: held.id,
        client_id: held.client_id,
        amount: stripe402_protocol::Units::from_u32(300),
        count: 1,
    };
    send_batch(&stack, Batch { captures: vec![capture], ..batch(vec![]) }).await;
    let expected =
        json!({"state": "captured", "held": 2_000, "captured": 300, "creditsRemaining": 49_100});
    assert_eq!(settled(&stack, &client, &held).await, expected);
    let void = Void { id: held.id, client_id: Some(held.client_id) };
    send_batch(&stack, Batch { voids: vec![void], ..batch(vec![]) }).await;
    let expected = json!({"state": "released", "captured": 0, "creditsRemaining": 49_400});
    assert_eq!(settled(&stack, &client, &held).await, expected);

    // Nobody learns which ids there are: one answer for another's, unknown ones, and marks.
    let marked = Deduction {
        id: stripe402_protocol::DeductionId::mint(held.id.minted_ms(), [9; 10]),
        ..held.clone()
    };
    let unknown = stripe402_protocol::DeductionId::mint(held.id.minted_ms(), [8; 10]);
    let void = Void { id: marked.id, client_id: Some(marked.client_id) };
    send_batch(&stack, Batch { voids: vec![void], ..batch(vec![]) }).await;
    let mut told = Vec::new();
    for (of, id) in [
        (&client, unknown.to_string()),
        (&client, marked.id.to_string()),
        (&stranger, held.id.to_string()),
        (&stranger, flat.to_owned()),
    ] {
        let answer = settlement(&stack, of, &id).await;
        assert_eq!((answer.status, &answer.body["error"]["code"]), (404, &json!("not_found")));
        told.push(answer.body);
    }
    assert!(told.windows(2).all(|two| two[0] == two[1]), "{told:?}");

    let url = stack.ledgers[0].url("/v1/settlement");
    let asked = json!({"version": 3, "clientId": client, "id": flat});
    assert_eq!(send(stack.client.post(&url).json(&asked)).await.status, 401);
    let later = json!({"version": 8, "clientId": client, "id": flat});
    let later = stack.client.post(&url).bearer_auth(&stack.secrets.ledger_token).json(&later);
    let answer = send(later).await;
    assert_eq!((answer.status, &answer.body["error"]["code"]), (400, &json!("newer_version")));
}

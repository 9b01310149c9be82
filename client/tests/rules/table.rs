//! What is answered, and what is done.

use serde_json::{Value, json};
use stripe402_client::{Budget, Error, Outcome, Pays, Policy, Purse, Request};
use stripe402_protocol::Units;

use crate::{
    server::{Fault, Server, client_id},
    talk::{NOW, ORIGIN, Payer, card, policy, request},
};

fn units(units: u32) -> Option<Units> {
    Some(Units::from_u32(units))
}

#[test]
fn asked_once_then_charged_once_then_one_round_trip_each() {
    let (mut server, mut payer) = (Server::new(), Payer::default());
    let paid = payer.paid(&mut server, &policy());
    assert_eq!((paid.charged, paid.credits_remaining.get()), (units(50_000), 49_500));
    assert_eq!(server.seen.len(), 2);
    let sent = server.seen[1].clone().unwrap();
    assert_eq!(
        sent,
        json!({
            "stripe402Version": 1, "paymentMethodId": "pm_1", "topUpAmount": 50_000,
            "idempotencyKey": "key-1", "maxPrice": 10_000, "currency": "usd",
        })
    );
    for left in [49_000, 48_500] {
        let paid = payer.paid(&mut server, &policy());
        assert_eq!((paid.charged, paid.credits_remaining.get()), (None, left));
    }
    assert_eq!(server.seen.len(), 4, "one round trip per call");
    let id = client_id("pm_1").to_hex();
    let spend = json!({
        "stripe402Version": 1, "clientId": id, "maxPrice": 10_000, "currency": "usd",
    });
    assert_eq!(server.seen[3], Some(spend));
    assert_eq!(server.charges, [50_000]);
}

#[test]
fn a_balance_known_to_be_short_is_topped_up_in_one_round_trip() {
    let (mut server, mut payer) = (Server::new(), Payer::default());
    payer.paid(&mut server, &policy());
    server.balances.insert("pm_1".into(), 700);
    assert_eq!(payer.paid(&mut server, &policy()).credits_remaining.get(), 200);
    let before = server.seen.len();
    let paid = payer.paid(&mut server, &policy());
    assert_eq!((paid.charged, paid.credits_remaining.get()), (units(50_000), 49_700));
    assert_eq!(server.seen.len() - before, 1);
    assert_eq!(server.charges.len(), 2);
}

#[test]
fn a_balance_that_others_emptied_is_found_out_and_topped_up() {
    let (mut server, mut payer) = (Server::new(), Payer::default());
    payer.paid(&mut server, &policy());
    server.balances.insert("pm_1".into(), 0);
    assert_eq!(payer.paid(&mut server, &policy()).charged, units(50_000));
}

#[test]
fn a_server_without_extensions_is_asked_before_every_payment() {
    let (mut server, mut payer) = (Server { extensions: false, ..Server::new() }, Payer::default());
    payer.paid(&mut server, &policy());
    payer.paid(&mut server, &policy());
    let sent: Vec<_> = server.seen.iter().map(Option::is_some).collect();
    assert_eq!(sent, [false, true, false, true]);
    assert!(server.seen[3].clone().unwrap().get("maxPrice").is_none());
    server.price = 10_001;
    assert!(matches!(payer.failed(&mut server, &policy()), Error::PriceTooHigh { .. }));
    assert_eq!(server.served.len(), 2);
}

#[test]
fn a_price_that_rose_is_not_paid() {
    let (mut server, mut payer) = (Server::new(), Payer::default());
    payer.paid(&mut server, &policy());
    server.price = 10_001;
    let error = payer.failed(&mut server, &policy());
    assert!(matches!(error, Error::PriceTooHigh { price, .. } if price.get() == 10_001));
    assert_eq!(server.balances["pm_1"], 49_500);
}

#[test]
fn a_stale_client_id_is_replaced_by_the_cards() {
    let (mut server, mut payer) = (Server::new(), Payer::default());
    let stale = client_id("somebody else");
    let policy = Policy { client_id: Some(stale), ..policy() };
    let paid = payer.paid(&mut server, &policy);
    assert_eq!(paid.client_id, client_id("pm_1"));
    let before = server.seen.len();
    payer.paid(&mut server, &policy);
    assert_eq!(server.seen.len() - before, 1, "the stale one is not tried again");
}

#[test]
fn without_a_card_the_balance_is_all_there_is() {
    let (mut server, mut payer) = (Server::new(), Payer::default());
    let nothing = Policy::default();
    assert_eq!(payer.failed(&mut server, &nothing).code(), "payment_required");
    let id = Policy { client_id: Some(client_id("pm_9")), ..Policy::default() };
    assert_eq!(payer.failed(&mut server, &id).code(), "insufficient_credits");
    server.balances.insert("pm_9".into(), 500);
    assert_eq!(payer.paid(&mut server, &id).credits_remaining.get(), 0);
}

#[test]
fn a_card_is_asked_for_where_none_is_known() {
    let (mut server, mut payer) = (Server::new(), Payer::default());
    let asks = Policy { can_ask_for_card: true, ..Policy::default() };
    assert_eq!(payer.failed(&mut server, &asks).code(), "payment_required");
    payer.chooses = Some(card("pm_7"));
    assert_eq!(payer.paid(&mut server, &asks).charged, units(50_000));
    payer.chooses = None;
    assert_eq!(payer.paid(&mut server, &asks).charged, None, "the client id suffices");
}

#[test]
fn a_declined_card_is_not_tried_again_and_not_counted() {
    let (mut server, mut payer) = (Server { declines: true, ..Server::new() }, Payer::default());
    let policy = Policy { budget_total: units(50_000), ..policy() };
    for _ in 0..3 {
        assert_eq!(payer.failed(&mut server, &policy).code(), "card_declined");
    }
    server.declines = false;
    payer.paid(&mut server, &policy);
}

#[test]
fn budgets_stop_before_the_card() {
    let rows = [
        (Policy { budget_total: units(99_999), ..policy() }, Some(Budget::Total)),
        (Policy { budget_per_day: units(99_999), ..policy() }, Some(Budget::Day)),
        (Policy { budget_total: units(100_000), ..policy() }, None),
    ];
    for (policy, stops) in rows {
        let (mut server, mut payer) = (Server::new(), Payer::default());
        payer.paid(&mut server, &policy);
        server.balances.insert("pm_1".into(), 0);
        match (payer.call(&mut server, &policy, request()), stops) {
            (Err(Error::BudgetExceeded { budget, needed, left, .. }), Some(stops)) => {
                assert_eq!((budget, needed.get(), left.get()), (stops, 50_000, 49_999));
                assert_eq!(server.charges.len(), 1);
            }
            (Ok(_), None) => assert_eq!(server.charges.len(), 2),
            other => panic!("{policy:?}: {other:?}"),
        }
    }
}

#[test]
fn a_day_later_there_is_budget_again_and_the_total_remembers() {
    let (mut server, mut payer) = (Server::new(), Payer::default());
    let policy = Policy { budget_per_day: units(50_000), budget_total: units(100_000), ..policy() };
    for (day, served) in [(0, true), (1, true), (4, false)] {
        payer.now = day * 24 * 3600 + 1;
        server.balances.insert("pm_1".into(), 0);
        payer.purse.origins.values_mut().for_each(|known| known.balances.clear());
        assert_eq!(payer.call(&mut server, &policy, request()).is_ok(), served, "day {day}");
    }
    assert_eq!(server.charged(), 100_000);
}

#[test]
fn a_spent_budget_does_not_keep_a_balance_from_being_used() {
    let (mut server, mut payer) = (Server::new(), Payer::default());
    let policy = Policy { budget_total: units(50_000), ..policy() };
    payer.paid(&mut server, &policy);
    // Known to be short, and topped up by somebody else meanwhile.
    payer.purse.origins.get_mut(ORIGIN).unwrap().balances.insert("usd".into(), Units::ZERO);
    payer.paid(&mut server, &policy);
    assert_eq!(server.charges.len(), 1);
}

#[test]
fn a_charge_above_the_callers_limit_is_not_made() {
    let mut server = Server { min_top_up: 100_001, ..Server::new() };
    let error = Payer::default().failed(&mut server, &policy());
    assert!(matches!(error, Error::ChargeTooHigh { needed, .. } if needed.get() == 100_100));
    assert_eq!(server.seen, [None], "nothing was sent");
    let more = Policy { max_charge: units(100_100), ..policy() };
    assert_eq!(Payer::default().paid(&mut server, &more).charged, units(100_100));
}

#[test]
fn a_503_is_repeated_with_the_same_key() {
    let (mut server, mut payer) = (Server::new(), Payer::default());
    let mut faults = vec![None, Some(Fault::UnavailableAfterCharge), Some(Fault::Unavailable)];
    let policy = Policy { budget_total: units(50_000), ..policy() };
    let outcome = payer.faulty(&mut server, &policy, request(), &mut faults).unwrap();
    let Outcome::Paid(paid) = outcome else { panic!("{outcome:?}") };
    assert_eq!((paid.charged, paid.charge_id), (units(50_000), None));
    let keys: Vec<Value> =
        server.seen.iter().flatten().map(|p| p["idempotencyKey"].clone()).collect();
    assert_eq!(keys, ["key-1", "key-1", "key-1"]);
    assert_eq!((server.charges.len(), server.served.len()), (1, 1));
}

#[test]
fn a_503_to_a_client_id_is_repeated_where_the_body_can_be_sent_again() {
    let (mut server, mut payer) = (Server::new(), Payer::default());
    payer.paid(&mut server, &policy());
    let mut faults = vec![Some(Fault::Unavailable), Some(Fault::Unavailable)];
    let outcome = payer.faulty(&mut server, &policy(), request(), &mut faults);
    assert!(matches!(outcome, Ok(Outcome::Paid(_))), "{outcome:?}");
    let stream = Request { replayable: false, ..request() };
    let mut faults = vec![Some(Fault::Unavailable)];
    let outcome = payer.faulty(&mut server, &policy(), stream, &mut faults);
    assert_eq!(outcome, Err(Error::Unavailable { retry_after: Some(1) }));
    assert_eq!(server.served.len(), 2);
}

#[test]
fn what_is_not_known_is_asked_about_by_the_next_call_and_counts_until_then() {
    for fault in [Fault::LostAnswer, Fault::UnavailableAfterCharge, Fault::Unavailable] {
        let (mut server, mut payer) = (Server::new(), Payer::default());
        let policy = Policy { budget_total: units(50_000), retries: 0, ..policy() };
        let mut faults = vec![None, Some(fault)];
        let error = payer.faulty(&mut server, &policy, request(), &mut faults).unwrap_err();
        assert_eq!(error, Error::OutcomeUnknown, "{fault:?}");
        let usd = policy.currency;
        assert_eq!(
            payer.purse.spent(usd, NOW).get(),
            50_000,
            "{fault:?}: it may have been charged"
        );
        let paid = payer.paid(&mut server, &policy);
        assert_eq!(paid.charged, units(50_000), "{fault:?}");
        assert_eq!(server.charges, [50_000], "{fault:?}");
        let keys = server.seen.iter().flatten().map(|p| p["idempotencyKey"].clone());
        assert_eq!(keys.collect::<Vec<_>>(), ["key-1", "key-1"], "{fault:?}");
    }
}

#[test]
fn a_server_that_knows_no_keys_is_not_sent_the_card_again_at_once() {
    let (mut server, mut payer) = (Server { extensions: false, ..Server::new() }, Payer::default());
    let mut faults = vec![None, Some(Fault::UnavailableAfterCharge)];
    let error = payer.faulty(&mut server, &policy(), request(), &mut faults).unwrap_err();
    assert_eq!(error, Error::OutcomeUnknown);
    assert_eq!(payer.failed(&mut server, &policy()), Error::OutcomeUnknown);
    payer.now = 200;
    payer.paid(&mut server, &policy());
    assert_eq!(server.charges.len(), 1, "its credits were found");
}

#[test]
fn an_api_that_fails_is_the_callers_answer_and_its_top_up_is_found_again() {
    let (mut server, mut payer) = (Server::new(), Payer::default());
    let mut faults = vec![None, Some(Fault::ApiFails)];
    let outcome = payer.faulty(&mut server, &policy(), request(), &mut faults);
    assert_eq!(outcome, Ok(Outcome::NotTaken));
    payer.paid(&mut server, &policy());
    assert_eq!(
        (server.charges.len(), payer.purse.spent(policy().currency, NOW).get()),
        (1, 50_000)
    );
}

#[test]
fn an_earlier_charge_whose_credit_is_spent_does_not_stand_in_the_way() {
    let (mut server, mut payer) = (Server::new(), Payer::default());
    let mut faults = vec![None, Some(Fault::LostAnswer)];
    payer.faulty(&mut server, &policy(), request(), &mut faults).unwrap_err();
    server.balances.insert("pm_1".into(), 0);
    assert_eq!(payer.paid(&mut server, &policy()).charged, units(50_000));
    assert_eq!(server.charges.len(), 2);
    assert_eq!(payer.purse.spent(policy().currency, NOW).get(), 100_000);
}

#[test]
fn a_body_that_cannot_be_sent_again_is_sent_once() {
    let stream = || Request { replayable: false, method: "POST".into(), ..request() };
    let (mut server, mut payer) = (Server::new(), Payer::default());
    // Nothing is known: asked without the body, then paid with it.
    assert!(matches!(payer.call(&mut server, &policy(), stream()), Ok(Outcome::Paid(_))));
    // The client id goes with the body.
    assert!(matches!(payer.call(&mut server, &policy(), stream()), Ok(Outcome::Paid(_))));
    assert_eq!(server.seen.len(), 3);
    // Emptied by others: the body is gone, and the next call pays at once.
    server.balances.insert("pm_1".into(), 0);
    let error = payer.call(&mut server, &policy(), stream()).unwrap_err();
    assert_eq!(error.code(), "body_consumed");
    assert!(matches!(payer.call(&mut server, &policy(), stream()), Ok(Outcome::Paid(_))));
    assert_eq!(server.charges.len(), 2);
}

#[test]
fn credentials_stay_where_they_belong() {
    let (mut server, mut payer) = (Server::new(), Payer::default());
    payer.paid(&mut server, &policy());
    let elsewhere = |pays, origin: &str| Request { origin: origin.into(), pays, ..request() };
    let evil = "https://evil.example";
    let named = Policy { origins: Some(vec![ORIGIN.into()]), ..policy() };
    let both = Policy { origins: Some(vec![ORIGIN.into(), evil.into()]), ..policy() };
    let id = Policy { client_id: Some(client_id("pm_1")), ..Policy::default() };
    payer.paid(&mut server, &id);
    let rows: [(&Policy, Request, &str); 7] = [
        (&policy(), elsewhere(Pays::Yes, evil), "origin_not_allowed"),
        (&named, elsewhere(Pays::Yes, evil), "origin_not_allowed"),
        (&id, elsewhere(Pays::Yes, evil), "payment_required"),
        (&both, elsewhere(Pays::NotThere, evil), "origin_not_allowed"),
        (&policy(), elsewhere(Pays::NotAgain, ORIGIN), "paid_and_redirected"),
        (&policy(), elsewhere(Pays::Yes, "http://api.example"), "not_encrypted"),
        (&policy(), elsewhere(Pays::NotThere, ORIGIN), "origin_not_allowed"),
    ];
    for (policy, request, code) in rows {
        let before = server.seen.len();
        let shown = format!("{request:?}");
        assert_eq!(payer.call(&mut server, policy, request).unwrap_err().code(), code, "{shown}");
        assert_eq!(server.seen[before..], [None], "{shown}: nothing was sent but the question");
    }
    // By name it may be used at both.
    assert!(payer.call(&mut server, &both, elsewhere(Pays::Yes, evil)).is_ok());
}

#[test]
fn what_is_free_is_free() {
    let mut call = stripe402_client::Call::new(std::sync::Arc::new(policy()), request());
    let mut purse = Purse::default();
    use stripe402_client::{Answer, Event, Step};
    let step = call.step(&mut purse, Event::Start, 0);
    assert!(matches!(step, Step::Send { payment: None, card: false }));
    // A receipt that nobody paid for is not believed.
    let receipt = json!({"success": true, "creditsRemaining": 1, "clientId": client_id("x")});
    let answer = Answer {
        status: 200,
        payment_response: Some(stripe402_protocol::encode(&receipt)),
        ..Answer::default()
    };
    let step = call.step(&mut purse, Event::Answer(answer), 0);
    assert!(matches!(step, Step::Done { outcome: Outcome::Free }), "{step:?}");
    assert_eq!(purse, Purse::default());
}

/// Whatever is shown for finding faults holds nothing that could be spent.
#[test]
fn debug_does_not_give_credentials_away() {
    use stripe402_client::{Call, Event, Step};
    let card = "pm_1AbCdEfGhIjKlMnOp";
    let policy = std::sync::Arc::new(Policy::card(crate::talk::card(card)));
    let mut server = Server::new();
    let mut purse = Purse::default();
    let mut shown = format!("{policy:?}");
    for number in 0..2 {
        let request = Request { key: format!("key-{number}"), ..request() };
        let mut call = Call::new(policy.clone(), request);
        let mut event = Event::Start;
        loop {
            shown += &format!("{event:?}{call:?}");
            let step = call.step(&mut purse, event, NOW);
            shown += &format!("{step:?}{purse:?}{call:?}");
            event = match step {
                Step::Send { payment, .. } => {
                    let header = payment.as_ref().map(|payment| payment.expose());
                    shown = shown.replace("Secret(…)", "");
                    if let Some(header) = header {
                        assert!(!shown.contains(header), "{shown}");
                    }
                    Event::Answer(server.answer(number, header, None).unwrap())
                }
                Step::TakeTurn => Event::Turn,
                Step::Done { .. } => break,
                step => panic!("{step:?}"),
            };
        }
    }
    let refusal = json!({
        "success": false, "creditsRemaining": 0, "clientId": "", "error": "confirm",
        "errorCode": "payment_failed", "reason": "authentication_required",
        "clientSecret": "pi_1_secret_2",
    });
    let refusal = stripe402_client::Answer {
        body: Some(refusal.to_string()),
        ..crate::server::refused("payment_failed", None)
    };
    server.balances.clear();
    purse.origins.clear();
    let mut call = Call::new(policy, request());
    call.step(&mut purse, Event::Start, 0);
    let challenge = crate::server::challenge(&server.challenge());
    call.step(&mut purse, Event::Answer(challenge), 0);
    call.step(&mut purse, Event::Turn, 0);
    let step = call.step(&mut purse, Event::Answer(refusal), 0);
    let Step::Fail { error } = &step else { panic!("{step:?}") };
    assert_eq!(error.to_json()["clientSecret"], "pi_1_secret_2");
    shown += &format!("{step:?}{error}");
    for secret in [card, &client_id(card).to_hex(), "pi_1_secret_2"] {
        assert!(!shown.contains(secret), "{secret} is shown");
    }
}

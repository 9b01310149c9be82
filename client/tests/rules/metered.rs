//! Prices that are known only afterwards: what is held counts until it is settled, and once.

use proptest::prelude::*;
use serde_json::{Value, json};
use stripe402_client::{
    Answer, Error, Hold, Paid, Policy, Purse, Settlement, SettlementState, Settling, Terms,
};
use stripe402_protocol::{ClientId, Currency, DeductionId, Units, encode};

use crate::{
    server::{Server, client_id},
    talk::{NOW, ORIGIN, Payer, policy, request},
};

const MOST: u32 = 20_000;

/// $2.00 at most, and a caller who pays that.
fn metered() -> (Server, Payer, Policy) {
    let server = Server { price: MOST.into(), meters: true, ..Server::new() };
    let policy = Policy { max_price: Some(Units::from_u32(MOST)), ..policy() };
    (server, Payer::default(), policy)
}

fn hold(paid: &Paid) -> Hold {
    paid.hold.clone().expect("nothing is held")
}

fn left(purse: &Purse) -> i64 {
    purse.known(ORIGIN).unwrap().balances["usd"].get()
}

fn held(purse: &Purse) -> i64 {
    purse.held(Currency::USD).get()
}

/// Asks the server once, `waited` milliseconds after the first time.
fn ask(server: &Server, purse: &mut Purse, hold: &Hold, waited: u64) -> Settling {
    let (status, body) = server.settlement(hold.id);
    hold.heard(purse, Some((status, &body.to_string())), waited)
}

fn settled(settling: Settling) -> Settlement {
    match settling {
        Settling::Done(settlement) => settlement,
        other => panic!("{other:?}"),
    }
}

/// The receipt that comes after an answer.
fn trailer(hold: &Hold, cost: Option<i64>, left: i64) -> String {
    let mut told = json!({
        "success": true, "creditsRemaining": left, "clientId": client_id("pm_1"),
        "hold": {"id": hold.id, "amount": hold.amount},
    });
    if let Some(cost) = cost {
        told["hold"]["captured"] = json!(cost);
    }
    encode(&told)
}

#[test]
fn the_whole_hold_counts_until_what_it_cost_is_known() {
    let (mut server, mut payer, policy) = metered();
    let paid = payer.paid(&mut server, &policy);
    let hold = hold(&paid);
    assert_eq!((hold.amount.get(), hold.origin.as_str()), (20_000, ORIGIN));
    assert_eq!((paid.credits_remaining.get(), left(&payer.purse)), (30_000, 30_000));
    assert_eq!(held(&payer.purse), 20_000);
    // Open still: it is asked again.
    let again = ask(&server, &mut payer.purse, &hold, 0);
    assert_eq!(again, Settling::Again { after: 100 });
    assert_eq!((held(&payer.purse), left(&payer.purse)), (20_000, 30_000));

    server.capture(hold.id, 125);
    let told = settled(ask(&server, &mut payer.purse, &hold, 100));
    assert_eq!((told.captured, told.state), (Units::new(125).ok(), SettlementState::Captured));
    assert_eq!((held(&payer.purse), left(&payer.purse)), (0, 49_875));
    // The card was charged all of it, and gets nothing back: nor does a budget.
    assert_eq!(payer.purse.spent(Currency::USD, NOW).get(), 50_000);
}

#[test]
fn a_request_above_the_callers_price_is_not_made_whatever_it_would_cost_in_the_end() {
    let (mut server, mut payer, policy) = metered();
    let less = Policy { max_price: Some(Units::from_u32(MOST - 1)), ..policy };
    let error = payer.failed(&mut server, &less);
    assert!(matches!(error, Error::PriceTooHigh { price, .. } if price.get() == 20_000));
    assert!(server.charges.is_empty());
}

#[test]
fn a_budget_must_reach_for_the_whole_hold() {
    let (mut server, mut payer, policy) = metered();
    server.min_top_up = 5_000;
    let budget = |units| Policy { budget_total: Some(Units::from_u32(units)), ..policy.clone() };
    let error = payer.failed(&mut server, &budget(19_999));
    assert!(matches!(error, Error::BudgetExceeded { needed, .. } if needed.get() == 20_000));
    let hold = hold(&payer.paid(&mut server, &budget(20_000)));
    // Not settled: the balance is short of another hold, and the budget is spent.
    assert_eq!(payer.failed(&mut server, &budget(20_000)).code(), "budget_exceeded");
    server.capture(hold.id, 0);
    settled(ask(&server, &mut payer.purse, &hold, 0));
    let before = server.seen.len();
    payer.paid(&mut server, &budget(20_000));
    assert_eq!(server.seen.len() - before, 1, "from the balance that came back, without a card");
    assert_eq!(server.charges, [20_000]);
}

#[test]
fn a_trailer_settles_at_once_and_once() {
    let (mut server, mut payer, policy) = metered();
    let hold = hold(&payer.paid(&mut server, &policy));
    let purse = &mut payer.purse;
    let told = hold.trailed(purse, &trailer(&hold, Some(125), 49_875)).unwrap();
    assert_eq!((told.captured, told.held), (Units::new(125).ok(), Some(hold.amount)));
    assert_eq!((held(purse), left(purse)), (0, 49_875));
    // Others have spent since.
    purse.origins.get_mut(ORIGIN).unwrap().balances.insert("usd".into(), Units::from_u32(700));
    assert!(hold.trailed(purse, &trailer(&hold, Some(125), 49_875)).is_some());
    assert_eq!(left(purse), 700, "given back twice");
}

#[test]
fn a_trailer_gives_back_no_more_than_there_is() {
    let (mut server, mut payer, policy) = metered();
    let first = hold(&payer.paid(&mut server, &policy));
    // Another hold since: what the first one's trailer says is left leaves that out.
    let second = hold(&payer.paid(&mut server, &policy));
    assert_eq!(left(&payer.purse), 10_000);
    first.trailed(&mut payer.purse, &trailer(&first, Some(125), 49_875));
    assert_eq!((left(&payer.purse), held(&payer.purse)), (29_875, 20_000));
    // And the other way round: more is gone than adds up here.
    second.trailed(&mut payer.purse, &trailer(&second, Some(0), 1_000));
    assert_eq!((left(&payer.purse), held(&payer.purse)), (1_000, 0));
}

#[test]
fn what_a_trailer_may_not_say_changes_nothing() {
    let (mut server, mut payer, policy) = metered();
    let hold = hold(&payer.paid(&mut server, &policy));
    let other = Hold { id: DeductionId::mint(9, [9; 10]), ..hold.clone() };
    let before = payer.purse.clone();
    for header in [
        "~".to_owned(),
        trailer(&hold, None, 49_875),
        trailer(&hold, Some(20_001), 49_875),
        trailer(&hold, Some(-1), 49_875),
        trailer(&other, Some(1), 49_875),
        encode(&json!({"success": true, "creditsRemaining": 1, "clientId": client_id("pm_1")})),
    ] {
        assert_eq!(hold.trailed(&mut payer.purse, &header), None, "{header}");
        assert_eq!(payer.purse, before, "{header}");
    }
}

#[test]
fn a_settlement_that_contradicts_its_hold_is_not_believed() {
    let (mut server, mut payer, policy) = metered();
    let hold = hold(&payer.paid(&mut server, &policy));
    server.capture(hold.id, 125);
    let (_, right) = server.settlement(hold.id);
    let altered = |field: &str, to: Value| {
        let mut told = right.clone();
        told[field] = to;
        told.to_string()
    };
    let other = DeductionId::mint(9, [9; 10]);
    let before = payer.purse.clone();
    for body in [
        altered("captured", json!(20_001)),
        altered("captured", Value::Null),
        altered("id", json!(other)),
        altered("currency", json!("eur")),
        altered("state", json!("lost")),
        altered("creditsRemaining", json!(-1)),
        "[]".to_owned(),
    ] {
        let heard = hold.heard(&mut payer.purse, Some((200, &body)), 0);
        assert_eq!(heard, Settling::Fail(Error::Unsettled { status: Some(200) }), "{body}");
        assert_eq!(payer.purse, before, "{body}");
    }
}

#[test]
fn what_is_never_settled_stays_counted_whole() {
    let (mut server, mut payer, policy) = metered();
    let hold = hold(&payer.paid(&mut server, &policy));
    let late = Hold::ASKED_FOR;
    let again = |after| Settling::Again { after };
    let fail = |status| Settling::Fail(Error::Unsettled { status });
    let rows: [(Option<u16>, u64, Settling); 10] = [
        (None, 0, again(100)),
        (None, 700, again(700)),
        (None, 3_000, again(1_600)),
        (None, 3_401, fail(None)),
        (Some(429), 0, again(100)),
        (Some(429), late, fail(Some(429))),
        (Some(503), 200, again(200)),
        (Some(503), late, fail(Some(503))),
        (Some(404), 0, fail(Some(404))),
        (Some(302), 0, fail(Some(302))),
    ];
    for (status, waited, expected) in rows {
        let told = status.map(|status| (status, ""));
        let heard = hold.heard(&mut payer.purse, told, waited);
        assert_eq!(heard, expected, "{status:?} after {waited} ms");
        assert_eq!((held(&payer.purse), left(&payer.purse)), (20_000, 30_000));
    }
    // Open to the end: told as it is, and still counted.
    let told = settled(ask(&server, &mut payer.purse, &hold, late));
    assert_eq!((told.state, told.captured), (SettlementState::Held, None));
    assert_eq!(held(&payer.purse), 20_000);
    // A client that died finds the hold in what it kept, and settles it.
    let kept = serde_json::to_string(&payer.purse).unwrap();
    let mut purse: Purse = serde_json::from_str(&kept).unwrap();
    server.capture(hold.id, 125);
    settled(ask(&server, &mut purse, &hold, 0));
    assert_eq!((held(&purse), left(&purse)), (0, 49_875));
}

#[test]
fn a_void_gives_all_of_it_back() {
    let (mut server, mut payer, policy) = metered();
    let hold = hold(&payer.paid(&mut server, &policy));
    let told = json!({
        "id": hold.id, "state": "released", "currency": "usd", "creditsRemaining": 50_000,
    });
    let told = settled(hold.heard(&mut payer.purse, Some((200, &told.to_string())), 0));
    assert_eq!((told.state, told.captured), (SettlementState::Released, None));
    assert_eq!((held(&payer.purse), left(&payer.purse)), (0, 50_000));
}

#[test]
fn a_hold_that_cannot_be_read_does_not_hide_the_receipt() {
    let policy = std::sync::Arc::new(policy());
    for hold in [json!({"id": "x", "amount": 5}), json!([]), json!({"id": 7})] {
        let mut purse = Purse::default();
        purse.origins.entry(ORIGIN.into()).or_default().client_id =
            Some(ClientId::derive(b"server", "pm_1"));
        let mut call = stripe402_client::Call::new(policy.clone(), request());
        let challenge = crate::server::challenge(&Server::new().challenge());
        call.step(&mut purse, stripe402_client::Event::Start, 0);
        call.step(&mut purse, stripe402_client::Event::Answer(challenge), 0);
        let receipt = json!({
            "success": true, "creditsRemaining": 5, "clientId": client_id("pm_1"), "hold": hold,
        });
        let answer =
            Answer { status: 200, payment_response: Some(encode(&receipt)), ..Answer::default() };
        let step = call.step(&mut purse, stripe402_client::Event::Answer(answer), 0);
        let stripe402_client::Step::Done { outcome: stripe402_client::Outcome::Paid(paid) } = step
        else {
            panic!("{step:?}")
        };
        assert_eq!((paid.hold, left(&purse)), (None, 5));
    }
}

#[test]
fn a_challenge_that_contradicts_its_metered_price_is_malformed() {
    let (server, ..) = metered();
    let mut told = server.challenge();
    let terms = Terms::read(Some(&encode(&told))).unwrap();
    assert_eq!(terms.pricing.unwrap().most.get(), 20_000);
    told["pricing"]["most"] = json!(10);
    let error = Terms::read(Some(&encode(&told))).unwrap_err();
    assert_eq!(error.code(), "challenge_malformed");
    told["pricing"]["kind"] = json!("auction");
    assert_eq!(Terms::read(Some(&encode(&told))).unwrap().pricing, None, "it can still be paid");
}

#[test]
fn holds_that_nobody_settles_do_not_fill_the_purse() {
    let (mut server, mut payer, policy) = metered();
    server.balances.insert("pm_1".into(), 100_000_000);
    let first = hold(&payer.paid(&mut server, &policy));
    let mut last = first.clone();
    for _ in 0..100 {
        last = hold(&payer.paid(&mut server, &policy));
    }
    let holds = &payer.purse.known(ORIGIN).unwrap().holds;
    assert_eq!(holds.len(), 64);
    assert!(holds.contains_key(&last.id) && !holds.contains_key(&first.id));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// In whatever order requests end and are asked about: what is open at the server is counted, the
    /// remembered balance is never above the server's, and no card charge goes uncounted.
    #[test]
    fn holds_are_never_under_counted(
        schedule in prop::collection::vec((0_u8..4, 0_usize..8, 0_i64..=20_000), 0..60),
    ) {
        let (mut server, mut payer, policy) = metered();
        let mut open: Vec<Hold> = Vec::new();
        for (what, which, cost) in schedule {
            let hold_at = open.get(which).cloned();
            match (what, hold_at) {
                (0 | 1, _) => open.push(hold(&payer.paid(&mut server, &policy))),
                (2, Some(hold)) if server.holds[&hold.id].2.is_none() => server.capture(hold.id, cost),
                (3, Some(hold)) => drop(ask(&server, &mut payer.purse, &hold, 0)),
                _ => {}
            }
            let at_server = server.holds.values().filter(|(_, _, cost)| cost.is_none());
            let at_server: i64 = at_server.map(|(_, amount, _)| amount).sum();
            prop_assert!(held(&payer.purse) >= at_server, "a hold is not counted");
            if let Some(balance) = server.balances.get("pm_1") {
                prop_assert!(left(&payer.purse) <= *balance, "more than there is");
            }
            prop_assert_eq!(server.charged(), payer.purse.spent(Currency::USD, NOW).get());
        }
    }
}

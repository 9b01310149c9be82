//! The caller's limits, once a client id is known too: the currency, the top-up, the budget.

use serde_json::{Value, json};
use stripe402_client::{Answer, Call, Error, Event, Policy, Purse, Request, Step};
use stripe402_protocol::{Currency, Units};

use crate::{
    server::{Server, challenge, refused},
    talk::{NOW, Payer, card, policy, request},
};

fn euros() -> Policy {
    Policy { currency: "eur".parse().unwrap(), ..policy() }
}

/// With and without a server that compares, on a route that is known and on one that is not.
#[test]
fn a_known_client_pays_nothing_in_another_currency() {
    for compares_currencies in [true, false] {
        for path in ["/api/weather", "/api/joke"] {
            let mut server = Server { compares_currencies, ..Server::new() };
            let mut payer = Payer::default();
            payer.paid(&mut server, &policy());
            let request = Request { path: path.into(), ..request() };
            let error = payer.call(&mut server, &euros(), request).unwrap_err();
            let seen = format!("{compares_currencies} {path}: {error:?}");
            assert!(matches!(error, Error::CurrencyNotAllowed { .. }), "{seen}");
            assert_eq!((server.served.len(), server.charged()), (1, 50_000), "{seen}");
            let last = server.seen.last().unwrap();
            let named = last.as_ref().map(|payment| payment["currency"].clone());
            let expected = compares_currencies.then(|| json!("eur"));
            assert_eq!(named, expected, "nothing is sent that could be spent: {seen}");
        }
    }
}

/// A server that compares prices alone is asked once for each route, then paid at once.
#[test]
fn what_is_not_known_is_asked_first() {
    let mut server = Server { compares_currencies: false, ..Server::new() };
    let mut payer = Payer::default();
    payer.paid(&mut server, &policy());
    let other = || Request { path: "/api/joke".into(), ..request() };
    for expected in [2, 1] {
        let before = server.seen.len();
        payer.call(&mut server, &policy(), other()).unwrap();
        assert_eq!(server.seen.len() - before, expected);
    }
}

/// Who wants to know the price hears it once for each route, also from a server that compares everything.
#[test]
fn a_price_is_asked_for_where_the_caller_wants_to_know_it() {
    for (asks_price, first) in [(true, 2), (false, 1)] {
        let mut server = Server::new();
        let mut payer = Payer::default();
        payer.paid(&mut server, &policy());
        for expected in [first, 1] {
            let before = server.seen.len();
            let request = Request { path: "/api/joke".into(), asks_price, ..request() };
            payer.call(&mut server, &policy(), request).unwrap();
            assert_eq!(server.seen.len() - before, expected, "asks: {asks_price}");
        }
        let routes = &payer.purse.origins.values().next().unwrap().routes;
        assert_eq!(routes.contains_key("GET /api/joke"), asks_price);
    }
}

/// An extension of the receipt: what is left is remembered in that currency.
#[test]
fn a_receipt_is_booked_under_its_own_currency() {
    let mut server = Server::new();
    let mut payer = Payer::default();
    payer.paid(&mut server, &policy());
    let mut call = Call::new(policy().into(), request());
    call.step(&mut payer.purse, Event::Start, NOW);
    let id = payer.purse.origins.values().next().unwrap().client_id.unwrap();
    let receipt = json!({
        "success": true, "creditsRemaining": 7, "clientId": id.to_hex(), "currency": "eur",
    });
    let payment_response = Some(stripe402_protocol::encode(&receipt));
    let answer = Answer { status: 200, payment_response, ..Answer::default() };
    assert!(matches!(call.step(&mut payer.purse, Event::Answer(answer), NOW), Step::Done { .. }));
    let balances = &payer.purse.origins.values().next().unwrap().balances;
    assert_eq!((balances["usd"].get(), balances["eur"].get()), (49_500, 7));
}

#[test]
fn a_top_up_below_the_least_is_not_raised_in_silence() {
    let (mut server, mut payer) = (Server::new(), Payer::default());
    let small = Policy { top_up: Some(Units::from_u32(10_000)), ..policy() };
    let error = payer.failed(&mut server, &small);
    assert_eq!(error.code(), "top_up_below_minimum");
    let said = "a card is charged $5.00 at least, and this client is told to charge $1.00";
    assert!(error.to_string().starts_with(said), "{error}");
    assert_eq!((server.charges.len(), server.seen.len()), (0, 1));
    let large = Policy { top_up: Some(Units::from_u32(60_000)), ..policy() };
    assert_eq!(payer.paid(&mut server, &large).charged, Some(Units::from_u32(60_000)));
}

/// The bank asks the cardholder; then the caller comes with another card.
fn ask_the_cardholder(purse: &mut Purse, policy: &Policy, intent: &str, now: u64) {
    let answer = refused("payment_failed", Some("authentication_required"));
    let mut body: Value = serde_json::from_str(answer.body.as_deref().unwrap()).unwrap();
    body["paymentIntentId"] = json!(intent);
    let answer = Answer { body: Some(body.to_string()), ..answer };
    let key = format!("key-{intent}");
    let mut call = Call::new(policy.clone().into(), Request { key, ..request() });
    call.step(purse, Event::Start, now);
    call.step(purse, Event::Answer(challenge(&Server::new().challenge())), now);
    call.step(purse, Event::Turn, now);
    let step = call.step(purse, Event::Answer(answer), now);
    assert!(matches!(step, Step::Fail { .. }), "{step:?}");
}

#[test]
fn a_charge_that_was_replaced_before_its_cardholder_confirmed_leaves_the_budget() {
    let mut payer = Payer::default();
    let budget = |card_name: &str| Policy {
        budget_total: Some(Units::from_u32(100_000)),
        ..Policy::card(card(card_name))
    };
    ask_the_cardholder(&mut payer.purse, &budget("pm_asked"), "pi_asked", NOW);
    let (usd, later) = (Currency::USD, NOW + 24 * 3_600 + 1);
    let spent = |payer: &Payer, now| payer.purse.spent(usd, now).get();
    assert_eq!(spent(&payer, NOW), 50_000, "it may be confirmed");
    let mut server = Server::new();
    payer.paid(&mut server, &budget("pm_other"));
    assert_eq!(spent(&payer, NOW), 100_000, "one charged, one unconfirmed");
    assert_eq!(payer.purse.charged(usd).get(), 50_000);
    assert_eq!(payer.purse.unconfirmed(usd, NOW).get(), 50_000);
    // Until it cannot be confirmed any more.
    server.balances.insert("pm_other".into(), 0);
    let error = payer.failed(&mut server, &budget("pm_other"));
    assert_eq!(error.code(), "budget_exceeded");
    assert_eq!(spent(&payer, later), 50_000);
    payer.now = later - NOW;
    payer.paid(&mut server, &budget("pm_other"));
    assert_eq!((spent(&payer, later), server.charged()), (100_000, 100_000));
}

/// A receipt that names it tells that it was confirmed after all.
#[test]
fn a_replaced_charge_that_was_confirmed_stays_in_the_budget() {
    let mut payer = Payer::default();
    ask_the_cardholder(&mut payer.purse, &Policy::card(card("pm_asked")), "pi_1", NOW);
    ask_the_cardholder(&mut payer.purse, &Policy::card(card("pm_other")), "pi_2", NOW);
    assert_eq!(payer.purse.unconfirmed(Currency::USD, NOW).get(), 50_000);
    // The stand-in for a server names each of its charges `pi_1`.
    let mut server = Server::new();
    payer.paid(&mut server, &Policy::card(card("pm_other")));
    assert_eq!(payer.purse.unconfirmed(Currency::USD, NOW).get(), 0);
    assert_eq!(payer.purse.charged(Currency::USD).get(), 100_000);
}

/// What may have been charged under a larger budget is not charged again under a smaller one.
#[test]
fn a_charge_of_unknown_outcome_is_held_against_the_budget_of_now() {
    let (mut server, mut payer) = (Server::new(), Payer::default());
    let faults = &mut vec![None, Some(crate::server::Fault::Unavailable)];
    let once = Policy { retries: 0, ..policy() };
    payer.faulty(&mut server, &once, request(), faults).unwrap_err();
    assert_eq!(payer.purse.spent(Currency::USD, NOW).get(), 50_000);
    let small = Policy { budget_total: Some(Units::from_u32(40_000)), ..policy() };
    assert_eq!(payer.failed(&mut server, &small).code(), "budget_exceeded");
    assert_eq!(server.charges.len(), 0);
    let enough = Policy { budget_total: Some(Units::from_u32(50_000)), ..policy() };
    payer.paid(&mut server, &enough);
    assert_eq!(server.charges, [50_000]);
}

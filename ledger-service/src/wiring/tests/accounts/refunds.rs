//! What a refund that an operator orders does, and why it is refused.

use stripe402_protocol::message::{Capture, Deduction, HoldTerms, VERSION};

use super::*;
use crate::refunds::Refunded;

#[tokio::test]
async fn a_refund_keeps_to_its_plan_and_says_what_really_went_back() {
    let case = Case::new(PaymentOptions::default());
    let (key, intent) = case.topped_up().await;
    let refund = async |units: u32| {
        let parts = case.parts.refunds.refund(key, Some(Units::from_u32(units)), "a", None).await;
        parts.map(|parts| parts.iter().map(|part| part.amount.get()).sum::<i64>())
    };
    assert_eq!(refund(10_000).await.unwrap(), 10_000);
    assert!(matches!(refund(20_000).await, Err(RefundError::Conflict { .. })));
    assert_eq!(refund(10_000).await.unwrap(), 10_000, "the same again is the same");
    assert_eq!(case.stands(key).await, (39_900, 0, false));
    assert_eq!(case.bank.refunded.lock().unwrap().len(), 1);
    let hold = Some(HoldName::new(intent.clone(), "a").to_string());
    case.list(Refund { hold, failed: true, ..refund_of(100) });
    case.parts.sync.sync_refunds(&intent).await.unwrap();
    assert_eq!(case.stands(key).await, (49_900, 0, false));
    assert_eq!(refund(10_000).await.unwrap(), 0, "it did not arrive");
}

#[tokio::test]
async fn a_refund_that_was_agreed_to_is_just_that_or_nothing() {
    let case = Case::new(PaymentOptions::default());
    let (key, intent) = case.topped_up().await;
    let refunds = &case.parts.refunds;
    let shown = refunds.preview(key, None, "a").await.unwrap();
    let part = |units| Refunded {
        payment_intent: intent.as_str().to_owned(),
        amount: Units::from_u32(units),
    };
    assert_eq!(shown, [part(49_900)]);
    assert_eq!(case.stands(key).await, (49_900, 0, false), "a look holds nothing");
    // Some is spent before the operator says yes.
    case.post(key, Kind::AdjustmentDown, "spent", 900).await;
    let refused = refunds.refund(key, None, "a", Some(&shown)).await;
    assert!(matches!(refused, Err(RefundError::Changed)), "{refused:?}");
    assert_eq!(case.stands(key).await, (49_000, 0, false), "nothing is held");
    assert!(case.bank.refunded.lock().unwrap().is_empty(), "Stripe was not asked");
    let shown = refunds.preview(key, None, "a").await.unwrap();
    assert_eq!(refunds.refund(key, None, "a", Some(&shown)).await.unwrap(), [part(49_000)]);
    // Said twice, it is done once, and a look shows what was done.
    assert_eq!(refunds.refund(key, None, "a", Some(&shown)).await.unwrap(), [part(49_000)]);
    assert_eq!(refunds.preview(key, None, "a").await.unwrap(), [part(49_000)]);
    let other = refunds.preview(key, Some(Units::from_u32(100)), "a").await;
    assert!(matches!(other, Err(RefundError::Conflict { .. })), "{other:?}");
    assert_eq!(case.bank.refunded.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn where_nothing_is_left_a_refund_is_refused_and_leaves_no_plan() {
    let case = Case::new(PaymentOptions::default());
    let (key, _) = case.topped_up().await;
    let refunds = &case.parts.refunds;
    refunds.refund(key, None, "a", None).await.unwrap();
    for name in ["b", "b"] {
        let refused = refunds.refund(key, None, name, None).await;
        let refused = work::OperatorError::from(refused.unwrap_err());
        let named =
            matches!(refused, work::OperatorError::Refused { code: "nothing_to_refund", .. });
        assert!(named, "{refused:?}");
    }
    // Added by hand: no card charge can take it back.
    let other = AccountKey { currency: "eur".parse().unwrap(), ..key };
    case.post(other, Kind::AdjustmentUp, "by hand", 500).await;
    let refused = refunds.refund(other, Some(Units::from_u32(500)), "c", None).await;
    assert!(matches!(refused, Err(RefundError::Nothing)), "{refused:?}");
    assert_eq!(case.stands(other).await, (500, 0, false));
    assert_eq!(case.store.movements(other).await.unwrap().len(), 1, "no plan is left");
}

#[tokio::test]
async fn an_operator_thaws_nothing_while_a_dispute_is_open_in_any_currency() {
    let case = Case::new(PaymentOptions::default());
    let (key, _) = case.topped_up().await;
    let other = AccountKey { currency: "eur".parse().unwrap(), ..key };
    case.post(other, Kind::AdjustmentUp, "given", 700).await;
    case.post(other, Kind::DisputeOpened, "dp_1", 700).await;
    let operations = Operations::new(Arc::clone(&case.store), None, Arc::new(SystemClock));
    let actor = Actor::command_line();
    let (client, reason) = (key.client.to_hex(), "asked by phone");
    operations.freeze(&actor, &client, true, reason).await.unwrap();
    let thawed = operations.freeze(&actor, &client, false, reason).await;
    assert!(
        matches!(thawed, Err(work::OperatorError::Refused { code: "disputed", .. })),
        "{thawed:?}"
    );
    assert!(case.stands(key).await.2 && case.stands(other).await.2);
}

#[tokio::test]
async fn a_refund_says_who_has_frozen_the_account() {
    let case = Case::new(PaymentOptions::default());
    let (key, _) = case.topped_up().await;
    let refund = || case.parts.refunds.refund(key, Some(Units::from_u32(10_000)), "a", None);
    let operations = Operations::new(Arc::clone(&case.store), None, Arc::new(SystemClock));
    let (actor, client) = (Actor::command_line(), key.client.to_hex());
    operations.freeze(&actor, &client, true, "chargebacks").await.unwrap();
    assert!(matches!(refund().await, Err(RefundError::Frozen)));
    operations.freeze(&actor, &client, false, "cleared").await.unwrap();
    case.post(key, Kind::Freeze, "dp_1", 0).await;
    assert!(matches!(refund().await, Err(RefundError::Disputed)));
    operations.freeze(&actor, &client, true, "chargebacks").await.unwrap();
    case.post(key, Kind::DisputeOpened, "dp_1", 700).await;
    assert!(matches!(refund().await, Err(RefundError::Disputed)), "both have");
}

#[tokio::test]
async fn amounts_that_cannot_be_added_up_are_no_reason_to_retry() {
    let case = Case::new(PaymentOptions::default());
    let (key, _) = case.topped_up().await;
    let other = Refund { id: "re_2".into(), ..refund_of(i64::MAX) };
    *case.bank.refunds.lock().unwrap() = vec![refund_of(i64::MAX), other];
    let refused = case.parts.refunds.refund(key, Some(Units::from_u32(10_000)), "a", None).await;
    let refused = work::OperatorError::from(refused.unwrap_err());
    assert!(
        matches!(refused, work::OperatorError::Refused { code: "too_large", .. }),
        "{refused:?}"
    );
    assert_eq!(case.stands(key).await.1, 0, "nothing is held");
}

/// A gateway that is busy paying from a lease of 2,000 units: 300 are spent when it is called back.
async fn lease_out(case: &Case, key: AccountKey) -> impl Future<Output = ()> {
    let now_ms = SystemClock.now_ms();
    let terms =
        HoldTerms { ends_ms: now_ms.saturating_add(60_000), at_end: Units::ZERO, lease: Some(5) };
    let lease = Deduction {
        id: DeductionId::mint(now_ms, [9; 10]),
        client_id: key.client,
        currency: key.currency,
        amount: Units::from_u32(2_000),
        route: "joke".into(),
        hold: Some(terms),
    };
    let capture =
        Capture { id: lease.id, client_id: key.client, amount: Units::from_u32(300), count: 3 };
    let sent =
        |deductions, captures| Batch { version: VERSION, deductions, voids: vec![], captures };
    case.store.batch(sent(vec![lease], vec![])).await.unwrap();
    assert_eq!(case.store.account(key).await.unwrap().leases, 1);
    let store = Arc::clone(&case.store);
    async move {
        let called_back = async || store.account(key).await.unwrap().recalled;
        for _ in 0..500 {
            if called_back().await {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(called_back().await);
        store.batch(sent(vec![], vec![capture])).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_leased_is_called_back_before_money_goes_elsewhere() {
    let refund = async |case: &Case, key, units: Option<u32>| {
        case.parts.refunds.refund(key, units.map(Units::from_u32), "a", None).await.unwrap();
    };
    // All there is.
    let case = Case::new(PaymentOptions::default());
    let (key, _) = case.topped_up().await;
    let back = lease_out(&case, key).await;
    tokio::join!(refund(&case, key, None), back);
    assert_eq!(case.stands(key).await, (0, 0, false));
    // More than is there without the lease.
    let case = Case::new(PaymentOptions::default());
    let (key, _) = case.topped_up().await;
    let back = lease_out(&case, key).await;
    tokio::join!(refund(&case, key, Some(49_000)), back);
    assert_eq!(case.stands(key).await, (600, 0, false));
    // No more than is there: the lease stays.
    let case = Case::new(PaymentOptions::default());
    let (key, _) = case.topped_up().await;
    drop(lease_out(&case, key).await);
    refund(&case, key, Some(40_000)).await;
    assert_eq!(case.store.account(key).await.unwrap().leases, 1);
    // In Stripe's dashboard.
    let case = Case::new(PaymentOptions::default());
    let (key, intent) = case.topped_up().await;
    let back = lease_out(&case, key).await;
    case.list(refund_of(500));
    let (told, ()) = tokio::join!(case.parts.sync.sync_refunds(&intent), back);
    told.unwrap();
    assert_eq!(case.stands(key).await, (0, 0, false), "all that was there, with the lease");
    // A correction.
    let case = Case::new(PaymentOptions::default());
    let (key, _) = case.topped_up().await;
    let back = lease_out(&case, key).await;
    let operations = Operations::new(Arc::clone(&case.store), None, Arc::new(SystemClock));
    let (actor, client) = (Actor::command_line(), key.client.to_hex());
    let wanted = work::Adjustment {
        currency: key.currency,
        units: -49_000,
        reference: "r".into(),
        reason: "a mistake".into(),
    };
    let (adjusted, ()) = tokio::join!(operations.adjust(&actor, &client, wanted), back);
    adjusted.unwrap();
    assert_eq!(case.stands(key).await, (600, 0, false));
}

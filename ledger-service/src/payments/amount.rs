//! How much a card is charged.

use stripe402_protocol::{Code, Reason, Refusal, Units, message::CardPayment};

/// What to charge, rounded up to what Stripe can charge. Refusals in order of precedence: below
/// the route's minimum, above its maximum, below Stripe's minimum, not enough for the price.
///
/// Below a minimum and not enough: protocol, `top_up_below_minimum`; nothing is charged.
pub(super) fn top_up_amount(request: &CardPayment, balance: Units) -> Result<Units, Refusal> {
    let least = request.min_top_up;
    let asked = request.top_up_amount.unwrap_or_else(|| least.get());
    if asked < least.get() {
        return Err(too_small(format!(
            "the top-up is {asked} units, below this route's minimum; nothing was charged: send a \
             topUpAmount of at least {least} units"
        )));
    }
    let asked = Units::new(asked).ok().filter(|asked| *asked <= request.max_top_up);
    let Some(amount) = asked.and_then(|asked| request.currency.chargeable(asked)) else {
        let text = format!(
            "the top-up is above this route's maximum; nothing was charged: send a topUpAmount of at \
             most {} units",
            request.max_top_up
        );
        let refusal = Refusal::new(Code::InvalidPayment, text);
        return Err(refusal.because(Reason::TopUpAboveMaximum));
    };
    if let Some(least) = request.currency.least_charge().filter(|least| amount < *least) {
        return Err(too_small(format!(
            "the top-up is below Stripe's minimum charge in {}; nothing was charged: send a \
             topUpAmount of at least {least} units",
            request.currency
        )));
    }
    if balance.checked_add(amount).is_some_and(|sum| sum < request.price) {
        let missing = request.price.checked_sub(balance).unwrap_or(request.price);
        return Err(too_small(format!(
            "the balance and the top-up together are below the price of {} units; nothing was \
             charged: send a topUpAmount of at least {missing} units",
            request.price
        )));
    }
    Ok(amount)
}

fn too_small(text: String) -> Refusal {
    Refusal::new(Code::TopUpBelowMinimum, text)
}

#[cfg(test)]
mod tests {
    use stripe402_protocol::{Currency, DeductionId};

    use super::*;

    fn request(top_up_amount: Option<i64>) -> CardPayment {
        CardPayment {
            version: 1,
            deduction_id: DeductionId::first_at(0),
            instrument: "pm_1".parse().unwrap(),
            price: Units::from_u32(500),
            currency: Currency::USD,
            min_top_up: Units::from_u32(50_000),
            max_top_up: Units::from_u32(100_000),
            route: String::new(),
            top_up_amount,
            payment_intent_id: None,
            idempotency_key: None,
            source: None,
            live: None,
            hold: None,
            trial: None,
        }
    }

    #[test]
    fn amounts_and_refusals_in_order_of_precedence() {
        let units = Units::from_u32;
        let yen: Currency = "jpy".parse().unwrap();
        let route = |price, min| CardPayment {
            price: units(price),
            min_top_up: units(min),
            ..request(Some(i64::from(min)))
        };
        let cases: [(&str, CardPayment, Result<Units, Code>); 11] = [
            ("the least by default", request(None), Ok(units(50_000))),
            ("as asked", request(Some(70_000)), Ok(units(70_000))),
            ("rounded up", request(Some(70_001)), Ok(units(70_100))),
            ("below the least", request(Some(49_999)), Err(Code::TopUpBelowMinimum)),
            ("nothing", request(Some(0)), Err(Code::TopUpBelowMinimum)),
            ("negative", request(Some(-50_000)), Err(Code::TopUpBelowMinimum)),
            ("the most", request(Some(100_000)), Ok(units(100_000))),
            ("above the most", request(Some(100_001)), Err(Code::InvalidPayment)),
            ("no amount at all", request(Some(i64::MAX)), Err(Code::InvalidPayment)),
            ("below Stripe's least", route(1, 4_900), Err(Code::TopUpBelowMinimum)),
            ("below the price", route(60_000, 5_000), Err(Code::TopUpBelowMinimum)),
        ];
        for (name, case, expected) in cases {
            let got = top_up_amount(&case, Units::ZERO).map_err(|refusal| refusal.error_code);
            assert_eq!(got, expected, "{name}");
        }
        let in_yen = CardPayment {
            currency: yen,
            min_top_up: units(5_000_001),
            max_top_up: units(9_000_000),
            ..request(None)
        };
        assert_eq!(top_up_amount(&in_yen, Units::ZERO).unwrap(), units(5_010_000));
    }

    #[test]
    fn what_is_left_counts_towards_the_price() {
        let dear = CardPayment { price: Units::from_u32(60_000), ..request(Some(50_000)) };
        assert!(top_up_amount(&dear, Units::from_u32(9_999)).is_err());
        assert!(top_up_amount(&dear, Units::from_u32(10_000)).is_ok());
    }
}

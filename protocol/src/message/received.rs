//! A batch as a ledger receives it: what can be carried out, and what has to be answered alone.

use alloc::{string::String, vec::Vec};

use serde::Deserialize;

use super::{
    Batch, BatchAnswer, Charge, ChargeOutcome, Void,
    compact::{NotCompact, from_bytes},
    is_route_name,
};
use crate::{ChargeId, ClientId, Currency, Units};

/// A batch without the charges that no ledger of this release can keep. Charges of many clients
/// share a batch: one that is wrong must not fail the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// What can be carried out, in order.
    pub batch: Batch,
    /// The charges that cannot, each with its place in the batch that was sent.
    pub refused: Vec<(usize, ChargeId)>,
}

/// A [`Batch`] whose charges are unchecked; byte for byte the same.
#[derive(Deserialize)]
struct Unchecked {
    version: u16,
    charges: Vec<UncheckedCharge>,
    voids: Vec<Void>,
}

/// A [`Charge`] in the compact encoding, where every currency is three bytes and every amount an
/// integer.
#[derive(Deserialize)]
struct UncheckedCharge {
    id: ChargeId,
    client_id: ClientId,
    currency: [u8; 3],
    amount: i64,
    route: String,
}

impl UncheckedCharge {
    fn check(self) -> Result<Charge, ChargeId> {
        let Self { id, client_id, currency, amount, route } = self;
        let currency = core::str::from_utf8(&currency).ok();
        let currency = currency.and_then(|code| code.parse::<Currency>().ok());
        match (currency, Units::new(amount)) {
            (Some(currency), Ok(amount)) => Ok(Charge { id, client_id, currency, amount, route }),
            _ => Err(id),
        }
    }
}

impl Received {
    /// Reads a batch in the compact encoding.
    ///
    /// # Errors
    /// [`NotCompact`] if the bytes are none, cut off, or followed by others.
    pub fn from_compact(bytes: &[u8]) -> Result<Self, NotCompact> {
        let Unchecked { version, charges, voids } = from_bytes(bytes)?;
        Ok(Self::sorted(version, charges.into_iter().map(UncheckedCharge::check), voids))
    }

    /// Of a batch whose values are in range already.
    #[must_use]
    pub fn from_batch(batch: Batch) -> Self {
        Self::sorted(batch.version, batch.charges.into_iter().map(Ok), batch.voids)
    }

    fn sorted(
        version: u16,
        received: impl Iterator<Item = Result<Charge, ChargeId>>,
        voids: Vec<Void>,
    ) -> Self {
        let (mut charges, mut refused) = (Vec::new(), Vec::new());
        for (at, charge) in received.enumerate() {
            match charge {
                Ok(charge) if is_route_name(&charge.route) => charges.push(charge),
                Ok(Charge { id, .. }) | Err(id) => refused.push((at, id)),
            }
        }
        Self { batch: Batch { version, charges, voids }, refused }
    }

    /// The answer to the batch that was sent: [`ChargeOutcome::Conflict`] for what was refused.
    #[must_use]
    pub fn answer(refused: &[(usize, ChargeId)], mut answer: BatchAnswer) -> BatchAnswer {
        for (at, id) in refused {
            let place = (*at).min(answer.charges.len());
            answer.charges.insert(place, (*id, ChargeOutcome::Conflict));
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString, vec};

    use super::*;
    use crate::message::{VERSION, compact::to_bytes};

    fn charge(number: u8) -> Charge {
        Charge {
            id: ChargeId::mint(1_795_000_000_123, [number; 10]),
            client_id: ClientId::derive(b"secret", "fp_test"),
            currency: Currency::USD,
            amount: Units::from_u32(100),
            route: "joke".to_string(),
        }
    }

    /// Charges as another release may write them.
    fn written(version: u16, charges: &[(Charge, [u8; 3], i64)]) -> Vec<u8> {
        let fields = |(charge, currency, amount): &(Charge, [u8; 3], i64)| {
            (charge.id, charge.client_id, *currency, *amount, charge.route.clone())
        };
        let charges: Vec<_> = charges.iter().map(fields).collect();
        let voids = vec![Void { id: charge(9).id, client_id: None }];
        to_bytes(&(version, charges, voids))
    }

    #[test]
    fn a_charge_that_cannot_be_kept_is_answered_alone() {
        let max = Units::MAX.get();
        let long = Charge { route: "r".repeat(257), ..charge(3) };
        let odd = Charge { route: "a\0b".to_string(), ..charge(4) };
        let line = Charge { route: "a\nb".to_string(), ..charge(5) };
        let bytes = written(
            VERSION,
            &[
                (charge(0), *b"usd", max + 1),
                (charge(1), *b"usd", 100),
                (charge(2), *b"xxx", 100),
                (long, *b"usd", 100),
                (odd, *b"usd", 100),
                (line, *b"usd", 100),
                (charge(6), *b"eur", max),
                (charge(7), *b"usd", -1),
                (charge(8), [0xff; 3], 0),
            ],
        );
        let received = Received::from_compact(&bytes).unwrap();
        let taken: Vec<_> = received.batch.charges.iter().map(|charge| charge.id).collect();
        assert_eq!(taken, [charge(1).id, charge(6).id]);
        assert_eq!(received.batch.voids.len(), 1);
        let places: Vec<_> = received.refused.iter().map(|(at, _)| *at).collect();
        assert_eq!(places, [0, 2, 3, 4, 5, 7, 8]);
        let charged = ChargeOutcome::Charged(Units::ZERO);
        let answer = BatchAnswer {
            charges: taken.iter().map(|id| (*id, charged)).collect(),
            voids: Vec::new(),
        };
        let answer = Received::answer(&received.refused, answer);
        for (number, (id, outcome)) in answer.charges.iter().enumerate() {
            assert_eq!(*id, charge(u8::try_from(number).unwrap()).id);
            let taken = matches!(number, 1 | 6);
            assert_eq!(*outcome, if taken { charged } else { ChargeOutcome::Conflict });
        }
    }

    #[test]
    fn what_a_gateway_writes_is_received_as_it_is() {
        let batch = Batch { version: VERSION, charges: vec![charge(1), charge(2)], voids: vec![] };
        let received = Received::from_compact(&to_bytes(&batch)).unwrap();
        assert_eq!(received, Received { batch: batch.clone(), refused: vec![] });
        assert_eq!(Received::from_batch(batch), received);
        let bytes = written(VERSION, &[(charge(1), *b"usd", 1)]);
        for end in 0..bytes.len() {
            assert_eq!(Received::from_compact(&bytes[..end]), Err(NotCompact), "{end}");
        }
    }
}

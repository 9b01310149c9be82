//! A batch as a ledger receives it: what can be carried out, and what has to be answered alone.

use alloc::{string::String, vec::Vec};

use serde::Deserialize;

use super::{
    Batch, BatchAnswer, Deduction, DeductionOutcome, Void,
    compact::{NotCompact, from_bytes},
    is_route_name,
};
use crate::{ClientId, Currency, DeductionId, Units};

/// A batch without the deductions that no ledger of this release can keep. Charges of many clients
/// share a batch: one that is wrong must not fail the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// What can be carried out, in order.
    pub batch: Batch,
    /// The deductions that cannot, each with its place in the batch that was sent.
    pub refused: Vec<(usize, DeductionId)>,
}

/// A [`Batch`] whose deductions are unchecked; byte for byte the same.
#[derive(Deserialize)]
struct Unchecked {
    version: u16,
    deductions: Vec<UncheckedDeduction>,
    voids: Vec<Void>,
}

/// A [`Deduction`] in the compact encoding, where every currency is three bytes and every amount an
/// integer.
#[derive(Deserialize)]
struct UncheckedDeduction {
    id: DeductionId,
    client_id: ClientId,
    currency: [u8; 3],
    amount: i64,
    route: String,
}

impl UncheckedDeduction {
    fn check(self) -> Result<Deduction, DeductionId> {
        let Self { id, client_id, currency, amount, route } = self;
        let currency = core::str::from_utf8(&currency).ok();
        let currency = currency.and_then(|code| code.parse::<Currency>().ok());
        match (currency, Units::new(amount)) {
            (Some(currency), Ok(amount)) => {
                Ok(Deduction { id, client_id, currency, amount, route })
            }
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
        let Unchecked { version, deductions, voids } = from_bytes(bytes)?;
        Ok(Self::sorted(version, deductions.into_iter().map(UncheckedDeduction::check), voids))
    }

    /// Of a batch whose values are in range already.
    #[must_use]
    pub fn from_batch(batch: Batch) -> Self {
        Self::sorted(batch.version, batch.deductions.into_iter().map(Ok), batch.voids)
    }

    fn sorted(
        version: u16,
        received: impl Iterator<Item = Result<Deduction, DeductionId>>,
        voids: Vec<Void>,
    ) -> Self {
        let (mut deductions, mut refused) = (Vec::new(), Vec::new());
        for (at, deduction) in received.enumerate() {
            match deduction {
                Ok(deduction) if is_route_name(&deduction.route) => deductions.push(deduction),
                Ok(Deduction { id, .. }) | Err(id) => refused.push((at, id)),
            }
        }
        Self { batch: Batch { version, deductions, voids }, refused }
    }

    /// The answer to the batch that was sent: [`DeductionOutcome::Conflict`] for what was refused.
    #[must_use]
    pub fn answer(refused: &[(usize, DeductionId)], mut answer: BatchAnswer) -> BatchAnswer {
        for (at, id) in refused {
            let place = (*at).min(answer.deductions.len());
            answer.deductions.insert(place, (*id, DeductionOutcome::Conflict));
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString, vec};

    use super::*;
    use crate::message::{VERSION, compact::to_bytes};

    fn deduction(number: u8) -> Deduction {
        Deduction {
            id: DeductionId::mint(1_795_000_000_123, [number; 10]),
            client_id: ClientId::derive(b"secret", "fp_test"),
            currency: Currency::USD,
            amount: Units::from_u32(100),
            route: "joke".to_string(),
        }
    }

    /// Charges as another release may write them.
    fn written(version: u16, deductions: &[(Deduction, [u8; 3], i64)]) -> Vec<u8> {
        let fields = |(deduction, currency, amount): &(Deduction, [u8; 3], i64)| {
            (deduction.id, deduction.client_id, *currency, *amount, deduction.route.clone())
        };
        let deductions: Vec<_> = deductions.iter().map(fields).collect();
        let voids = vec![Void { id: deduction(9).id, client_id: None }];
        to_bytes(&(version, deductions, voids))
    }

    #[test]
    fn a_charge_that_cannot_be_kept_is_answered_alone() {
        let max = Units::MAX.get();
        let long = Deduction { route: "r".repeat(257), ..deduction(3) };
        let odd = Deduction { route: "a\0b".to_string(), ..deduction(4) };
        let line = Deduction { route: "a\nb".to_string(), ..deduction(5) };
        let bytes = written(
            VERSION,
            &[
                (deduction(0), *b"usd", max + 1),
                (deduction(1), *b"usd", 100),
                (deduction(2), *b"xxx", 100),
                (long, *b"usd", 100),
                (odd, *b"usd", 100),
                (line, *b"usd", 100),
                (deduction(6), *b"eur", max),
                (deduction(7), *b"usd", -1),
                (deduction(8), [0xff; 3], 0),
            ],
        );
        let received = Received::from_compact(&bytes).unwrap();
        let taken: Vec<_> =
            received.batch.deductions.iter().map(|deduction| deduction.id).collect();
        assert_eq!(taken, [deduction(1).id, deduction(6).id]);
        assert_eq!(received.batch.voids.len(), 1);
        let places: Vec<_> = received.refused.iter().map(|(at, _)| *at).collect();
        assert_eq!(places, [0, 2, 3, 4, 5, 7, 8]);
        let deducted = DeductionOutcome::Deducted(Units::ZERO);
        let answer = BatchAnswer {
            deductions: taken.iter().map(|id| (*id, deducted)).collect(),
            voids: Vec::new(),
        };
        let answer = Received::answer(&received.refused, answer);
        for (number, (id, outcome)) in answer.deductions.iter().enumerate() {
            assert_eq!(*id, deduction(u8::try_from(number).unwrap()).id);
            let taken = matches!(number, 1 | 6);
            assert_eq!(*outcome, if taken { deducted } else { DeductionOutcome::Conflict });
        }
    }

    #[test]
    fn what_a_gateway_writes_is_received_as_it_is() {
        let batch =
            Batch { version: VERSION, deductions: vec![deduction(1), deduction(2)], voids: vec![] };
        let received = Received::from_compact(&to_bytes(&batch)).unwrap();
        assert_eq!(received, Received { batch: batch.clone(), refused: vec![] });
        assert_eq!(Received::from_batch(batch), received);
        let bytes = written(VERSION, &[(deduction(1), *b"usd", 1)]);
        for end in 0..bytes.len() {
            assert_eq!(Received::from_compact(&bytes[..end]), Err(NotCompact), "{end}");
        }
    }
}

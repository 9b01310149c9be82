//! A batch as a ledger receives it: what can be carried out, and what has to be answered alone.

use alloc::{string::String, vec::Vec};

use serde::Deserialize;

use super::{
    Batch, BatchAnswer, Capture, CaptureOutcome, Deduction, DeductionOutcome, HoldTerms,
    KeyRefusal, LONGEST_HOLD_MS, Void,
    compact::{NotCompact, from_bytes, to_bytes, version},
    is_route_name,
};
use crate::{ClientId, Currency, DeductionId, Units};

/// The last version without leases, which is still answered.
const LEASELESS: u16 = 3;
/// The last version without keys.
const KEYLESS: u16 = 5;
/// The last version without automatic top-ups and rotation.
const AUTOLESS: u16 = 6;

/// A batch without what no ledger of this release can keep. Deductions of many clients share a batch:
/// one that is wrong must not fail the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// What can be carried out, in order.
    pub batch: Batch,
    /// What cannot.
    pub refused: Refused,
}

/// What of a batch cannot be carried out, each with its place in the batch that was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// Deductions and holds.
    pub deductions: Vec<(usize, DeductionId)>,
    /// Captures.
    pub captures: Vec<(usize, DeductionId)>,
}

/// A [`Batch`] whose amounts and currencies are unchecked; byte for byte the same.
#[derive(Deserialize)]
struct Unchecked {
    version: u16,
    deductions: Vec<UncheckedDeduction>,
    voids: Vec<Void>,
    captures: Vec<(DeductionId, ClientId, i64, u32)>,
}

/// A batch of version 3: without leases.
#[derive(Deserialize)]
struct UncheckedLeaseless {
    version: u16,
    deductions: Vec<(UncheckedPart, Option<(u64, i64)>)>,
    voids: Vec<Void>,
    captures: Vec<(DeductionId, ClientId, i64)>,
}

/// A [`Deduction`] in the compact encoding, where every currency is three bytes and every amount an
/// integer.
#[derive(Deserialize)]
struct UncheckedDeduction {
    part: UncheckedPart,
    hold: Option<(u64, i64, Option<u8>)>,
}

/// What every version knows of a deduction.
#[derive(Deserialize)]
struct UncheckedPart {
    id: DeductionId,
    client_id: ClientId,
    currency: [u8; 3],
    amount: i64,
    route: String,
}

impl UncheckedPart {
    fn check(self) -> Result<Deduction, DeductionId> {
        let Self { id, client_id, currency, amount, route } = self;
        let currency = core::str::from_utf8(&currency).ok();
        let currency = currency.and_then(|code| code.parse::<Currency>().ok());
        match (currency, Units::new(amount)) {
            (Some(currency), Ok(amount)) if is_route_name(&route) => {
                Ok(Deduction { id, client_id, currency, amount, route, hold: None })
            }
            _ => Err(id),
        }
    }
}

impl UncheckedDeduction {
    fn check(self) -> Result<Deduction, DeductionId> {
        let deduction = self.part.check()?;
        let Some((ends_ms, at_end, lease)) = self.hold else { return Ok(deduction) };
        let latest = deduction.id.minted_ms().saturating_add(LONGEST_HOLD_MS);
        match Units::new(at_end) {
            Ok(at_end) if at_end <= deduction.amount && ends_ms <= latest => {
                Ok(Deduction { hold: Some(HoldTerms { ends_ms, at_end, lease }), ..deduction })
            }
            _ => Err(deduction.id),
        }
    }
}

impl Received {
    /// Reads a batch of any version from [`super::OLDEST`] on. Versions 4 to 7 are the same.
    ///
    /// # Errors
    /// [`NotCompact`] if the bytes are none, cut off, or followed by others.
    pub fn from_compact(bytes: &[u8]) -> Result<Self, NotCompact> {
        if version(bytes) == Some(LEASELESS) {
            let UncheckedLeaseless { version, deductions, voids, captures } = from_bytes(bytes)?;
            let deductions = deductions.into_iter().map(|(part, hold)| {
                let hold = hold.map(|(ends_ms, at_end)| (ends_ms, at_end, None));
                UncheckedDeduction { part, hold }.check()
            });
            let captures = captures.into_iter();
            let captures = captures.map(|(id, client_id, amount)| (id, client_id, amount, 1));
            return Ok(Self::sorted(version, deductions, voids, captures));
        }
        let Unchecked { version, deductions, voids, captures } = from_bytes(bytes)?;
        let deductions = deductions.into_iter().map(UncheckedDeduction::check);
        Ok(Self::sorted(version, deductions, voids, captures.into_iter()))
    }

    fn sorted(
        version: u16,
        deductions: impl Iterator<Item = Result<Deduction, DeductionId>>,
        voids: Vec<Void>,
        captures: impl Iterator<Item = (DeductionId, ClientId, i64, u32)>,
    ) -> Self {
        let captures = captures.map(|(id, client_id, amount, count)| {
            let amount = Units::new(amount).map_err(|_| id)?;
            Ok(Capture { id, client_id, amount, count })
        });
        let (deductions, refused_deductions) = apart(deductions);
        let (captures, refused_captures) = apart(captures);
        Self {
            batch: Batch { version, deductions, voids, captures },
            refused: Refused { deductions: refused_deductions, captures: refused_captures },
        }
    }
}

/// What is sound, and the places of what is not.
fn apart<T>(
    received: impl Iterator<Item = Result<T, DeductionId>>,
) -> (Vec<T>, Vec<(usize, DeductionId)>) {
    let (mut sound, mut refused) = (Vec::new(), Vec::new());
    for (at, received) in received.enumerate() {
        match received {
            Ok(received) => sound.push(received),
            Err(id) => refused.push((at, id)),
        }
    }
    (sound, refused)
}

impl Refused {
    /// The answer to the batch that was sent, `answer` being that to what could be carried out: a
    /// conflict for what was refused.
    #[must_use]
    pub fn complete(&self, mut answer: BatchAnswer) -> BatchAnswer {
        for (at, id) in &self.deductions {
            let place = (*at).min(answer.deductions.len());
            answer.deductions.insert(place, (*id, DeductionOutcome::Conflict));
        }
        for (at, id) in &self.captures {
            let place = (*at).min(answer.captures.len());
            answer.captures.insert(place, (*id, CaptureOutcome::Conflict));
        }
        answer
    }
}

impl BatchAnswer {
    /// The answer in the version of the batch. To a gateway that knows of no leases, what is out on them
    /// is not there; to one that knows of no keys, what a key may not spend; to one that knows of no automatic
    /// top-ups and rotation, that they are off, and that an id was rotated.
    #[must_use]
    pub fn encode(mut self, version: u16) -> Vec<u8> {
        if version <= LEASELESS {
            for (_, outcome) in &mut self.deductions {
                if matches!(outcome, DeductionOutcome::Leased | DeductionOutcome::LeaseRefused) {
                    *outcome = DeductionOutcome::Insufficient;
                }
            }
        }
        if version <= KEYLESS {
            for (_, outcome) in &mut self.deductions {
                if matches!(outcome, DeductionOutcome::KeyRefused(_)) {
                    *outcome = DeductionOutcome::Insufficient;
                }
            }
        }
        if version <= AUTOLESS {
            for (_, outcome) in &mut self.deductions {
                *outcome = match *outcome {
                    DeductionOutcome::DeductedUntopped(left, _) => DeductionOutcome::Deducted(left),
                    DeductionOutcome::KeyRefused(KeyRefusal::Rotated) => {
                        DeductionOutcome::Insufficient
                    }
                    outcome => outcome,
                };
            }
        }
        to_bytes(&self)
    }
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString, vec};

    use super::{
        super::{AutoTopUpOff, VERSION, VoidOutcome},
        *,
    };

    const NOW: u64 = 1_795_000_000_123;

    fn deduction(number: u8) -> Deduction {
        Deduction {
            id: DeductionId::mint(NOW, [number; 10]),
            client_id: ClientId::derive(b"secret", "fp_test"),
            currency: Currency::USD,
            amount: Units::from_u32(100),
            route: "joke".to_string(),
            hold: None,
        }
    }

    type Fields = (DeductionId, ClientId, [u8; 3], i64, String);

    fn fields(deduction: &Deduction, currency: [u8; 3], amount: i64) -> Fields {
        (deduction.id, deduction.client_id, currency, amount, deduction.route.clone())
    }

    /// What another release may write: deductions, holds with their end and what it takes, captures.
    fn written(deductions: &[(Fields, Option<(u64, i64)>)], captures: &[(u8, i64)]) -> Vec<u8> {
        let lease = |(of, hold): &(Fields, Option<(u64, i64)>)| {
            (of.clone(), hold.map(|(ends, at_end)| (ends, at_end, None::<u8>)))
        };
        let deductions: Vec<_> = deductions.iter().map(lease).collect();
        let voids = vec![Void { id: deduction(9).id, client_id: None }];
        let of = |(number, amount): &(u8, i64)| {
            (deduction(*number).id, deduction(*number).client_id, *amount, 1_u32)
        };
        let captures: Vec<_> = captures.iter().map(of).collect();
        to_bytes(&(VERSION, deductions, voids, captures))
    }

    #[test]
    fn what_cannot_be_kept_is_answered_alone() {
        let max = Units::MAX.get();
        let named = |number, route: &str| Deduction { route: route.into(), ..deduction(number) };
        let day = NOW + LONGEST_HOLD_MS;
        let sound = |number| fields(&deduction(number), *b"usd", 100);
        let cases = [
            (fields(&deduction(0), *b"usd", max + 1), None, false),
            (sound(1), None, true),
            (fields(&deduction(2), *b"xxx", 100), None, false),
            (fields(&named(3, &"r".repeat(257)), *b"usd", 100), None, false),
            (fields(&named(4, "a\0b"), *b"usd", 100), None, false),
            (fields(&named(5, "a\nb"), *b"usd", 100), None, false),
            (fields(&deduction(6), *b"eur", max), None, true),
            (fields(&deduction(7), *b"usd", -1), None, false),
            (fields(&deduction(8), [0xff; 3], 0), None, false),
            (sound(9), Some((day, 100)), true),
            (sound(10), Some((day + 1, 100)), false),
            (sound(11), Some((day, 101)), false),
            (sound(12), Some((day, -1)), false),
        ];
        let deductions: Vec<_> = cases.iter().map(|(of, hold, _)| (of.clone(), *hold)).collect();
        let bytes = written(&deductions, &[(1, -1), (2, 5), (3, max + 1)]);
        let Received { batch, refused } = Received::from_compact(&bytes).unwrap();
        assert_eq!(batch.voids.len(), 1);
        assert_eq!(batch.captures.len(), 1);
        use CaptureOutcome::{Conflict, Marked};
        let deducted = DeductionOutcome::Deducted(Units::ZERO);
        let answer = BatchAnswer {
            deductions: batch.deductions.iter().map(|of| (of.id, deducted)).collect(),
            voids: Vec::new(),
            captures: batch.captures.iter().map(|of| (of.id, Marked)).collect(),
        };
        let answer = refused.complete(answer);
        assert_eq!(answer.deductions.len(), cases.len());
        for ((of, _, sound), (id, outcome)) in cases.iter().zip(&answer.deductions) {
            assert_eq!(of.0, *id);
            assert_eq!(*outcome == deducted, *sound, "{of:?}");
        }
        let captures: Vec<_> = answer.captures.iter().map(|(_, outcome)| *outcome).collect();
        assert_eq!(captures, [Conflict, Marked, Conflict]);
    }

    #[test]
    fn what_a_gateway_writes_is_received_as_it_is() {
        let at_end = Units::from_u32(7);
        let terms = HoldTerms { ends_ms: NOW + 1, at_end, lease: Some(5) };
        let held = Deduction { hold: Some(terms), ..deduction(2) };
        let (amount, count) = (Units::from_u32(3), 2);
        let capture = Capture { id: held.id, client_id: held.client_id, amount, count };
        let batch = Batch {
            version: VERSION,
            deductions: vec![deduction(1), held],
            voids: vec![],
            captures: vec![capture],
        };
        let bytes = to_bytes(&batch);
        let refused = Refused::default();
        assert_eq!(Received::from_compact(&bytes), Ok(Received { batch, refused }));
        for end in 0..bytes.len() {
            assert_eq!(Received::from_compact(&bytes[..end]), Err(NotCompact), "{end}");
        }
    }

    /// Of the version before: no leases, one request a capture, and no word on what is leased.
    #[test]
    fn the_version_before_is_answered_as_it_was() {
        let day = Some((NOW + LONGEST_HOLD_MS, 7_i64));
        let sent = vec![
            (fields(&deduction(1), *b"usd", 100), None),
            (fields(&deduction(2), *b"xxx", 1), None),
            (fields(&deduction(3), *b"usd", 100), day),
        ];
        let voids = vec![Void { id: deduction(9).id, client_id: None }];
        let captured = vec![(deduction(4).id, deduction(4).client_id, 5_i64)];
        let Received { batch, refused } =
            Received::from_compact(&to_bytes(&(LEASELESS, sent, voids, captured))).unwrap();
        let at_end = Units::from_u32(7);
        let terms = HoldTerms { ends_ms: NOW + LONGEST_HOLD_MS, at_end, lease: None };
        assert_eq!(
            batch.deductions,
            [deduction(1), Deduction { hold: Some(terms), ..deduction(3) }]
        );
        assert_eq!(batch.captures.first().map(|capture| capture.count), Some(1));
        let owed = DeductionOutcome::InDebt(Units::from_u32(5));
        let answer = BatchAnswer {
            deductions: vec![(deduction(1).id, owed), (deduction(3).id, DeductionOutcome::Leased)],
            voids: vec![(deduction(9).id, VoidOutcome::Marked)],
            captures: vec![(deduction(4).id, CaptureOutcome::Marked)],
        };
        let bytes = refused.complete(answer.clone()).encode(batch.version);
        let expected: (Vec<_>, Vec<_>, Vec<_>) = (
            vec![
                (deduction(1).id, owed),
                (deduction(2).id, DeductionOutcome::Conflict),
                (deduction(3).id, DeductionOutcome::Insufficient),
            ],
            vec![(deduction(9).id, VoidOutcome::Marked)],
            vec![(deduction(4).id, CaptureOutcome::Marked)],
        );
        assert_eq!(bytes, to_bytes(&expected));
        for version in [4, VERSION] {
            let answer = answer.clone().encode(version);
            assert_eq!(answer.get(35), Some(&7), "told as it is to who knows of leases");
        }
        let refused = DeductionOutcome::KeyRefused(KeyRefusal::Revoked);
        let deductions = vec![(deduction(1).id, refused)];
        let answer = BatchAnswer { deductions, ..BatchAnswer::default() };
        for (version, told) in [(4, 1), (KEYLESS, 1), (VERSION, 9)] {
            let answer = answer.clone().encode(version);
            assert_eq!(answer.get(17), Some(&told), "version {version}");
        }
        let rotated = DeductionOutcome::KeyRefused(KeyRefusal::Rotated);
        let deductions = vec![(deduction(1).id, rotated)];
        let answer = BatchAnswer { deductions, ..BatchAnswer::default() };
        for (version, told) in [(4, 1), (AUTOLESS, 1), (VERSION, 9)] {
            let answer = answer.clone().encode(version);
            assert_eq!(answer.get(17), Some(&told), "version {version}");
        }
        let untopped =
            DeductionOutcome::DeductedUntopped(Units::from_u32(5), AutoTopUpOff::Declined);
        let deductions = vec![(deduction(1).id, untopped)];
        let answer = BatchAnswer { deductions, ..BatchAnswer::default() };
        for (version, told) in [(4, 0), (AUTOLESS, 0), (VERSION, 10)] {
            let answer = answer.clone().encode(version);
            assert_eq!(answer.get(17..19), Some(&[told, 10][..]), "version {version}");
        }
    }
}

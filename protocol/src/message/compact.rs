//! The encoding of batches: their fields in order, as postcard writes them.
//!
//! A batch is on the way of every paid request. A deduction would take 165 bytes as JSON, and
//! much of the time that gateway and ledger spend on it. It takes 61 here, and little. Source: the postcard wire
//! format (postcard.jamesmunns.com/wire-format). The version comes first, so that a later message can
//! be told from a broken one.

use alloc::vec::Vec;

use serde::{Serialize, de::DeserializeOwned};

/// `content-type` of batches and their answers in this encoding.
pub const MEDIA_TYPE: &str = "application/vnd.stripe402.batch";

/// Not such a message: cut off, with something behind it, or with values out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a batch in this encoding")]
pub struct NotCompact;

/// Encodes a [`super::Batch`] or a [`super::BatchAnswer`].
#[must_use]
pub fn to_bytes<T: Serialize>(message: &T) -> Vec<u8> {
    // Fails for maps and sequences of unknown length only; there are none in these messages.
    postcard::to_allocvec(message).unwrap_or_default()
}

/// Decodes one, to the last byte.
///
/// # Errors
/// [`NotCompact`] for anything else.
pub fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, NotCompact> {
    match postcard::take_from_bytes(bytes) {
        Ok((message, [])) => Ok(message),
        _ => Err(NotCompact),
    }
}

/// The version of a [`super::Batch`], also of one that is not understood.
#[must_use]
pub fn version(bytes: &[u8]) -> Option<u16> {
    postcard::take_from_bytes(bytes).ok().map(|(version, _)| version)
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString, vec};

    use super::*;
    use crate::{
        ClientId, DeductionId, Units,
        message::{
            AutoTopUpOff, Batch, BatchAnswer, CaptureOutcome, Deduction, DeductionOutcome,
            KeyRefusal, VERSION, Void, VoidOutcome,
        },
    };

    fn batch() -> Batch {
        let id = DeductionId::mint(1_795_000_000_123, [7; 10]);
        let client_id = ClientId::derive(b"secret", "fp_test");
        let currency = "usd".parse().unwrap();
        let amount = Units::from_u32(100);
        let route = "joke".to_string();
        let deduction = Deduction { id, client_id, currency, amount, route, hold: None };
        let voids = vec![Void { id, client_id: None }, Void { id, client_id: Some(client_id) }];
        Batch { version: VERSION, deductions: vec![deduction], voids, captures: vec![] }
    }

    #[test]
    fn there_and_back_and_not_a_byte_less_or_more() {
        let (batch, id) = (batch(), batch().deductions[0].id);
        let deductions =
            vec![(id, DeductionOutcome::Deducted(Units::MAX)), (id, DeductionOutcome::Frozen)];
        let voids = vec![(id, VoidOutcome::Marked)];
        let answer = BatchAnswer { deductions, voids, captures: vec![] };
        let mut bytes = to_bytes(&batch);
        assert_eq!(from_bytes(&bytes), Ok(batch));
        assert_eq!(version(&bytes), Some(VERSION));
        assert_eq!(from_bytes(&to_bytes(&answer)), Ok(answer));
        for end in 0..bytes.len() {
            assert_eq!(from_bytes::<Batch>(&bytes[..end]), Err(NotCompact), "{end}");
        }
        bytes.push(0);
        assert_eq!(from_bytes::<Batch>(&bytes), Err(NotCompact));
    }

    /// Gateways and ledgers of other releases read these numbers.
    #[test]
    fn outcomes_have_the_numbers_they_always_had() {
        use DeductionOutcome::{
            Conflict, Deducted, Frozen, InDebt, Insufficient, LeaseRefused, Leased, Stale, Voided,
        };
        let three = Units::from_u32(3);
        let first = [Deducted(three), Insufficient, Frozen, Voided, Conflict, Stale];
        assert_eq!(to_bytes(&first), [0, 6, 1, 2, 3, 4, 5]);
        assert_eq!(to_bytes(&[InDebt(three), Leased, LeaseRefused]), [6, 6, 7, 8]);
        use KeyRefusal::{Budget, Expired, Revoked, Rotated, Route};
        let refused = [Budget, Expired, Revoked, Route, Rotated].map(DeductionOutcome::KeyRefused);
        assert_eq!(to_bytes(&refused), [9, 0, 9, 1, 9, 2, 9, 3, 9, 4]);
        use AutoTopUpOff::{AuthenticationRequired, Declined, MonthlyMost, Operator, Owner};
        let frozen = AutoTopUpOff::Frozen;
        let off = [Declined, AuthenticationRequired, frozen, Operator, Owner, MonthlyMost];
        for (number, off) in (0..).zip(off) {
            assert_eq!(to_bytes(&DeductionOutcome::DeductedUntopped(three, off)), [10, 6, number]);
        }
        use VoidOutcome as Void;
        let voids = [Void::Voided, Void::Marked, Void::Repeated, Void::Stale, Void::Conflict];
        assert_eq!(to_bytes(&voids), [0, 1, 2, 3, 4]);
        use CaptureOutcome as Capture;
        let settled = Capture::Captured { captured: three, left: Units::ZERO };
        let captures =
            [settled, Capture::Marked, Capture::Voided, Capture::Conflict, Capture::Stale];
        assert_eq!(to_bytes(&captures), [0, 6, 0, 1, 2, 3, 4]);
    }

    /// What is no currency is refused here; some stores would take it for dollars.
    #[test]
    fn currencies_are_checked() {
        let right = to_bytes(&batch());
        let at = right.windows(3).position(|bytes| bytes == b"usd").unwrap();
        for wrong in [*b"USD", *b"xxx", *b"a:b", [0; 3], [0xff; 3]] {
            let mut bytes = right.clone();
            bytes[at..at + 3].copy_from_slice(&wrong);
            assert_eq!(from_bytes::<Batch>(&bytes), Err(NotCompact), "{wrong:?}");
        }
    }

    /// An amount out of range is none, whichever way it comes.
    #[test]
    fn amounts_are_checked() {
        assert_eq!(from_bytes::<Units>(&to_bytes(&(Units::MAX.get() + 1))), Err(NotCompact));
        assert_eq!(from_bytes::<Units>(&to_bytes(&-1_i64)), Err(NotCompact));
        assert_eq!(from_bytes::<Units>(&to_bytes(&Units::MAX.get())), Ok(Units::MAX));
    }
}

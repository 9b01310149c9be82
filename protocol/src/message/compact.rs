//! The encoding of batches: their fields in order, as postcard writes them.
//!
//! A batch is on the way of every paid request. As JSON a charge takes 240 bytes and most of the time
//! that gateway and ledger spend on it; so it takes 65 bytes and next to none. Source: the postcard
//! wire format (postcard.jamesmunns.com/wire-format). The version comes first, so that a later
//! message can be told from a broken one.

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
        ChargeId, ClientId, Units,
        message::{Batch, BatchAnswer, Charge, ChargeOutcome, VERSION, Void, VoidOutcome},
    };

    fn batch() -> Batch {
        let id = ChargeId::mint(1_795_000_000_123, [7; 10]);
        let client_id = ClientId::derive(b"secret", "fp_test");
        let currency = "usd".parse().unwrap();
        let amount = Units::from_u32(100);
        let charge = Charge { id, client_id, currency, amount, route: "joke".to_string() };
        let voids = vec![Void { id, client_id: None }, Void { id, client_id: Some(client_id) }];
        Batch { version: VERSION, charges: vec![charge], voids }
    }

    #[test]
    fn there_and_back_and_not_a_byte_less_or_more() {
        let (batch, id) = (batch(), batch().charges[0].id);
        let charges = vec![(id, ChargeOutcome::Charged(Units::MAX)), (id, ChargeOutcome::Frozen)];
        let answer = BatchAnswer { charges, voids: vec![(id, VoidOutcome::Marked)] };
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

    /// An amount out of range is none, whichever way it comes.
    #[test]
    fn amounts_are_checked() {
        assert_eq!(from_bytes::<Units>(&to_bytes(&(Units::MAX.get() + 1))), Err(NotCompact));
        assert_eq!(from_bytes::<Units>(&to_bytes(&-1_i64)), Err(NotCompact));
        assert_eq!(from_bytes::<Units>(&to_bytes(&Units::MAX.get())), Ok(Units::MAX));
    }
}

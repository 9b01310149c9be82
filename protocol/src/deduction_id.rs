//! The name of one charge, minted at the gateway.

use core::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::hex;

/// 16 bytes: the minting time (Unix milliseconds, 48 bits, big-endian) and 80 random bits.
///
/// The gateway mints one per request; a client cannot choose it, or it would buy unlimited calls
/// with one. Ids sort by time, so that a store can forget the oldest by a range.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeductionId([u8; 16]);

/// Not 32 lowercase hex digits. Retrying does not help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a charge id is 32 lowercase hexadecimal digits")]
pub struct ParseDeductionIdError;

impl DeductionId {
    /// The id of a charge made at `unix_ms`, told apart by `random` (from the VM's random source).
    #[must_use]
    pub fn mint(unix_ms: u64, random: [u8; 10]) -> Self {
        let mut bytes = [0; 16];
        let time = unix_ms.to_be_bytes();
        let fields = time.iter().skip(2).chain(&random);
        bytes.iter_mut().zip(fields).for_each(|(slot, byte)| *slot = *byte);
        Self(bytes)
    }

    /// The first of all ids that were minted at `unix_ms` or later.
    #[must_use]
    pub fn first_at(unix_ms: u64) -> Self {
        Self::mint(unix_ms, [0; 10])
    }

    /// When it was minted, in Unix milliseconds by the gateway's clock.
    #[must_use]
    pub fn minted_ms(&self) -> u64 {
        self.0.iter().take(6).fold(0, |ms, byte| (ms << 8) | u64::from(*byte))
    }

    /// The id with these bytes, as a store keeps them.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// As it is written, into a buffer of the caller's.
    #[must_use]
    pub fn digits<'t>(&self, text: &'t mut [u8; 32]) -> &'t str {
        hex::encode(&self.0, text)
    }

    /// The bytes of the id.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for DeductionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.digits(&mut [0; 32]))
    }
}

impl fmt::Debug for DeductionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeductionId({self})")
    }
}

impl FromStr for DeductionId {
    type Err = ParseDeductionIdError;

    fn from_str(text: &str) -> Result<Self, ParseDeductionIdError> {
        hex::decode(text.as_bytes()).map(Self).ok_or(ParseDeductionIdError)
    }
}

impl Serialize for DeductionId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(self.digits(&mut [0; 32]))
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for DeductionId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return Deserialize::deserialize(deserializer).map(Self);
        }
        let text = alloc::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn an_id_carries_its_time_and_sorts_by_it() {
        let id = DeductionId::mint(1_795_000_000_123, [0xab; 10]);
        assert_eq!(id.minted_ms(), 1_795_000_000_123);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(
            DeductionId::mint(1_795_000_000_122, [0xff; 10])
                < DeductionId::first_at(1_795_000_000_123)
        );
        assert!(DeductionId::first_at(1_795_000_000_123) <= id);
    }
}

//! Who pays: an id derived from the card, so that the payment is the authentication.

use alloc::{borrow::ToOwned, format, string::String};
use core::{fmt, str::FromStr};

use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::hex;

/// `HMAC-SHA256(server secret, card fingerprint)`, 32 bytes, written as 64 lowercase hex digits.
///
/// It is a bearer credential: whoever has it can spend. `Debug` shows its beginning only;
/// the whole id leaves through [`ClientId::to_hex`], which is easy to find in a review.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId([u8; 32]);

/// How keys begin, so that only what may be one is looked up as one.
const KEY_HEAD: [u8; 6] = [0x40, 0x24, 0x02, 0x40, 0x24, 0x02];

/// Not 64 lowercase hex digits: an unknown client. Retrying does not help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a client id is 64 lowercase hexadecimal digits")]
pub struct ParseClientIdError;

impl ClientId {
    /// The id of the card with this Stripe fingerprint on a server with this secret.
    #[must_use]
    pub fn derive(server_secret: &[u8], fingerprint: &str) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104)")]
        let mut mac = Hmac::<Sha256>::new_from_slice(server_secret).expect("any length");
        mac.update(fingerprint.as_bytes());
        Self(mac.finalize().into_bytes().into())
    }

    /// The id of a card after so many rotations: `HMAC(server secret, fingerprint ":" generation)`, cut to what
    /// a key has room for, since it is looked up as one.
    #[must_use]
    pub fn generation(server_secret: &[u8], fingerprint: &str, generation: u32) -> Self {
        let Self(bytes) = Self::derive(server_secret, &format!("{fingerprint}:{generation}"));
        Self::key(bytes.first_chunk().copied().unwrap_or_default())
    }

    /// A key with these random bytes: an alias of a client, with limits of its own, that every client can
    /// use as its id.
    #[must_use]
    pub fn key(random: [u8; 26]) -> Self {
        let mut bytes = [0; 32];
        let (head, tail) = bytes.split_at_mut(KEY_HEAD.len());
        head.copy_from_slice(&KEY_HEAD);
        tail.copy_from_slice(&random);
        Self(bytes)
    }

    /// Whether it may be a key. A card's id looks like one once in 2^48.
    #[must_use]
    pub fn may_be_key(&self) -> bool {
        self.0.starts_with(&KEY_HEAD)
    }

    /// Its SHA-256: what is kept of a key.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }

    /// The id with these bytes, as a store keeps them.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes of the id.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The whole id, for the wire and the store. Never log it.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.digits(&mut [0; 64]).to_owned()
    }

    /// [`ClientId::to_hex`], into a buffer of the caller's. Never log it.
    #[must_use]
    pub fn digits<'t>(&self, text: &'t mut [u8; 64]) -> &'t str {
        hex::encode(&self.0, text)
    }

    /// What may be shown to people and written into Stripe's metadata: a hash, good for finding
    /// an account again and useless for spending.
    #[must_use]
    pub fn subject(&self) -> String {
        hex::encode(&self.digest(), &mut [0; 16]).to_owned()
    }
}

impl FromStr for ClientId {
    type Err = ParseClientIdError;

    fn from_str(text: &str) -> Result<Self, ParseClientIdError> {
        hex::decode(text.as_bytes()).map(Self).ok_or(ParseClientIdError)
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientId(subject {})", self.subject())
    }
}

impl Serialize for ClientId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(self.digits(&mut [0; 64]))
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for ClientId {
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
    use super::*;

    #[test]
    fn only_lowercase_hex_of_full_length_is_an_id() {
        let id = ClientId::derive(b"secret", "fp_test");
        let hex = id.to_hex();
        assert_eq!(hex.parse(), Ok(id));
        for wrong in [&hex[1..], &hex.to_uppercase(), &format!("{hex}0"), "", " "] {
            assert_eq!(wrong.parse::<ClientId>(), Err(ParseClientIdError), "{wrong}");
        }
    }

    #[test]
    fn a_key_is_an_id_that_is_known_by_its_beginning() {
        let key = ClientId::key([0xab; 26]);
        assert_eq!(key.to_hex(), format!("402402402402{}", "ab".repeat(26)));
        assert_eq!(key.to_hex().parse(), Ok(key));
        assert!(key.may_be_key() && !ClientId::derive(b"secret", "fp_test").may_be_key());
        assert!(hex::to_string(&key.digest()).starts_with(&key.subject()));
    }

    /// Computed with OpenSSL: `printf fp_test:2 | openssl dgst -sha256 -hmac secret`.
    #[test]
    fn a_generation_is_found_again_from_the_card() {
        let id = ClientId::generation(b"secret", "fp_test", 2);
        assert_eq!(id.to_hex(), "402402402402b0111291f87c3fe7c0c29f641fafe5061727554b4b8d5d7476a4");
        for other in [
            ClientId::generation(b"secret", "fp_test", 1),
            ClientId::generation(b"other", "fp_test", 2),
            ClientId::generation(b"secret", "fp_tes", 2),
        ] {
            assert_ne!(other, id);
        }
    }

    #[test]
    fn debug_does_not_give_the_credential_away() {
        let id = ClientId::derive(b"secret", "fp_test");
        let shown = format!("{id:?}");
        assert!(!shown.contains(&id.to_hex()[..8]), "{shown}");
    }
}

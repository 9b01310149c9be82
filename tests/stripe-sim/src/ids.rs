//! Ids and secrets: a prefix and random letters and digits, as Stripe's are.

use sha2::{Digest, Sha256};

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The length of an id's random part, as Stripe's is now.
const ID_LEN: usize = 24;

/// A new id such as `pi_3M…`.
pub(crate) fn new(prefix: &str) -> String {
    format!("{prefix}_{}", random(ID_LEN))
}

pub(crate) fn request() -> String {
    format!("req_{}", random(14))
}

pub(crate) fn client_secret(id: &str) -> String {
    format!("{id}_secret_{}", random(25))
}

fn random(len: usize) -> String {
    let mut bytes = vec![0; len];
    let mut counter: u64 = 0;
    while getrandom::fill(&mut bytes).is_err() && counter < 8 {
        counter = counter.saturating_add(1);
    }
    spell(&bytes)
}

/// Sixteen letters and digits that depend on the text alone, like a card's fingerprint.
pub(crate) fn fingerprint(of: &str) -> String {
    let digest = Sha256::digest(format!("stripe-sim fingerprint {of}"));
    digest.get(..16).map(spell).unwrap_or_default()
}

/// A short name for a secret: what is kept instead of an API key.
pub(crate) fn digest(of: &str) -> String {
    spell(&Sha256::digest(of))
}

fn spell(bytes: &[u8]) -> String {
    bytes
        .iter()
        .filter_map(|byte| ALPHABET.get(usize::from(*byte).rem_euclid(ALPHABET.len())))
        .map(|letter| char::from(*letter))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_fingerprints_do_not() {
        assert_ne!(new("pi"), new("pi"));
        assert_eq!(new("pi").len(), 3 + ID_LEN);
        assert_eq!(fingerprint("4242424242424242"), fingerprint("4242424242424242"));
        assert_ne!(fingerprint("4242424242424242"), fingerprint("4000056655665556"));
        assert_eq!(fingerprint("4242424242424242").len(), 16);
    }
}

//! Lowercase hexadecimal, the only spelling that ids have on the wire.

use alloc::{string::String, vec};

/// Two lowercase digits per byte.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = vec![0; bytes.len().saturating_mul(2)];
    for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = [lower(byte >> 4), lower(byte & 0x0f)];
    }
    // Digits are ASCII.
    String::from_utf8(text).unwrap_or_default()
}

/// Exactly `N` bytes from `2N` lowercase digits; anything else is `None`.
pub(crate) fn decode<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = (digit(*high)? << 4) | digit(*low)?;
    }
    Some(bytes)
}

/// The digit of a nibble, without a table or a branch.
fn lower(nibble: u8) -> u8 {
    let letter = u8::from(nibble > 9);
    nibble.wrapping_add(b'0').wrapping_add(letter.wrapping_mul(b'a' - b'0' - 10))
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => character.checked_sub(b'0'),
        b'a'..=b'f' => character.checked_sub(b'a' - 10),
        _ => None,
    }
}

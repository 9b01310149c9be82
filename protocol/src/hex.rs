//! Lowercase hexadecimal, the only spelling that ids have on the wire.

use alloc::{string::String, vec};

/// Two lowercase digits for each of these bytes.
#[must_use]
pub fn to_string(bytes: &[u8]) -> String {
    let mut text = vec![0; bytes.len().saturating_mul(2)];
    encode(bytes, &mut text).into()
}

/// Two lowercase digits per byte, as many as `text` has room for.
pub(crate) fn encode<'t>(bytes: &[u8], text: &'t mut [u8]) -> &'t str {
    for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = [lower(byte >> 4), lower(byte & 0x0f)];
    }
    // Digits are ASCII.
    core::str::from_utf8(text).unwrap_or_default()
}

/// Exactly `N` bytes from `2N` lowercase digits; anything else is `None`.
pub(crate) fn decode<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let (mut bytes, mut wrong) = ([0; N], false);
    // To the end in any case: without a way out the compiler does many at once.
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let ((high, not_high), (low, not_low)) = (digit(*high), digit(*low));
        *byte = (high << 4) | (low & 0x0f);
        wrong |= not_high | not_low;
    }
    (!wrong).then_some(bytes)
}

/// The digit of a nibble, without a table or a branch.
fn lower(nibble: u8) -> u8 {
    let letter = u8::from(nibble > 9);
    nibble.wrapping_add(b'0').wrapping_add(letter.wrapping_mul(b'a' - b'0' - 10))
}

/// What a character is worth, and whether it is no digit at all.
fn digit(character: u8) -> (u8, bool) {
    let (number, letter) = (character.wrapping_sub(b'0'), character.wrapping_sub(b'a'));
    let worth = if number < 10 { number } else { letter.wrapping_add(10) };
    (worth, number >= 10 && letter >= 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_goes_there_and_back() {
        assert_eq!(to_string(&[]), "");
        let bytes: [u8; 256] = core::array::from_fn(|at| u8::try_from(at).unwrap());
        let text = to_string(&bytes);
        assert!(text.starts_with("000102") && text.ends_with("fdfeff"), "{text}");
        assert_eq!(decode(text.as_bytes()), Some(bytes));
    }
}

//! Skips over bytes that need no decision, eight at a time: most of an answer is text.

const ONES: u64 = 0x0101_0101_0101_0101;
const TOPS: u64 = 0x8080_8080_8080_8080;
/// A byte that nothing stops at.
const PLAIN: u8 = b'a';

/// How many bytes come before the first quote, backslash or control character.
pub(super) fn text(bytes: &[u8]) -> usize {
    skip(bytes, |word| {
        let control = word.wrapping_sub(all(b' ')) & !word & TOPS;
        zeros(word ^ all(b'"')) | zeros(word ^ all(b'\\')) | control
    })
}

/// How many bytes come before the line's end.
pub(super) fn line(bytes: &[u8]) -> usize {
    skip(bytes, |word| zeros(word ^ all(b'\n')) | zeros(word ^ all(b'\r')))
}

/// How many bytes come before the first that is marked. The lowest mark must be exact; above it
/// there may be false ones.
fn skip(bytes: &[u8], marks: impl Fn(u64) -> u64) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut at = 0_usize;
    for word in words {
        let found = marks(u64::from_le_bytes(*word));
        if found != 0 {
            return at.saturating_add(place(found));
        }
        at = at.saturating_add(8);
    }
    let mut last = [PLAIN; 8];
    for (byte, left) in last.iter_mut().zip(rest) {
        *byte = *left;
    }
    match marks(u64::from_le_bytes(last)) {
        0 => bytes.len(),
        found => at.saturating_add(place(found)),
    }
}

/// This byte, eight times.
const fn all(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Marks each byte that is zero, and maybe some above the first.
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & TOPS
}

/// The place of the lowest mark: 0 to 7.
fn place(marks: u64) -> usize {
    usize::try_from(marks.trailing_zeros() >> 3).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_that_matters_is_found_wherever_it_is() {
        for size in 0..40 {
            for at in 0..size {
                for byte in 0..=255_u8 {
                    let mut bytes = vec![b'~'; size];
                    bytes[at] = byte;
                    let stops = byte < b' ' || byte == b'"' || byte == b'\\';
                    assert_eq!(
                        text(&bytes),
                        if stops { at } else { size },
                        "{byte} at {at} of {size}"
                    );
                    let ends = byte == b'\n' || byte == b'\r';
                    assert_eq!(
                        line(&bytes),
                        if ends { at } else { size },
                        "{byte} at {at} of {size}"
                    );
                }
            }
        }
    }

    #[test]
    fn of_several_the_first_counts() {
        assert_eq!(text(b"\xc3\xbc\xff!#\"\\\x01"), 5);
        assert_eq!(text(b"abcdefghij\x01\x02\""), 10);
        assert_eq!(line(b"abcdefgh\x0b\r\n"), 9);
    }
}

//! A text of JSON as it is meant: escapes resolved, up to a length.

use crate::pricing::LONGEST_NAME;

/// Is in no UTF-8, so what has it is equal to nothing.
const NO_LETTER: u8 = 0xff;

/// The text that is being read.
#[derive(Debug, Default)]
pub(super) struct Text {
    bytes: Vec<u8>,
    /// It is longer than all that it is compared with.
    long: bool,
    /// The first half of a surrogate pair.
    high: Option<u16>,
}

impl Text {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.long = false;
        self.high = None;
    }

    /// Letters as they are written.
    pub(super) fn push(&mut self, plain: &[u8]) {
        if !plain.is_empty() {
            self.end_pair();
            self.keep(plain);
        }
    }

    /// A 16-bit code unit, written `\u0061`. Half a pair without the other half stands for no letter.
    pub(super) fn push_unit(&mut self, unit: u16) {
        let letter = match self.high.take() {
            Some(high) => {
                let pair = char::decode_utf16([high, unit]).next().and_then(Result::ok);
                if pair.is_none() {
                    self.keep(&[NO_LETTER]);
                }
                pair
            }
            None => None,
        };
        let letter = letter.or_else(|| char::from_u32(u32::from(unit)));
        match letter {
            Some(letter) => self.keep(letter.encode_utf8(&mut [0; 4]).as_bytes()),
            None if (0xd800..0xdc00).contains(&unit) => self.high = Some(unit),
            None => self.keep(&[NO_LETTER]),
        }
    }

    /// The whole text; `None` if it is longer than all that it is compared with.
    pub(super) fn end(&mut self) -> Option<&[u8]> {
        self.end_pair();
        (!self.long).then_some(self.bytes.as_slice())
    }

    /// Half a pair stays alone.
    fn end_pair(&mut self) {
        if self.high.take().is_some() {
            self.keep(&[NO_LETTER]);
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LONGEST_NAME.saturating_sub(self.bytes.len());
        match bytes.get(..room.min(bytes.len())) {
            Some(kept) if kept.len() == bytes.len() => self.bytes.extend_from_slice(kept),
            _ => self.long = true,
        }
    }
}

#[cfg(test)]
impl Text {
    pub(super) const fn kept(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_mean_what_they_stand_for() {
        let read = |units: &[u16]| {
            let mut text = Text::default();
            for unit in units {
                text.push_unit(*unit);
                text.push(b"");
            }
            text.push(b"z");
            text.end().map(<[u8]>::to_vec)
        };
        for (units, expected) in [
            (&[0x61][..], &b"az"[..]),
            (&[0x20ac], "\u{20ac}z".as_bytes()),
            (&[0xd83d, 0xde00], "\u{1f600}z".as_bytes()),
            (&[0xd83d], b"\xffz"),
            (&[0xde00], b"\xffz"),
            (&[0xd83d, 0x61], b"\xffaz"),
            (&[0xd83d, 0xd83d, 0xde00], b"\xff\xf0\x9f\x98\x80z"),
        ] {
            assert_eq!(read(units).as_deref(), Some(expected), "{units:x?}");
        }
    }

    #[test]
    fn a_text_that_is_too_long_is_none_and_takes_no_memory() {
        let mut text = Text::default();
        text.push(&[b'a'; LONGEST_NAME]);
        assert!(text.end().is_some());
        for _ in 0..1_000 {
            text.push(b"aa");
        }
        assert_eq!(text.end(), None);
        assert!(text.kept() <= 2 * LONGEST_NAME);
        text.clear();
        assert_eq!(text.end(), Some(&b""[..]));
    }
}

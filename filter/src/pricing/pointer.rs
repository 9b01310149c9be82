//! JSON pointers (RFC 6901): where in a document a value is.

/// Segments of a pointer, at the most.
const DEEPEST_POINTER: usize = 16;
/// Bytes of a segment, at the most.
const LONGEST_SEGMENT: usize = 64;

const ESCAPES: &str = "a JSON pointer in which ~ is written ~0, and / inside of a name ~1";

/// A pointer to a value inside of a document, such as `/usage/prompt_tokens`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    segments: Box<[Segment]>,
}

/// One step of a pointer: a field's name, or an element's number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// The name, with `~0` and `~1` resolved.
    pub(crate) key: Box<str>,
    /// The number, if the name is one.
    pub(crate) index: Option<u64>,
}

impl Pointer {
    /// Reads a pointer.
    ///
    /// # Errors
    /// What it must be, after "must be", if it is none, or too long.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err("a JSON pointer, which begins with /: /usage/prompt_tokens");
        };
        let segments: Box<[Segment]> =
            rest.split('/').map(Segment::parse).collect::<Result<_, _>>()?;
        if segments.len() > DEEPEST_POINTER {
            return Err("a JSON pointer of at most 16 segments");
        }
        Ok(Self { segments })
    }

    /// How many segments there are: 1 or more.
    pub(crate) const fn depth(&self) -> usize {
        self.segments.len()
    }

    /// The step from a container at this depth (the document's root is at depth 1) to what is inside.
    pub(crate) fn step(&self, depth: usize) -> Option<&Segment> {
        self.segments.get(depth.checked_sub(1)?)
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > LONGEST_SEGMENT {
            return Err("a JSON pointer whose segments have at most 64 bytes");
        }
        let mut key = String::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            key.push(match letter {
                '~' => match letters.next() {
                    Some('0') => '~',
                    Some('1') => '/',
                    _ => return Err(ESCAPES),
                },
                letter => letter,
            });
        }
        let number = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit());
        let index = (number && (key == "0" || !key.starts_with('0'))).then(|| key.parse().ok());
        Ok(Self { key: key.into(), index: index.flatten() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_is_read_as_in_rfc_6901() {
        let segments = |text: &str| {
            let pointer = Pointer::parse(text).unwrap();
            let read =
                pointer.segments.iter().map(|segment| (segment.key.to_string(), segment.index));
            read.collect::<Vec<_>>()
        };
        for (text, expected) in [
            ("/", vec![("", None)]),
            ("/a/0", vec![("a", None), ("0", Some(0))]),
            ("/10/01", vec![("10", Some(10)), ("01", None)]),
            ("/a~1b/m~0n/~01", vec![("a/b", None), ("m~n", None), ("~1", None)]),
            ("/-", vec![("-", None)]),
            ("/99999999999999999999", vec![("99999999999999999999", None)]),
        ] {
            let expected: Vec<_> =
                expected.iter().map(|(key, at)| ((*key).to_owned(), *at)).collect();
            assert_eq!(segments(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_pointer_is_refused() {
        let long = format!("/{}", "a".repeat(LONGEST_SEGMENT + 1));
        let deep = "/a".repeat(DEEPEST_POINTER + 1);
        for wrong in ["", "usage", "a/b", "/a~", "/a~2", "/~~0", &long, &deep] {
            assert!(Pointer::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Pointer::parse(&"/a".repeat(DEEPEST_POINTER)).is_ok());
    }
}

//! The short way to read a `payment` header that names a client id and nothing else: who has paid
//! before sends one with each request.

use crate::{ClientId, hex};

/// What clients write before the id: the least, and what the clients for JavaScript and Python write.
const FRONTS: [&[u8]; 3] = [
    br#"{"clientId":""#,
    br#"{"stripe402Version":1,"clientId":""#,
    br#"{"stripe402Version": 1, "clientId": ""#,
];
/// More JSON than that is not read here, in bytes.
const LONGEST: usize = 120;
/// In place of six bits: no letter of base64.
const NONE: u32 = 1 << 31;

/// The client that pays, if the header names one in a usual spelling and says nothing else. `None` says
/// nothing: then [`crate::Payment::decode`] is to be asked. What this reads, that reads in the same way.
pub(crate) fn client_id(header: &[u8]) -> Option<ClientId> {
    let mut buffer = [0; LONGEST];
    let json = decoded(header, &mut buffer)?;
    let rest = FRONTS.iter().find_map(|front| json.strip_prefix(*front))?;
    let (id, end) = rest.split_first_chunk::<64>()?;
    let blanks = end.strip_prefix(br#""}"#)?;
    if blanks.iter().any(|byte| *byte != b' ') {
        return None;
    }
    hex::decode(id).map(ClientId::from_bytes)
}

/// What this standard base64 stands for, with padding or without.
fn decoded<'j>(text: &[u8], json: &'j mut [u8; LONGEST]) -> Option<&'j [u8]> {
    let padded = match text {
        [.., b'=', b'='] => 2,
        [.., b'='] => 1,
        _ => 0,
    };
    let text = text.get(..text.len().checked_sub(padded)?)?;
    let (groups, rest) = text.as_chunks::<4>();
    if padded > 0 && rest.len().saturating_add(padded) != 4 {
        return None;
    }
    let last = match *rest {
        [] => None,
        [one, two] => Some([one, two, b'A', b'A']),
        [one, two, three] => Some([one, two, three, b'A']),
        _ => return None,
    };
    let size = text.len().checked_mul(3)? / 4;
    if size > LONGEST {
        return None;
    }
    let mut slots = json.as_chunks_mut::<3>().0.iter_mut();
    let mut wrong = 0;
    for (group, slot) in groups.iter().zip(&mut slots) {
        let (bytes, strange) = three(*group);
        *slot = bytes;
        wrong |= strange;
    }
    if let Some(group) = last {
        let (bytes, strange) = three(group);
        // Bits that stand for nothing have to be zero.
        let kept = rest.len().saturating_sub(1);
        wrong |= u8::from(bytes.iter().skip(kept).any(|byte| *byte != 0));
        wrong |= strange;
        *slots.next()? = bytes;
    }
    if wrong == 0 { json.get(..size) } else { None }
}

/// Three bytes of four letters, and whether one of these is none: then not zero.
fn three(group: [u8; 4]) -> ([u8; 3], u8) {
    let [one, two, three, four] = group.map(usize::from);
    let at = |places: &[u32; 256], letter: usize| places.get(letter).copied().unwrap_or(NONE);
    let bits = at(&FIRST, one) | at(&SECOND, two) | at(&THIRD, three) | at(&FOURTH, four);
    let [strange, first, second, third] = bits.to_be_bytes();
    ([first, second, third], strange)
}

/// What a letter stands for, by its place among four.
const FIRST: [u32; 256] = letters(18);
const SECOND: [u32; 256] = letters(12);
const THIRD: [u32; 256] = letters(6);
const FOURTH: [u32; 256] = letters(0);

/// The six bits of every letter, moved up so far.
const fn letters(shift: u32) -> [u32; 256] {
    let mut rest: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut table = [NONE; 256];
    let mut value = 0_u32;
    while let [letter, others @ ..] = rest {
        #[expect(clippy::as_conversions, clippy::indexing_slicing, reason = "a constant")]
        {
            table[*letter as usize] = value.wrapping_shl(shift);
        }
        value = value.wrapping_add(1);
        rest = others;
    }
    table
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::String, vec::Vec};

    use base64::{
        Engine as _,
        engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE},
    };

    use super::*;
    use crate::{Intent, Payment};

    fn id() -> String {
        ClientId::derive(b"secret", "fp_test").to_hex()
    }

    /// What the long way says, if that is a client and nothing else.
    fn by_the_long_way(header: &[u8]) -> Option<ClientId> {
        let payment = Payment::decode(header).ok()?;
        let Intent::Spend { client_id, card: None } = payment.intent() else { return None };
        let client_id = client_id?;
        let of_id = payment.client_id.clone();
        let nothing_else =
            Payment { stripe402_version: 1, client_id: of_id, ..Payment::default() } == payment;
        nothing_else.then_some(client_id)
    }

    #[test]
    fn usual_spellings_are_read() {
        let id = id();
        for json in [
            format!(r#"{{"clientId":"{id}"}}"#),
            format!(r#"{{"clientId":"{id}"}} "#),
            format!(r#"{{"clientId":"{id}"}}  "#),
            format!(r#"{{"stripe402Version":1,"clientId":"{id}"}}"#),
            format!(r#"{{"stripe402Version": 1, "clientId": "{id}"}}"#),
        ] {
            for header in [STANDARD.encode(&json), STANDARD_NO_PAD.encode(&json)] {
                assert_eq!(client_id(header.as_bytes()), id.parse().ok(), "{json}");
            }
        }
    }

    #[test]
    fn everything_else_is_left_to_the_long_way() {
        let id = id();
        for json in [
            format!(r#"{{"clientId":"{}"}}"#, id.to_uppercase()),
            format!(r#"{{"clientId":"{id}0"}}"#),
            format!(r#"{{"clientId":"{}"}}"#, &id[1..]),
            format!(r#"{{"clientId":"{id}","maxPrice":1}}"#),
            format!(r#"{{"clientId":"{id}"}}x"#),
            format!(r#"{{"clientId":"{id}"}}{}"#, " ".repeat(99)),
            format!(r#"{{"stripe402Version":2,"clientId":"{id}"}}"#),
            format!(r#"["{id}"]"#),
            String::new(),
        ] {
            for header in [STANDARD.encode(&json), URL_SAFE.encode(&json)] {
                assert_eq!(client_id(header.as_bytes()), None, "{json}");
            }
        }
    }

    #[test]
    fn no_change_of_a_byte_is_read_otherwise_than_by_the_long_way() {
        let id = id();
        for blanks in ["", " ", "  "] {
            let json = format!(r#"{{"clientId":"{id}"}}{blanks}"#);
            let header = STANDARD.encode(&json).into_bytes();
            for at in 0..header.len() {
                for byte in 0..=u8::MAX {
                    let mut changed = header.clone();
                    changed[at] = byte;
                    let short = client_id(&changed);
                    if short.is_some() {
                        assert_eq!(short, by_the_long_way(&changed), "{changed:?}");
                    }
                }
            }
            for end in 0..header.len() {
                let more: Vec<u8> = [&header[..end], b"="].concat();
                for cut in [&header[..end], &more] {
                    let short = client_id(cut);
                    assert!(short.is_none() || short == by_the_long_way(cut), "{cut:?}");
                }
            }
        }
    }
}

//! Which scheme an `Authorization` header is of.

/// What an `Authorization` header holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme<'a> {
    /// Nothing of MPP's.
    Other,
    /// One credential: what follows the scheme's name.
    Payment(&'a [u8]),
    /// Several credentials, or one beside another scheme's.
    Mixed,
}

/// Reads the header's value. Commas part credentials, except within quotes.
#[must_use]
pub fn scheme(value: &[u8]) -> Scheme<'_> {
    let (mut quoted, mut escaped) = (false, false);
    let comma = |byte: &u8| {
        match *byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' => return !quoted,
            _ => {}
        }
        false
    };
    let (mut credential, mut parts) = (None, 0_usize);
    for part in value.split(comma).map(<[u8]>::trim_ascii) {
        if part.is_empty() {
            continue;
        }
        if parts > 0 && credential.is_some() {
            return Scheme::Mixed;
        }
        parts = parts.saturating_add(1);
        if let Some(of) = payment(part) {
            credential = Some(of);
            if parts > 1 {
                return Scheme::Mixed;
            }
        }
    }
    credential.map_or(Scheme::Other, Scheme::Payment)
}

/// What follows the name of the scheme; `None` if it is another one, or a parameter of that name.
fn payment(part: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"payment";
    let (name, rest) = part.split_at_checked(NAME.len())?;
    let ends = matches!(rest.first(), None | Some(b' ' | b'\t'));
    let rest = rest.trim_ascii();
    (name.eq_ignore_ascii_case(NAME) && ends && !rest.starts_with(b"=")).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_scheme_payment_is_ours() {
        for (value, expected) in [
            ("Payment abc", Scheme::Payment(b"abc")),
            ("pAYMENT \t abc ", Scheme::Payment(b"abc")),
            ("Payment abc,", Scheme::Payment(b"abc")),
            ("Payment", Scheme::Payment(b"")),
            ("Payment abc def", Scheme::Payment(b"abc def")),
            ("Bearer Payment", Scheme::Other),
            ("Bearer payment.abc", Scheme::Other),
            ("PaymentX abc", Scheme::Other),
            ("Payments abc", Scheme::Other),
            ("Basic cGF5bWVudCA=", Scheme::Other),
            ("Negotiate oYGt,", Scheme::Other),
            ("Digest username=\"a, Payment b\", realm=\"x\\\", Payment y\"", Scheme::Other),
            ("Digest realm=\"x\", payment = \"y\", opaque=z", Scheme::Other),
            ("Payment abc, Payment def", Scheme::Mixed),
            ("Bearer x, Payment abc", Scheme::Mixed),
            ("Payment abc, Bearer x", Scheme::Mixed),
            ("Digest a=b, c=d, payment abc", Scheme::Mixed),
            (",Payment abc", Scheme::Payment(b"abc")),
            ("", Scheme::Other),
        ] {
            assert_eq!(scheme(value.as_bytes()), expected, "{value}");
        }
    }
}

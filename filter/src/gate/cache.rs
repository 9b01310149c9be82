//! What caches may do with a paid answer: a client's own may keep it, a shared one may not.

use std::borrow::Cow;

/// Headers that tell some shared caches more than `cache-control` does, beside those whose name
/// ends with `cache-control` (RFC 9213, section 2: `cdn-cache-control` and every vendor's own).
const TARGETED: [&[u8]; 4] =
    [b"surrogate-control", b"edge-control", b"x-accel-expires", b"expires"];

/// Whether a header of an answer could let a shared cache keep it, whatever `cache-control` says.
pub(super) fn is_targeted(name: &[u8]) -> bool {
    TARGETED.contains(&name)
        || name.strip_suffix(b"cache-control").is_some_and(|rest| !rest.is_empty())
}

/// Whether `cache-control` says `private` or stricter for the whole answer (RFC 9111, section
/// 5.2.2). `private="set-cookie"` is about one header only, and what is in quotes is no directive.
pub(super) fn is_private(cache_control: Option<&str>) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    let comma = |letter: char| {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' => return !quoted,
            _ => {}
        }
        false
    };
    let mut directives = cache_control.unwrap_or_default().split(comma).map(str::trim);
    directives.any(|directive| {
        directive.eq_ignore_ascii_case("private") || directive.eq_ignore_ascii_case("no-store")
    })
}

/// `vary` with `payment`, and with the header of MPP's credentials; `None` if both are there.
pub(super) fn vary_by_payment(
    vary: Option<&str>,
    credentials: Option<&str>,
) -> Option<Cow<'static, str>> {
    if vary.is_none() && credentials.is_none() {
        return Some(Cow::Borrowed("payment"));
    }
    let vary = vary.unwrap_or_default();
    let named = |wanted: &str| {
        let mut names = vary.split(',').map(str::trim);
        names.any(|name| name == "*" || name.eq_ignore_ascii_case(wanted))
    };
    let missing = ["payment"].into_iter().chain(credentials).filter(|name| !named(name));
    let missing = missing.collect::<Vec<_>>().join(", ");
    match (vary, missing.as_str()) {
        (_, "") => None,
        ("", _) => Some(missing.into()),
        _ => Some(format!("{vary}, {missing}").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_is_a_directive_of_its_own() {
        for (value, private) in [
            ("private", true),
            ("max-age=5, PRIVATE", true),
            ("no-store", true),
            ("public", false),
            ("foo=\"private, x\"", false),
            ("foo=\"a, private, b\"", false),
            ("foo=\"\\\", private, \"", false),
            ("foo=\"a\", private", true),
            ("private=\"set-cookie\"", false),
            ("privately", false),
        ] {
            assert_eq!(is_private(Some(value)), private, "{value}");
        }
        assert!(!is_private(None));
    }

    #[test]
    fn what_shared_caches_obey_beside_cache_control() {
        for (name, targeted) in [
            ("cdn-cache-control", true),
            ("cloudflare-cdn-cache-control", true),
            ("surrogate-control", true),
            ("edge-control", true),
            ("x-accel-expires", true),
            ("expires", true),
            ("cache-control", false),
            ("content-type", false),
        ] {
            assert_eq!(is_targeted(name.as_bytes()), targeted, "{name}");
        }
    }
}

//! What a path means to a lax API.
//!
//! A price that covers one spelling of a path and not another is a bypass. So paths are compared
//! after what Envoy, gateways and lax APIs do to them: percent-encodings are decoded, however
//! often they were encoded, backslashes taken for slashes, doubled slashes merged, `.` and `..`
//! resolved, parameters (`;x=1`) dropped, and whatever follows an encoded `?`, `#` or zero byte.

use std::borrow::Cow;

/// Encodings within encodings that are undone; more have no meaning to anybody.
const ROUNDS: usize = 4;

/// The path without its query and fragment.
pub(crate) fn without_query(path: &str) -> &str {
    let end = path.bytes().position(|byte| matches!(byte, b'?' | b'#'));
    end.and_then(|end| path.get(..end)).unwrap_or(path)
}

/// Whether a path means one thing to everybody: no encodings or parameters, and no segment that is
/// empty or begins with a dot.
fn is_plain(path: &str) -> bool {
    let mut after_slash = false;
    path.bytes().all(|byte| {
        let odd = match byte {
            b'%' | b';' | b'\\' | 0 => true,
            b'/' | b'.' => after_slash,
            _ => false,
        };
        after_slash = byte == b'/';
        !odd
    })
}

/// The canonical form of a path without a query. Borrowed if it is written that way already.
pub(super) fn canonical(path: &str) -> Cow<'_, str> {
    if is_plain(path) {
        return Cow::Borrowed(path);
    }
    let mut bytes = Cow::Borrowed(path.as_bytes());
    for _ in 0..ROUNDS {
        match decoded(&bytes) {
            Some(once) => bytes = Cow::Owned(once),
            None => break,
        }
    }
    let end = bytes.iter().position(|byte| matches!(byte, 0 | b'?' | b'#'));
    let end = end.unwrap_or(bytes.len());
    let meant = segments(bytes.get(..end).unwrap_or(&bytes));
    Cow::Owned(String::from_utf8_lossy(&meant).into_owned())
}

/// What a path that is not written plainly may mean to an API that takes some of these steps and
/// leaves others: decoded so often, cut at an encoded `?` or not. (Tomcat drops parameters, decodes
/// once, and then resolves `..`.)
pub(super) fn readings(path: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut bytes = Cow::Borrowed(path.as_bytes());
    for _ in 0..=ROUNDS {
        let end = bytes.iter().position(|byte| matches!(byte, 0 | b'?' | b'#'));
        let cut = end.and_then(|end| bytes.get(..end));
        for part in [Some(&*bytes), cut].into_iter().flatten() {
            let reading = String::from_utf8_lossy(&segments(part)).into_owned();
            if !found.contains(&reading) {
                found.push(reading);
            }
        }
        match decoded(&bytes) {
            Some(once) => bytes = Cow::Owned(once),
            None => break,
        }
    }
    found
}

/// One round of percent-decoding; `None` if there is nothing to decode. What is malformed stays.
fn decoded(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    let mut changed = false;
    while let Some((&first, tail)) = rest.split_first() {
        let (byte, after) = match (first, tail) {
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    changed = true;
                    ((high << 4) | low, after)
                }
                _ => (first, tail),
            },
            _ => (first, tail),
        };
        out.push(byte);
        rest = after;
    }
    changed.then_some(out)
}

/// The segments that are left, each behind a slash; a slash at the end stays one.
fn segments(bytes: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(bytes.len());
    let mut open = false;
    for segment in bytes.split(|byte| matches!(byte, b'/' | b'\\')) {
        // Some servers take `/a;x=1/b` for `/a/b` (RFC 3986, section 3.3).
        let segment = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        open = true;
        match segment {
            b"" | b"." => {}
            b".." => {
                let parent = out.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                out.truncate(parent);
            }
            name => {
                out.push(b'/');
                out.extend_from_slice(name);
                open = false;
            }
        }
    }
    if open || out.is_empty() {
        out.push(b'/');
    }
    out
}

fn digit(character: u8) -> Option<u8> {
    char::from(character).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// A path as lax routes are compared: without what ends it in slashes, dots and blanks, in small
/// letters. Borrowed if it is written that way already.
pub(super) fn lax(path: &str) -> Cow<'_, str> {
    let end = |character: char| matches!(character, '/' | '.' | '\0'..=' ');
    folded(path.trim_end_matches(end))
}

/// The same, where dots and blanks at the end are part of the name; `None` if that is no other path.
pub(super) fn lax_to_the_end(path: &str) -> Option<Cow<'_, str>> {
    let path = path.strip_suffix('/').unwrap_or(path);
    path.ends_with(|end: char| matches!(end, '.' | '\0'..=' ')).then(|| folded(path))
}

fn folded(path: &str) -> Cow<'_, str> {
    if path.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        return Cow::Borrowed(path);
    }
    // The four letters beyond ASCII that some libraries take for an ASCII one in another case.
    let fold = |character: char| match character {
        '\u{212a}' => 'k',
        '\u{17f}' => 's',
        '\u{130}' | '\u{131}' => 'i',
        other => other.to_ascii_lowercase(),
    };
    Cow::Owned(path.chars().map(fold).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_path_means() {
        for (written, meant) in [
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("/", "/"),
            ("//a///b//", "/a/b/"),
            ("/a/./b/.", "/a/b/"),
            ("/a/x/../b", "/a/b"),
            ("/../../a", "/a"),
            ("/a/..", "/"),
            ("/a%2fb", "/a/b"),
            ("/%61%2F%62", "/a/b"),
            ("/a%252fb", "/a/b"),
            ("/%25252561", "/a"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/%252e./b", "/b"),
            ("/a;x=1/b;y", "/a/b"),
            ("/a/..;/b", "/b"),
            ("/a%3bx/b", "/a/b"),
            ("/a\\b", "/a/b"),
            ("/a%5Cb", "/a/b"),
            ("/a%00.html", "/a"),
            ("/a%3fb", "/a"),
            ("/a%2523b", "/a"),
            ("/a%", "/a%"),
            ("/a%zz", "/a%zz"),
            ("/a%2", "/a%2"),
            ("/.well-known/x", "/.well-known/x"),
            ("*", "*"),
            ("", ""),
        ] {
            assert_eq!(canonical(written), meant, "{written}");
        }
        assert!(matches!(canonical("/plain/path"), Cow::Borrowed(_)), "no allocation");
        assert_eq!(without_query("/a?b#c"), "/a");
        assert_eq!(without_query("/a#b?c"), "/a");
    }

    #[test]
    fn what_a_lax_api_does_not_tell_apart() {
        for (written, compared) in [
            ("/api/joke", "/api/joke"),
            ("/API/Joke/", "/api/joke"),
            ("/api/joke. /", "/api/joke"),
            ("/api/joke\n", "/api/joke"),
            ("/api/jo\u{212a}e", "/api/joke"),
            ("/Stra\u{df}e", "/stra\u{df}e"),
            ("/", ""),
        ] {
            assert_eq!(lax(written), compared, "{written}");
        }
        assert!(matches!(lax("/api/joke/"), Cow::Borrowed(_)), "no allocation");
    }
}

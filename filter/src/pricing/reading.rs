//! What a path may mean to an API.
//!
//! A price that covers one spelling of a path and not another is a bypass, and so is a free rule
//! that covers more than its own spelling. APIs read a path in steps: they decode it (whole, or
//! segment by segment; once, or more often), drop parameters (`;x=1`) before or after that, take
//! backslashes for slashes, resolve `.` and `..`, merge doubled slashes, and stop at an encoded
//! `?`, `#` or zero byte. Each API takes some of these steps. Nobody can know here which, so a
//! path is read in every combination of those that would change it.

/// Encodings within encodings that are undone; more have no meaning to anybody.
const ROUNDS: usize = 4;
/// How many bytes all readings of one path may have together. Each step that matters doubles the
/// number of readings; no honest path needs a hundredth of it.
const MOST_BYTES: usize = 256 * 1024;

/// Steps that an API may take or leave, as bits of a set.
type Steps = u16;
/// Parameters are dropped before anything is decoded (Tomcat, Spring).
const DROP_FIRST: Steps = 1;
/// Parameters are dropped from the decoded path.
const DROP_LAST: Steps = 1 << 1;
/// An encoded slash separates no segments (Spring, Go, Kestrel).
const KEEP_SLASH: Steps = 1 << 2;
/// What follows a zero byte, `?` or `#` is not read.
const CUT: Steps = 1 << 3;
/// A backslash separates segments, too (Windows).
const BACKSLASH: Steps = 1 << 4;
/// `.` and `..` are resolved (RFC 3986, section 5.2.4).
const DOTS: Steps = 1 << 5;
/// Empty segments are dropped.
const MERGE: Steps = 1 << 6;
/// `.` and `..` are resolved before anything is decoded (Go, URL libraries).
const DOTS_FIRST: Steps = 1 << 7;
/// Empty segments are dropped before anything is decoded (Go, Rails).
const MERGE_FIRST: Steps = 1 << 8;
/// Blanks behind dots are no part of the name (Windows): `/.. /` is `/../`.
const BLANK_DOTS: Steps = 1 << 9;

/// The path without its query and fragment.
pub(crate) fn without_query(path: &str) -> &str {
    let end = path.bytes().position(|byte| matches!(byte, b'?' | b'#'));
    end.and_then(|end| path.get(..end)).unwrap_or(path)
}

/// Whether a path has one reading: it begins with a slash, has no encodings or parameters, no
/// segment that is empty or begins with a dot, no dot or blank at its end.
pub(super) fn is_plain(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else { return path.is_empty() };
    let mut before = b'/';
    let plain = rest.bytes().all(|byte| {
        let odd = match byte {
            // 0xef begins the fullwidth forms of dots and slashes.
            b'%' | b';' | b'\\' | b'#' | 0 | 0xef => true,
            b'/' => matches!(before, b'/' | b'.' | 1..=b' '),
            b'.' => before == b'/',
            _ => false,
        };
        before = byte;
        !odd
    });
    plain && !is_trimmed(before)
}

/// Whether some systems drop this byte from the end of a name (Windows).
const fn is_trimmed(byte: u8) -> bool {
    matches!(byte, b'.' | 0..=b' ')
}

/// Shows each reading of a path without a query, the written one first; some more than once.
/// Returns whether these were all: not if there would be more than [`MOST_BYTES`] of them, or if some
/// API could decode it further: more than [`ROUNDS`] times, or in a way that is no percent-encoding.
pub(super) fn readings(path: &str, each: &mut dyn FnMut(&str)) -> bool {
    // Letters beyond ASCII cannot be sent otherwise than encoded: that is how they are written.
    let written = decoded(path.as_bytes(), |byte| !byte.is_ascii());
    let written = written.as_deref().unwrap_or(path.as_bytes());
    let Some(odd) = steps_that_matter(written) else { return false };
    let mut left = MOST_BYTES;
    let mut show = |reading: &[u8]| {
        each(&String::from_utf8_lossy(reading));
        match left.checked_sub(reading.len().max(1)) {
            Some(rest) => left = rest,
            None => return false,
        }
        true
    };
    // All subsets of the steps that matter, the empty one first.
    let mut steps: Steps = 0;
    loop {
        let mut bytes = written.to_vec();
        let first = [(DROP_FIRST, DROP_LAST), (DOTS_FIRST, DOTS), (MERGE_FIRST, MERGE)];
        let taken = first.into_iter().filter(|(first, _)| steps & first != 0);
        let early = taken.fold(0, |all, (_, step)| all | step);
        if early != 0 {
            bytes = segments(&bytes, early);
        }
        for _ in 0..=ROUNDS {
            let end = bytes.iter().position(|byte| matches!(byte, 0 | b'?' | b'#'));
            let end = end.filter(|_| steps & CUT != 0).unwrap_or(bytes.len());
            let mut reading = segments(bytes.get(..end).unwrap_or(&bytes), steps);
            if !show(&reading) {
                return false;
            }
            let name = reading.iter().rposition(|byte| !is_trimmed(*byte) && *byte != b'/');
            let name = name.map_or(0, |last| last.saturating_add(1));
            if reading.get(name..).is_some_and(|end| end.iter().any(|byte| is_trimmed(*byte))) {
                reading.truncate(name);
                if !show(if reading.is_empty() { b"/" } else { &reading }) {
                    return false;
                }
            }
            let slash = steps & KEEP_SLASH == 0;
            match decoded(&bytes, if slash { |_| true } else { |byte| byte != b'/' }) {
                Some(once) => bytes = once,
                None => break,
            }
        }
        if steps == odd {
            return true;
        }
        // The next subset: counts through the bits that are in `odd`, and skips the others.
        steps = (steps | !odd).wrapping_add(1) & odd;
    }
}

/// Encodings of old servers, and letters that some libraries take for a dot, a slash or a backslash.
fn is_ambiguous(bytes: &[u8]) -> bool {
    // Overlong forms of UTF-8 (RFC 3629, section 3) begin with these, and nothing else does.
    bytes.iter().any(|byte| matches!(byte, 0xc0 | 0xc1))
        // `%u002e` (IIS).
        || bytes.windows(2).any(|two| two.eq_ignore_ascii_case(b"%u"))
        // Fullwidth forms (Unicode, NFKC).
        || bytes.windows(3).any(|three| matches!(three, [0xef, 0xbc, 0x8e | 0x8f | 0xbc]))
}

/// The steps without which a path, however it is decoded, would be read otherwise; `None` if some API
/// could decode it further.
fn steps_that_matter(path: &[u8]) -> Option<Steps> {
    let mut steps = 0;
    let mut bytes = path.to_vec();
    if bytes.contains(&b';') {
        steps |= DROP_FIRST;
    }
    for _ in 0..ROUNDS {
        if bytes.windows(3).any(|three| three.eq_ignore_ascii_case(b"%2f")) {
            steps |= KEEP_SLASH;
        }
        match decoded(&bytes, |_| true) {
            Some(once) => bytes = once,
            None => break,
        }
    }
    if is_ambiguous(&bytes) || decoded(&bytes, |_| true).is_some() {
        return None;
    }
    // A path without a slash at its beginning is read as if it had one.
    let bare = !path.starts_with(b"/");
    steps |= steps_on(&bytes, bare);
    // What is resolved before anything else matters if something else follows.
    let written = steps_on(path, bare);
    if bytes != path || steps & !(DOTS | MERGE) != 0 {
        steps |= if written & DOTS != 0 { DOTS_FIRST } else { 0 };
        steps |= if written & MERGE != 0 { MERGE_FIRST } else { 0 };
    }
    Some(steps)
}

/// The steps that change a path if it is not decoded (further). If it is `bare`, a separator stands
/// before it.
fn steps_on(path: &[u8], bare: bool) -> Steps {
    let mut steps = 0;
    let mut after_separator = bare;
    for byte in path {
        steps |= match byte {
            b';' if after_separator => DROP_LAST | MERGE,
            b';' => DROP_LAST,
            0 | b'?' | b'#' => CUT,
            b'.' if after_separator => DOTS,
            b'/' if after_separator => MERGE,
            b'\\' if after_separator => BACKSLASH | MERGE,
            b'\\' => BACKSLASH,
            _ => 0,
        };
        after_separator = matches!(byte, b'/' | b'\\');
    }
    let ends = |byte: &u8| matches!(byte, b'/' | b'\\' | b';' | b'?' | b'#');
    let is_blank =
        |name: &[u8]| matches!(without_blanks(name), b"." | b"..") && name.last() != Some(&b'.');
    if steps & DOTS != 0 && path.split(ends).any(is_blank) {
        steps |= BLANK_DOTS;
    }
    steps
}

/// A name without the blanks at its end.
fn without_blanks(name: &[u8]) -> &[u8] {
    let end = name.iter().rposition(|byte| *byte > b' ').map_or(0, |last| last.saturating_add(1));
    name.get(..end).unwrap_or(name)
}

/// One round of percent-decoding of those bytes; `None` if there is nothing to decode. What is
/// malformed stays.
fn decoded(bytes: &[u8], which: fn(u8) -> bool) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    let mut changed = false;
    while let Some((&first, tail)) = rest.split_first() {
        let (byte, after) = match (first, tail) {
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) if which((high << 4) | low) => {
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

fn digit(character: u8) -> Option<u8> {
    char::from(character).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// The segments that are left after these steps, each behind a slash; a slash at the end stays.
fn segments(bytes: &[u8], steps: Steps) -> Vec<u8> {
    let takes = |step: Steps| steps & step != 0;
    let mut out: Vec<u8> = Vec::with_capacity(bytes.len().saturating_add(1));
    let bytes = bytes.strip_prefix(b"/").unwrap_or(bytes);
    let mut open = false;
    for segment in bytes.split(|byte| *byte == b'/' || *byte == b'\\' && takes(BACKSLASH)) {
        // Some servers take `/a;x=1/b` for `/a/b` (RFC 3986, section 3.3).
        let end = segment.iter().position(|byte| *byte == b';').filter(|_| takes(DROP_LAST));
        let segment = end.and_then(|end| segment.get(..end)).unwrap_or(segment);
        open = true;
        match if takes(BLANK_DOTS) { without_blanks(segment) } else { segment } {
            b"" if takes(MERGE) && segment.is_empty() => {}
            b"." if takes(DOTS) => {}
            b".." if takes(DOTS) => {
                let parent = out.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                out.truncate(parent);
            }
            _ => {
                out.push(b'/');
                out.extend_from_slice(segment);
                open = false;
            }
        }
    }
    if open || out.is_empty() {
        out.push(b'/');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(path: &str) -> (Vec<String>, bool) {
        let mut found = Vec::new();
        let complete = readings(path, &mut |reading| {
            if !found.iter().any(|other| other == reading) {
                found.push(reading.to_owned());
            }
        });
        (found, complete)
    }

    #[test]
    fn plain_paths_have_one_reading() {
        for path in ["/a/b", "/a/b/", "/", "/a.b/c", "/caf\u{e9}", "/A", "", "/a:b"] {
            assert!(is_plain(path), "{path}");
        }
        for path in [
            "//", "/a//b", "/./a", "/a/..", "/.a", "/a;b", "/a%41", "/a\\b", "/a.", "/a./", "/a ",
            "/a\t/", "/a#b", "/a\0", "*", "../a",
        ] {
            assert!(!is_plain(path), "{path}");
        }
        assert_eq!(without_query("/a?b#c"), "/a");
        assert_eq!(without_query("/a#b?c"), "/a");
    }

    #[test]
    fn what_is_written_and_what_it_may_mean() {
        for (written, meant) in [
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
            ("/a/%2e%2e;/b", "/b"),
            ("/a/..%3b/b", "/b"),
            ("/a%2f..%2fb", "/b"),
            ("/a%3bx/b", "/a/b"),
            ("/a\\b", "/a/b"),
            ("/a%5Cb", "/a/b"),
            ("/a%00.html", "/a"),
            ("/a%3fb", "/a"),
            ("/a%2523b", "/a"),
            ("/a%", "/a%"),
            ("/a%zz", "/a%zz"),
            ("/a. ", "/a"),
            ("/..", "/"),
            ("/...", "/"),
            // Segment by segment: the slash is a part of the id.
            ("/users/a%2Fb/orders%3Acancel", "/users/a%2Fb/orders:cancel"),
            // Without resolving dots, merging slashes, dropping parameters or splitting at `\`.
            ("/users/%2e%2e/orders%3Acancel", "/users/../orders:cancel"),
            ("/users//x%61", "/users//xa"),
            ("/users/;a/x%61", "/users/;a/xa"),
            ("/users/a%5Cb/x%61", "/users/a\\b/xa"),
            // Parameters are dropped, and one that comes out of decoding is none.
            ("/users;v=1/%3bx/orders", "/users/;x/orders"),
            // Dots that are written are resolved, those that come out of decoding are not.
            ("/x/../users/%2e/orders%3Acancel", "/users/./orders:cancel"),
            ("//../users/%2e/orders%3Acancel", "/users/./orders:cancel"),
            ("/users//a%2f%2fb", "/users/a//b"),
            // A dot and a blank is a name, or a dot.
            ("/a/../users/.%20", "/users/. "),
            ("/users/..%20/a", "/a"),
            // The slash that comes first is an encoded one.
        ] {
            let (found, complete) = all(written);
            assert!(complete && found.contains(&meant.to_owned()), "{written}: {found:?}");
            assert_eq!(found[0], written, "the written one comes first");
        }
        // The first slash that is there is an encoded one.
        assert!(all("%2F./.;/a%3b;x").0.contains(&"/a;".to_owned()));
        assert_eq!(all("/users/J%C3%BCrgen").0, ["/users/J\u{fc}rgen"]);
    }

    /// What some API could decode further than it is decoded here has readings that are not known.
    #[test]
    fn what_could_be_decoded_further_is_not_read_to_the_end() {
        for (path, complete) in [
            ("/a%25252561", true),
            ("/a%2525252561", false),
            ("/docs/..%252525252fapi", false),
            ("/docs/%u002e%u002e/api", false),
            ("/docs/%25u002e/api", false),
            ("/docs/%c0%ae%c0%ae/api", false),
            ("/docs/%ef%bc%8e%ef%bc%8e/api", false),
            ("/docs/\u{ff0f}api", false),
            ("/docs/%ef%bc%81", true),
            ("/docs/100%", true),
        ] {
            assert_eq!(all(path).1, complete, "{path}");
        }
        assert!(all("/docs/..%20/api").0.contains(&"/api".to_owned()));
        assert!(all("/docs/..%09/api").0.contains(&"/api".to_owned()));
    }

    /// Whatever it is made of, a path costs a bounded amount of work.
    #[test]
    fn a_path_of_too_many_readings_is_not_read_to_the_end() {
        let part = "/a;b%2f..%5c//%252e%3f";
        let mut shown = 0;
        assert!(readings(part, &mut |_| shown += 1), "a short one is");
        assert!(shown < 12_000, "{shown}");
        let mut bytes = 0;
        assert!(!readings(&part.repeat(2_000), &mut |reading| bytes += reading.len()));
        assert!(bytes <= MOST_BYTES + 3 * part.len() * 2_000, "{bytes}");
        // None of at most 25 bytes has too many.
        const { assert!((1 << 10) * (ROUNDS + 1) * 2 * 25 <= MOST_BYTES) };
        assert!(readings(&part.repeat(10)[..25], &mut |_| ()));
        // A long one with one kind of encoding is read.
        assert!(readings(&"/%C3%BC%20%7C".repeat(4_000), &mut |_| ()));
    }
}

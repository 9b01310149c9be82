//! Letter case, as APIs that do not tell it apart compare paths.

use std::borrow::Cow;

/// A path as lax rules are compared: in small letters, without slashes at its end. Borrowed if it
/// is written that way already.
pub(super) fn folded(path: &str) -> Cow<'_, str> {
    let path = path.trim_end_matches('/');
    if path.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        return Cow::Borrowed(path);
    }
    Cow::Owned(letters(path))
}

/// A text in small letters.
pub(super) fn letters(text: &str) -> String {
    text.chars().map(fold).collect()
}

fn fold(character: char) -> char {
    let mut small = character.to_lowercase();
    match (small.next(), small.next()) {
        (Some(small), None) => small,
        _ => character,
    }
}

//! Text that can be spent.

use std::{borrow::Borrow, fmt};

use serde::{Deserialize, Serialize};

/// A credential as text: a `payment` header, a client secret, an id. `Debug` does not show it; the
/// text leaves through [`Secret::expose`], which is easy to find in a review.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Keeps this text from being shown.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The whole text. Never log it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Found in maps by its text.
impl Borrow<str> for Secret {
    fn borrow(&self) -> &str {
        &self.0
    }
}

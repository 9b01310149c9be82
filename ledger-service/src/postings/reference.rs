//! What movements about disputes and freezes are named by.

use std::fmt;

/// What freezes by operators are named by; how many movements came before follows.
const OPERATOR: &str = "operator-";
/// What freezes are named by whose dispute is not at hand.
const ALIKE: &str = "alike";

/// A name that is used again: `dp_1`, then `dp_1:1`, `dp_1:2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counted<'t> {
    /// What it is about, e.g. a dispute's id.
    pub(crate) id: &'t str,
    /// How many of the same kind came before.
    pub(crate) count: usize,
}

impl fmt::Display for Counted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            0 => f.write_str(self.id),
            count => write!(f, "{}:{count}", self.id),
        }
    }
}

impl<'t> From<&'t str> for Counted<'t> {
    fn from(text: &'t str) -> Self {
        let counted = text.split_once(':').and_then(|(id, count)| {
            let read = Self { id, count: count.parse().ok()? };
            // `dp_1:0` and `dp_1:01` are names that nobody gives.
            (read.to_string() == text).then_some(read)
        });
        counted.unwrap_or(Self { id: text, count: 0 })
    }
}

/// Who froze or unfroze an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FreezeReference<'t> {
    /// An operator, after so many movements of the account.
    Operator(usize),
    /// A dispute.
    Dispute(Counted<'t>),
    /// Another account of the client was frozen: after so many such movements.
    Alike(usize),
}

impl<'t> FreezeReference<'t> {
    /// The same, after so many movements that are named alike.
    pub(crate) fn counted(self, count: usize) -> Self {
        match self {
            Self::Operator(_) => Self::Operator(count),
            Self::Dispute(of) => Self::Dispute(Counted { count, ..of }),
            Self::Alike(_) => Self::Alike(count),
        }
    }

    /// Of a dispute, for the first time.
    pub(crate) fn dispute(id: &'t str) -> Self {
        Self::Dispute(Counted { id, count: 0 })
    }
}

impl fmt::Display for FreezeReference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator(count) => write!(f, "{OPERATOR}{count}"),
            Self::Dispute(of) => of.fmt(f),
            Self::Alike(count) => Counted { id: ALIKE, count: *count }.fmt(f),
        }
    }
}

impl<'t> From<&'t str> for FreezeReference<'t> {
    fn from(text: &'t str) -> Self {
        if let Some(count) = text.strip_prefix(OPERATOR).and_then(|count| count.parse().ok()) {
            return Self::Operator(count);
        }
        match Counted::from(text) {
            Counted { id: ALIKE, count } => Self::Alike(count),
            of => Self::Dispute(of),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_go_there_and_back_as_they_are_stored() {
        let dispute = |id, count| FreezeReference::Dispute(Counted { id, count });
        for (text, reference) in [
            ("operator-0", FreezeReference::Operator(0)),
            ("operator-12", FreezeReference::Operator(12)),
            ("alike", FreezeReference::Alike(0)),
            ("alike:3", FreezeReference::Alike(3)),
            ("dp_1", dispute("dp_1", 0)),
            ("dp_1:2", dispute("dp_1", 2)),
            // Nobody names anything so; read and written again it is the same all the same.
            ("dp_1:0", dispute("dp_1:0", 0)),
            ("dp_1:x", dispute("dp_1:x", 0)),
            ("operator-", dispute("operator-", 0)),
        ] {
            assert_eq!(FreezeReference::from(text), reference, "{text}");
            assert_eq!(reference.to_string(), text);
        }
    }

    #[test]
    fn what_comes_again_is_counted() {
        assert_eq!(FreezeReference::dispute("dp_1").counted(2).to_string(), "dp_1:2");
        assert_eq!(FreezeReference::Alike(0).counted(1).to_string(), "alike:1");
        assert_eq!(FreezeReference::Operator(0).counted(7).to_string(), "operator-7");
    }
}

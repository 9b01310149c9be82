//! What one look found, and how to mend it.

use serde::Serialize;

/// How grave it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// As it should be.
    Ok,
    /// It works, and can cost something some day; or it could not be looked at.
    Warn,
    /// Money or data can be lost, or nothing works.
    Fail,
}

impl Status {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    /// What was looked at.
    pub(super) check: &'static str,
    pub(super) status: Status,
    /// What was found; never a secret.
    pub(super) finding: String,
    /// How to mend it; absent where nothing is to be mended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mend: Option<String>,
}

impl Check {
    pub(super) fn ok(check: &'static str, finding: impl Into<String>) -> Self {
        Self { check, status: Status::Ok, finding: finding.into(), mend: None }
    }

    pub(super) fn warn(
        check: &'static str,
        finding: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        let (finding, mend) = (finding.into(), Some(mend.into()));
        Self { check, status: Status::Warn, finding, mend }
    }

    pub(super) fn fail(
        check: &'static str,
        finding: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { status: Status::Fail, ..Self::warn(check, finding, mend) }
    }
}

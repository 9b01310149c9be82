//! How the program ends: one number for each kind of outcome, the same for every command.

use std::process::ExitCode;

use crate::{
    config::ConfigError,
    operator::{
        cli::{CliError, Finding},
        work::OperatorError,
    },
    postings::Unavailable,
    refunds::RefundError,
    serve::ServeError,
    store::StoreError,
    stripe::Failure,
};

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Good,
    /// Something was found wrong.
    Wrong,
    /// An argument or a setting is wrong. Do not retry. clap ends with the same number.
    Usage,
    /// What was named is not there. Do not retry.
    NotFound,
    /// The books refuse the action, and nothing was changed. Do not retry.
    Refused,
    /// No answer. Retry.
    Unavailable,
}

impl Exit {
    const ALL: [Self; 6] =
        [Self::Good, Self::Wrong, Self::Usage, Self::NotFound, Self::Refused, Self::Unavailable];

    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Wrong => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Refused => 4,
            Self::Unavailable => 5,
        }
    }

    /// What it means, for people.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Good => "all is well",
            Self::Wrong => {
                "something is wrong: verify, reconcile, import or doctor found it, a refund was short, a record is damaged"
            }
            Self::Usage => "an argument or a setting is wrong",
            Self::NotFound => "not found: no ledger in the store, no account in it, no such client",
            Self::Refused => {
                "the books refuse the action, and nothing was changed: conflict, insufficient, frozen, …"
            }
            Self::Unavailable => {
                "the store, Stripe or the ledger gave no answer: run it again, with the same --reference"
            }
        }
    }

    /// All numbers with their meanings, for the end of `--help`.
    #[must_use]
    pub fn help() -> String {
        let lines = Self::ALL.map(|exit| format!("  {}  {}", exit.code(), exit.meaning()));
        format!("Exit codes:\n{}", lines.join("\n"))
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl From<Finding> for Exit {
    fn from(finding: Finding) -> Self {
        match finding {
            Finding::Good => Self::Good,
            Finding::Wrong => Self::Wrong,
            Finding::Empty => Self::NotFound,
        }
    }
}

impl From<&StoreError> for Exit {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::Absent(_) => Self::NotFound,
            StoreError::Damaged(_) => Self::Wrong,
            StoreError::Overloaded | StoreError::Unavailable(_) => Self::Unavailable,
        }
    }
}

impl From<&Unavailable> for Exit {
    fn from(error: &Unavailable) -> Self {
        match error {
            Unavailable::Store(error) => error.into(),
            // Stripe's key is a setting.
            Unavailable::Stripe(Failure::Account(_)) => Self::Usage,
            Unavailable::Stripe(_) | Unavailable::Other(_) => Self::Unavailable,
        }
    }
}

impl From<&OperatorError> for Exit {
    fn from(error: &OperatorError) -> Self {
        match error {
            OperatorError::Invalid(_) => Self::Usage,
            OperatorError::NotFound(_) => Self::NotFound,
            OperatorError::Refused { .. } => Self::Refused,
            OperatorError::Store(error) => error.into(),
            OperatorError::Unavailable(error)
            | OperatorError::RefundUnknown(RefundError::Unknown(error)) => error.into(),
            OperatorError::RefundUnknown(_) | OperatorError::Busy(_) | OperatorError::CutOff(_) => {
                Self::Unavailable
            }
        }
    }
}

impl From<&CliError> for Exit {
    fn from(error: &CliError) -> Self {
        match error {
            CliError::Store(error) => error.into(),
            CliError::Work(error) => error.into(),
            CliError::Express(error) => express(error),
            CliError::Setting(_) => Self::Usage,
            CliError::Remote { status, code, .. } => remote(*status, code),
            CliError::NoAnswer(_) => Self::Unavailable,
            CliError::Json(_) => Self::Wrong,
            CliError::Machine(_) => Self::Unavailable,
        }
    }
}

/// What a ledger answers ends a command as it does on the store itself.
fn remote(status: u16, code: &str) -> Exit {
    match (status, code) {
        (_, "damaged") => Exit::Wrong,
        (_, "stripe_account") => Exit::Usage,
        (404, _) => Exit::NotFound,
        (409, _) => Exit::Refused,
        (408, _) => Exit::Unavailable,
        (400..=499, _) => Exit::Usage,
        _ => Exit::Unavailable,
    }
}

/// The Express middleware's database, by SQLSTATE (PostgreSQL, appendix A).
fn express(error: &sqlx::Error) -> Exit {
    let code = error.as_database_error().and_then(|error| error.code());
    match (error, code.as_deref()) {
        (sqlx::Error::Configuration(_), _) => Exit::Usage,
        // No such database, no such table, no such column.
        (_, Some("3D000" | "42P01" | "42703")) => Exit::NotFound,
        (_, Some(code)) if code.starts_with("28") => Exit::Usage,
        _ => Exit::Unavailable,
    }
}

impl From<&ConfigError> for Exit {
    fn from(_: &ConfigError) -> Self {
        Self::Usage
    }
}

impl From<&ServeError> for Exit {
    fn from(error: &ServeError) -> Self {
        match error {
            ServeError::Store(error) => error.into(),
            ServeError::Setting(_) | ServeError::Tls(_) => Self::Usage,
            ServeError::Listen { .. } | ServeError::Io(_) => Self::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_outcome_has_its_number() {
        let store = |error: StoreError| Exit::from(&CliError::from(error)).code();
        let work = |error: OperatorError| Exit::from(&CliError::from(error)).code();
        let text = || "x".to_owned();
        let key = Unavailable::Stripe(Failure::Account(text()));
        let unknown = Unavailable::Stripe(Failure::Unknown(text()));
        for (found, expected) in [
            (Exit::from(Finding::Good).code(), 0),
            (Exit::from(Finding::Wrong).code(), 1),
            (store(StoreError::Damaged(text())), 1),
            (work(OperatorError::Invalid(text())), 2),
            (Exit::from(&CliError::Setting(text())).code(), 2),
            (Exit::from(&CliError::Express(sqlx::Error::Configuration("x".into()))).code(), 2),
            (work(RefundError::Unknown(key.clone()).into()), 2),
            (work(key.into()), 2),
            (Exit::from(&ServeError::Setting(text())).code(), 2),
            (Exit::from(Finding::Empty).code(), 3),
            (store(StoreError::Absent(text())), 3),
            (work(OperatorError::NotFound("x")), 3),
            (work(OperatorError::Refused { code: "conflict", text: text() }), 4),
            (work(RefundError::Frozen.into()), 4),
            (store(StoreError::Unavailable(text())), 5),
            (store(StoreError::Overloaded), 5),
            (work(RefundError::Unknown(unknown.clone()).into()), 5),
            (work(unknown.into()), 5),
            (Exit::from(&CliError::Express(sqlx::Error::PoolTimedOut)).code(), 5),
            (Exit::from(&ServeError::Store(StoreError::Unavailable(text()))).code(), 5),
        ] {
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn help_and_document_say_the_same() {
        let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md");
        let document = std::fs::read_to_string(document).unwrap();
        for exit in Exit::ALL {
            let row = format!("| {} | {} |", exit.code(), exit.meaning());
            assert!(document.contains(&row), "docs/operations.md lacks {row}");
        }
    }
}

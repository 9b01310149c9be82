//! One error for all handles: what failed, and enough of the log to see why.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// The result of anything a handle does.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a part could not be started, asked or configured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program that has to be built or installed first.
    #[error("{program} is not at {}: {remedy}", path.display())]
    Missing {
        /// The program.
        program: String,
        /// Where it was looked for.
        path: PathBuf,
        /// How to get it.
        remedy: String,
    },
    /// A process that ended although nobody stopped it.
    #[error("{name} ended by itself ({status}); the end of {}:\n{tail}", log.display())]
    Ended {
        /// The process.
        name: String,
        /// How it ended.
        status: ExitStatus,
        /// Its log.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// A process that runs but does not answer as it should.
    #[error("{name} was not ready within {within:?} ({last}); the end of {}:\n{tail}", log.display())]
    NotReady {
        /// The process.
        name: String,
        /// How long was waited.
        within: Duration,
        /// What the last probe found.
        last: String,
        /// Its log.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// A request that got no answer, or one that cannot be read.
    #[error("{what}: {reason}")]
    Http {
        /// What was asked.
        what: String,
        /// Why it failed.
        reason: String,
    },
    /// A setting, file or answer that makes no sense.
    #[error("{0}")]
    Invalid(String),
}

impl Error {
    /// Wraps an I/O error with what was being done.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// Wraps a client's error with what was asked.
    pub fn http(what: impl Into<String>) -> impl FnOnce(reqwest::Error) -> Self {
        let what = what.into();
        move |error| {
            // reqwest names the cause only in the chain of sources.
            let mut reason = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(inner) = source {
                reason = format!("{reason}: {inner}");
                source = inner.source();
            }
            Self::Http { what, reason }
        }
    }
}

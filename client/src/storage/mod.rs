//! Where credentials are kept between calls.

mod file;
mod lock;
mod memory;

use crate::Purse;

pub use file::File;
pub use memory::Memory;

/// What was remembered cannot be read, or what is to be remembered cannot be written. Nothing is
/// sent to be paid for before it was written down: retry when the storage is mended. The text says what
/// was being done, the source why it failed.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct StorageError {
    /// What was being done.
    pub what: String,
    /// Why it failed.
    #[source]
    pub cause: Box<dyn std::error::Error + Send + Sync>,
}

/// The right to pay at an origin, until it is dropped.
pub type Turn = Box<dyn Send + Sync>;

/// A place for one [`Purse`], shared by calls that run at once.
pub trait Storage: Send + Sync {
    /// Changes the purse while nobody else reads or writes it, and keeps the change before it
    /// returns. The change is made once; it is short and waits for nothing.
    ///
    /// # Errors
    /// [`StorageError`], and then nothing has changed.
    fn change(&self, change: &mut dyn FnMut(&mut Purse)) -> Result<(), StorageError>;

    /// Takes the right to pay at this origin among all that share the place; `None` while another
    /// has it.
    ///
    /// # Errors
    /// [`StorageError`].
    fn try_turn(&self, origin: &str) -> Result<Option<Turn>, StorageError>;
}

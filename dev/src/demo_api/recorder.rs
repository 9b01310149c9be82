//! What reached the API: the last word on what a gateway let through.

use std::sync::{Arc, Mutex, PoisonError};

/// One request as the API received it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The method.
    pub method: String,
    /// The path with its query, as it was written.
    pub path: String,
    /// All headers, in order; names in lower case.
    pub headers: Vec<(String, String)>,
    /// How many bytes the body had.
    pub body_length: usize,
}

impl Received {
    /// The first header of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

/// Keeps every request; clones share what they keep.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    received: Arc<Mutex<Vec<Received>>>,
}

impl Recorder {
    /// All requests so far, in the order of their arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Received> {
        self.lock().clone()
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// The last one.
    #[must_use]
    pub fn last(&self) -> Option<Received> {
        self.lock().last().cloned()
    }

    /// Forgets them.
    pub fn clear(&self) {
        self.lock().clear();
    }

    pub(super) fn add(&self, received: Received) {
        self.lock().push(received);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Received>> {
        // A panicking test must not hide what was received.
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

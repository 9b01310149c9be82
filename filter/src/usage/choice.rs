//! Which unit prices hold: a text in a body chooses them.

use std::rc::Rc;

use super::json::{Names, Reader, Reading, Wants};
use crate::pricing::{By, Other};

/// Whether a request may be forwarded, as far as the choice of its unit prices goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// More of the request's body must be seen.
    Waiting,
    /// It may.
    Made,
    /// It may not: nothing in the table is for it.
    Refused,
}

/// Reads the text in a request's body. Where something is refused, a body that fits the window is waited
/// for to its end: the text may be there twice. A client writes it, so that whatever is ambiguous is as good as not
/// there: the API could read it in another way.
#[derive(Debug)]
pub(super) struct RequestChoice {
    by: Rc<By>,
    reader: Reader,
    /// Bytes that may be waited for.
    left: usize,
    choice: Choice,
    ended: bool,
}

impl RequestChoice {
    /// `window` is how many bytes may be waited for. Where nothing is refused, nothing is waited for.
    pub(super) fn new(by: Rc<By>, window: usize) -> Self {
        let reader = reader(&by, Names::Unambiguous);
        let waits = by.other == Other::Refuse;
        let choice = if waits { Choice::Waiting } else { Choice::Made };
        Self { by, reader, left: window, choice, ended: false }
    }

    /// A choice that no body can make: it is compressed.
    pub(super) fn unreadable(by: Rc<By>) -> Self {
        let mut choice = Self::new(by, 0);
        // No JSON begins so.
        choice.reader.feed(b"\0");
        choice.judge();
        choice
    }

    pub(super) const fn choice(&self) -> Choice {
        self.choice
    }

    /// The next piece of the body; it is read to its end, so that a text that is there twice is noticed.
    pub(super) fn on_body(&mut self, chunk: &[u8], end: bool) -> Choice {
        // A host that resumes a body after its trailers shows it once more.
        if self.ended {
            return self.choice;
        }
        let within = self.left.min(chunk.len());
        let (first, rest) = chunk.split_at_checked(within).unwrap_or((chunk, &[]));
        self.reader.feed(first);
        self.left = self.left.saturating_sub(first.len());
        self.ended |= end && rest.is_empty();
        self.judge();
        self.reader.feed(rest);
        self.ended |= end;
        self.choice
    }

    fn judge(&mut self) {
        if self.choice != Choice::Waiting {
            return;
        }
        let broken = self.reader.broken().is_some();
        let listed = match self.reader.so_far() {
            _ if broken => false,
            Reading::Wrong(_) => false,
            Reading::Text(text) if self.by.row(&text).is_none() => false,
            // The window is full, or all of it is here.
            _ if self.left > 0 && !self.ended => return,
            Reading::Text(_) => !self.ended || self.reader.is_whole(),
            _ => false,
        };
        self.choice = if listed { Choice::Made } else { Choice::Refused };
    }

    /// The row that holds; `None` if none does.
    pub(super) fn row(&self) -> Option<usize> {
        let cut = self.ended && !self.reader.is_whole();
        let text = match self.reader.so_far() {
            Reading::Text(text) if !cut && self.reader.broken().is_none() => self.by.row(&text),
            _ => None,
        };
        text.or_else(|| self.by.other_row())
    }
}

/// A reader of the text.
pub(super) fn reader(by: &By, names: Names) -> Reader {
    Reader::new(Rc::clone(&by.pointer), Wants::Text, names)
}

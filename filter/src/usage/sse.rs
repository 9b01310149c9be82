//! Server-sent events: reads the last one that says what is looked for. Source: the HTML standard, "9.2.6
//! Interpreting an event stream".

use super::{
    json::{Reader, Reading},
    scan,
};

const MARK: [u8; 3] = [0xef, 0xbb, 0xbf];
const FIELD: [u8; 4] = *b"data";

/// A reader of a stream of events. Their data go to the JSON reader as they pass: no event is kept.
#[derive(Debug)]
pub(super) struct Events {
    reader: Reader,
    place: Place,
    /// The last byte was a carriage return: a line feed after it ends no other line.
    returned: bool,
    /// The event has a line of data.
    has_data: bool,
    last: Reading,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    /// At the start of the stream, after so many bytes of a byte order mark.
    Mark(usize),
    /// In the name of a field, after so many letters of `data`.
    Field(usize),
    /// In data. The space before them may be there or not: to JSON it is the same.
    Data,
    /// In a line that does not matter.
    Other,
}

impl Events {
    /// The reader is for the events' data.
    pub(super) const fn new(reader: Reader) -> Self {
        Self {
            reader,
            place: Place::Mark(0),
            returned: false,
            has_data: false,
            last: Reading::Absent,
        }
    }

    /// The next piece of the stream.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            if core::mem::take(&mut self.returned) && byte == b'\n' {
                bytes = rest;
                continue;
            }
            bytes = match self.place {
                Place::Mark(at) => self.mark(at, byte, bytes, rest),
                Place::Field(_) | Place::Data | Place::Other if is_end(byte) => {
                    self.line(byte);
                    rest
                }
                Place::Field(letters) => {
                    self.field(letters, byte);
                    rest
                }
                Place::Data => {
                    let (data, rest) = whole_line(bytes);
                    self.reader.feed(data);
                    rest
                }
                Place::Other => whole_line(bytes).1,
            };
        }
    }

    /// What the last event said that said something. An event whose end is missing counts if its data
    /// are whole: there is no doubt about them.
    pub(super) fn reading(&self) -> Reading {
        self.said().unwrap_or_else(|| self.last.clone())
    }

    fn mark<'b>(&mut self, at: usize, byte: u8, bytes: &'b [u8], rest: &'b [u8]) -> &'b [u8] {
        if MARK.get(at) == Some(&byte) {
            let at = at.saturating_add(1);
            self.place = if at == MARK.len() { Place::Field(0) } else { Place::Mark(at) };
            return rest;
        }
        // What begins like a mark and is none is the name of a field that nobody knows.
        self.place = if at == 0 { Place::Field(0) } else { Place::Other };
        bytes
    }

    fn field(&mut self, letters: usize, byte: u8) {
        self.place = match FIELD.get(letters) {
            Some(letter) if *letter == byte => Place::Field(letters.saturating_add(1)),
            None if byte == b':' => {
                self.data();
                Place::Data
            }
            _ => Place::Other,
        };
    }

    /// A line ends.
    fn line(&mut self, end: u8) {
        // An empty line. (A line `data` without a colon adds nothing to JSON.)
        if matches!(self.place, Place::Field(0)) {
            self.dispatch();
        }
        self.place = Place::Field(0);
        self.returned = end == b'\r';
    }

    /// A line of data begins.
    fn data(&mut self) {
        if self.has_data {
            self.reader.feed(b"\n");
        }
        self.has_data = true;
    }

    /// The event ends.
    fn dispatch(&mut self) {
        if !self.has_data {
            return;
        }
        if let Some(said) = self.said() {
            self.last = said;
        }
        self.reader.reset();
        self.has_data = false;
    }

    /// What this event says. What is no JSON, such as `[DONE]`, says nothing.
    fn said(&self) -> Option<Reading> {
        if !self.has_data || !self.reader.is_whole() {
            return None;
        }
        Some(self.reader.so_far()).filter(|said| *said != Reading::Absent)
    }
}

#[cfg(test)]
impl Events {
    pub(super) const fn reader(&self) -> &Reader {
        &self.reader
    }
}

const fn is_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// What is left of a line, and what follows, its end first.
fn whole_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    bytes.split_at_checked(scan::line(bytes)).unwrap_or((bytes, &[]))
}

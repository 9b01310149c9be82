//! What a message of JSON-RPC asks for (JSON-RPC 2.0, section 4), read as it passes.
//!
//! A client writes it, and a server may read it in another way: whatever is ambiguous is refused. Two
//! fields of one name are, also where they differ in letter case alone; so is a text with control
//! characters, or that is no UTF-8.

use std::rc::Rc;

use super::json::{Found, Names, Reader, Wants};
use crate::pricing::Pointer;

const METHOD: usize = 0;
const NAME: usize = 1;
const ID: usize = 2;
/// The places of the above.
const POINTERS: [&str; 3] = ["/method", "/params/name", "/id"];

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// `method`; none in the answer to a question of the server's.
    pub method: Option<Box<str>>,
    /// `params.name`, if it is a text: of `tools/call` the tool's.
    pub name: Option<Box<str>>,
    /// `id`; none if no answer is expected.
    pub id: Option<CallId>,
}

/// By what an answer names the message that it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallId {
    /// A whole number.
    Number(u64),
    /// A text of at most 256 bytes.
    Text(Box<str>),
}

/// Why nobody can say what a message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It has more bytes than may be waited for.
    TooLong,
    /// It is not one object of JSON.
    NotJson,
    /// It is several in a list.
    Batch,
    /// Two servers could read it in two ways.
    Ambiguous,
}

/// Reads one message.
#[derive(Debug)]
pub struct MessageReader {
    reader: Reader,
    /// The first byte that is no blank.
    first: Option<u8>,
    /// Bytes that may be waited for.
    left: usize,
}

impl MessageReader {
    /// A reader of a message that has at most so many bytes.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let pointers: Rc<[Pointer]> =
            POINTERS.iter().filter_map(|text| Pointer::parse(text).ok()).collect();
        let reader = Reader::new(pointers, Wants::Each, Names::Unambiguous);
        Self { reader, first: None, left: most }
    }

    /// The next piece.
    ///
    /// # Errors
    /// [`Unreadable::TooLong`].
    pub fn feed(&mut self, chunk: &[u8]) -> Result<(), Unreadable> {
        self.left = self.left.checked_sub(chunk.len()).ok_or(Unreadable::TooLong)?;
        let blank = |byte: &&u8| !byte.is_ascii_whitespace();
        self.first = self.first.or_else(|| chunk.iter().find(blank).copied());
        self.reader.feed(chunk);
        Ok(())
    }

    /// Whether nothing but blanks was there.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// The message, which is all here.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn finish(&self) -> Result<Message, Unreadable> {
        match self.first {
            Some(b'[') => return Err(Unreadable::Batch),
            Some(b'{') if self.reader.is_whole() => {}
            _ => return Err(Unreadable::NotJson),
        }
        let id = match self.reader.at(ID) {
            Found::Number(number) => Some(CallId::Number(number)),
            Found::Text(text) => plain(&text).map(CallId::Text).ok(),
            Found::Nothing | Found::Wrong(_) => None,
        };
        Ok(Message { method: self.text(METHOD)?, name: self.text(NAME)?, id })
    }

    /// Only a text has a meaning here; what is no text is as good as ambiguous.
    fn text(&self, pointer: usize) -> Result<Option<Box<str>>, Unreadable> {
        match self.reader.at(pointer) {
            Found::Nothing => Ok(None),
            Found::Text(text) => plain(&text).map(Some),
            Found::Number(_) | Found::Wrong(_) => Err(Unreadable::Ambiguous),
        }
    }
}

fn plain(text: &[u8]) -> Result<Box<str>, Unreadable> {
    let text = core::str::from_utf8(text).ok().filter(|text| !text.contains(char::is_control));
    text.map(Into::into).ok_or(Unreadable::Ambiguous)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In one piece and byte by byte.
    fn read(body: &str) -> Result<Message, Unreadable> {
        let whole = {
            let mut reader = MessageReader::new(1_000);
            reader.feed(body.as_bytes()).and_then(|()| reader.finish())
        };
        let mut reader = MessageReader::new(1_000);
        let fed = body.as_bytes().iter().try_for_each(|byte| reader.feed(&[*byte]));
        assert_eq!(fed.and_then(|()| reader.finish()), whole, "{body}");
        whole
    }

    fn call(method: &str, name: Option<&str>, id: Option<CallId>) -> Message {
        Message { method: Some(method.into()), name: name.map(Into::into), id }
    }

    #[test]
    fn what_a_message_asks_for() {
        let one = Some(CallId::Number(1));
        for (body, expected) in [
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, call("ping", None, one.clone())),
            (
                r#" {"params":{"arguments":{"name":"x","method":"y"},"name":"echo"},"method":"tools/call","id":1}"#,
                call("tools/call", Some("echo"), one.clone()),
            ),
            (
                r#"{"method":"tools\/call","params":{"name":"\u0065cho"},"id":"a\"b"}"#,
                call("tools/call", Some("echo"), Some(CallId::Text("a\"b".into()))),
            ),
            (
                r#"{"method":"notifications/initialized"}"#,
                call("notifications/initialized", None, None),
            ),
            (r#"{"id":null,"method":"ping","params":["echo"]}"#, call("ping", None, None)),
            (r#"{"id":-1,"method":"ping"}"#, call("ping", None, None)),
            (r#"{"id":1.5,"method":"ping"}"#, call("ping", None, None)),
            (
                r#"{"id":1,"result":{"method":"tools/call"}}"#,
                Message { method: None, name: None, id: one },
            ),
        ] {
            assert_eq!(read(body), Ok(expected), "{body}");
        }
    }

    #[test]
    fn what_two_servers_could_read_in_two_ways_is_refused() {
        let name = |fields: &str| format!(r#"{{"method":"tools/call","params":{{{fields}}}}}"#);
        for body in [
            r#"{"method":"ping","method":"tools/call"}"#.to_owned(),
            r#"{"method":"ping","Method":"tools/call"}"#.to_owned(),
            r#"{"METHOD":"tools/call"}"#.to_owned(),
            r#"{"method":null,"method":"tools/call"}"#.to_owned(),
            r#"{"method":["tools/call"]}"#.to_owned(),
            r#"{"method":7}"#.to_owned(),
            r#"{"method":"ping\u0000"}"#.to_owned(),
            r#"{"method":"ping\ud800"}"#.to_owned(),
            r#"{"m\u0000":1,"method":"ping"}"#.to_owned(),
            format!(r#"{{"method":"{}"}}"#, "m".repeat(257)),
            name(r#""name":"echo","name":"report""#),
            name(r#""name":"echo","Name":"report""#),
            name(r#""name":"echo","name":["report"]"#),
            name(r#""name":"echo","n\u0061me":"report""#),
            name(r#""name":["echo"]"#),
            name(r#""name":{"a":1}"#),
            name(r#""name":true"#),
            r#"{"method":"tools/call","params":{"name":"echo"},"params":{"name":"report"}}"#
                .to_owned(),
            r#"{"method":"tools/call","params":{"name":"echo"},"Params":{"name":"report"}}"#
                .to_owned(),
            r#"{"method":"tools/call","params":{"name":"echo"},"params":["report"]}"#.to_owned(),
        ] {
            assert_eq!(read(&body), Err(Unreadable::Ambiguous), "{body}");
        }
    }

    #[test]
    fn what_is_not_one_object_is_refused() {
        for (body, expected) in [
            ("", Unreadable::NotJson),
            ("  ", Unreadable::NotJson),
            ("7", Unreadable::NotJson),
            (r#""{}""#, Unreadable::NotJson),
            (r#"{"method":"ping""#, Unreadable::NotJson),
            (r#"{"method":"ping"}{"method":"ping"}"#, Unreadable::NotJson),
            (r#"{'method':'ping'}"#, Unreadable::NotJson),
            ("\u{feff}{}", Unreadable::NotJson),
            (r#" [{"method":"ping"}]"#, Unreadable::Batch),
            ("[", Unreadable::Batch),
        ] {
            assert_eq!(read(body), Err(expected), "{body:?}");
        }
        assert_eq!(read(&format!("{{}}{}", " ".repeat(999))), Err(Unreadable::TooLong));
        assert!(read(&format!("{{}}{}", " ".repeat(998))).is_ok());
        let deep = format!(r#"{{"a":{}}}"#, "[".repeat(200));
        assert_eq!(read(&deep), Err(Unreadable::NotJson));
    }
}

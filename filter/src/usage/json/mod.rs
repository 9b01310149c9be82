//! Reads the values at a few pointers out of a JSON document that passes in pieces.
//!
//! No tree is built: whatever the document, the reader takes a few hundred bytes. It is strict
//! (RFC 8259), but does not check UTF-8 in texts.

mod matcher;
mod number;
mod text;

use std::rc::Rc;

pub(super) use self::matcher::{Found, Names};
use self::{matcher::Matcher, number::Number, text::Text};
use super::{Wrong, scan};
use crate::pricing::Pointer;

/// Containers inside of each other, at the most; as deep as `serde_json` reads.
const DEEPEST: usize = 128;

/// A reader of one document.
#[derive(Debug)]
pub(super) struct Reader {
    wants: Wants,
    state: State,
    depth: usize,
    /// For each open container a bit, the innermost lowest: whether it is an object.
    kinds: u128,
    matcher: Matcher,
    text: Text,
    /// Whether the text that is being read is compared with something.
    compares: bool,
    /// The pointer that means the value that is being read.
    target: Option<usize>,
}

/// What is read at the pointers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    Numbers,
    Text,
    /// Either, each by itself: [`Reader::at`].
    Each,
}

/// What a document says at the pointers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Nothing, at one pointer at least.
    Absent,
    /// A number at each.
    Numbers(Vec<u64>),
    /// A text.
    Text(Box<[u8]>),
    /// Something that is no such value.
    Wrong(Wrong),
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Before a value.
    Value,
    /// After `[`.
    FirstElement,
    /// After `{`.
    FirstKey,
    /// After a comma in an object.
    Key,
    Colon,
    /// After a value in a container.
    After,
    Text(Role),
    Escape(Role),
    Hex(Role, u8, u16),
    Number(Number),
    /// Inside of `true`, `false` or `null`; what is left of it.
    Word(&'static [u8]),
    /// After the document.
    Ended,
    Broken(Wrong),
}

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Key,
    Value,
}

impl Reader {
    pub(super) fn new(pointers: Rc<[Pointer]>, wants: Wants, names: Names) -> Self {
        Self {
            wants,
            state: State::Value,
            depth: 0,
            kinds: 0,
            matcher: Matcher::new(pointers, names),
            text: Text::default(),
            compares: false,
            target: None,
        }
    }

    /// Begins a new document.
    pub(super) fn reset(&mut self) {
        self.state = State::Value;
        self.depth = 0;
        self.matcher.reset();
    }

    /// The next piece of the document.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            bytes = match self.state {
                State::Broken(_) => return,
                State::Text(role) => self.text(role, bytes),
                State::Escape(role) => self.escape(role, byte, rest),
                State::Hex(role, left, unit) => self.hex(role, left, unit, byte, rest),
                State::Number(number) => self.number(number, bytes),
                State::Word(left) => self.word(left, byte, rest),
                _ if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') => rest,
                _ => {
                    self.token(byte);
                    rest
                }
            };
        }
    }

    /// Why this cannot be read as JSON, if it cannot.
    pub(super) const fn broken(&self) -> Option<Wrong> {
        match self.state {
            State::Broken(wrong) => Some(wrong),
            _ => None,
        }
    }

    /// Whether all of a document was read. (A number on its own has no end, and nothing points to it.)
    pub(super) const fn is_whole(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Whether anything of it was read.
    pub(super) const fn has_begun(&self) -> bool {
        !matches!(self.state, State::Value) || self.depth > 0
    }

    /// What was said so far.
    pub(super) fn so_far(&self) -> Reading {
        let mut numbers = Vec::new();
        let mut absent = false;
        for found in self.matcher.found() {
            match found {
                Found::Wrong(wrong) => return Reading::Wrong(*wrong),
                Found::Text(text) => return Reading::Text(text.clone()),
                Found::Number(number) if !absent => numbers.push(*number),
                Found::Number(_) => {}
                Found::Nothing => absent = true,
            }
        }
        if absent { Reading::Absent } else { Reading::Numbers(numbers) }
    }

    /// What was found at one pointer so far.
    pub(super) fn at(&self, pointer: usize) -> Found {
        self.matcher.found().nth(pointer).cloned().unwrap_or_default()
    }

    fn token(&mut self, byte: u8) {
        match (self.state, byte) {
            (State::FirstKey | State::Key, b'"') => {
                self.compares = self.matcher.watches(self.depth);
                self.text.clear();
                self.state = State::Text(Role::Key);
            }
            (State::Colon, b':') => self.state = State::Value,
            (State::After, b',') if self.in_object() => self.state = State::Key,
            (State::After, b',') => {
                self.matcher.next(self.depth);
                self.state = State::Value;
            }
            (State::After | State::FirstKey, b'}') if self.in_object() => self.close(),
            (State::After | State::FirstElement, b']') if !self.in_object() => self.close(),
            (State::Value | State::FirstElement, _) => self.value(byte),
            _ => self.fail(),
        }
    }

    fn value(&mut self, byte: u8) {
        self.target = self.matcher.hit(self.depth);
        match byte {
            b'"' => {
                self.compares = self.target.is_some() && self.wants != Wants::Numbers;
                self.text.clear();
                self.state = State::Text(Role::Value);
            }
            b'-' | b'0'..=b'9' => self.state = State::Number(Number::begin(byte)),
            // Nothing, as if it were not there.
            b'n' => self.state = State::Word(b"ull"),
            b't' => self.other(State::Word(b"rue")),
            b'f' => self.other(State::Word(b"alse")),
            b'{' => self.open(true),
            b'[' => self.open(false),
            _ => self.fail(),
        }
    }

    /// Neither number nor text.
    fn other(&mut self, state: State) {
        self.found(Found::Wrong(Wrong::NotANumber));
        self.state = state;
    }

    fn open(&mut self, object: bool) {
        if self.depth >= DEEPEST {
            self.state = State::Broken(Wrong::TooDeep);
            return;
        }
        self.other(if object { State::FirstKey } else { State::FirstElement });
        self.depth = self.depth.saturating_add(1);
        self.kinds = self.kinds << 1 | u128::from(object);
        if !object {
            self.matcher.list(self.depth);
        }
    }

    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.kinds >>= 1;
        self.ended();
    }

    const fn in_object(&self) -> bool {
        self.kinds & 1 == 1
    }

    fn text<'b>(&mut self, role: Role, bytes: &'b [u8]) -> &'b [u8] {
        let (plain, rest) = bytes.split_at_checked(scan::text(bytes)).unwrap_or((bytes, &[]));
        if self.compares {
            self.text.push(plain);
        }
        let Some((&byte, rest)) = rest.split_first() else { return rest };
        match byte {
            b'"' if role == Role::Key => {
                if self.compares {
                    self.matcher.key(self.depth, self.text.end());
                }
                self.state = State::Colon;
            }
            b'"' => self.text_value(),
            b'\\' => self.state = State::Escape(role),
            _ => self.fail(),
        }
        rest
    }

    fn text_value(&mut self) {
        let found = match self.wants {
            Wants::Text | Wants::Each if self.compares => {
                // A text that is too long is in no table, and neither is this one.
                Found::Text(self.text.end().unwrap_or(b"\xff").into())
            }
            _ => Found::Wrong(Wrong::NotANumber),
        };
        self.found(found);
        self.ended();
    }

    fn escape<'b>(&mut self, role: Role, byte: u8, rest: &'b [u8]) -> &'b [u8] {
        let plain = match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                self.state = State::Hex(role, 4, 0);
                return rest;
            }
            _ => {
                self.fail();
                return rest;
            }
        };
        if self.compares {
            self.text.push(&[plain]);
        }
        self.state = State::Text(role);
        rest
    }

    fn hex<'b>(&mut self, role: Role, left: u8, unit: u16, byte: u8, rest: &'b [u8]) -> &'b [u8] {
        let Some(digit) = char::from(byte).to_digit(16).and_then(|digit| u16::try_from(digit).ok())
        else {
            self.fail();
            return rest;
        };
        let unit = unit << 4 | digit;
        self.state = match left.saturating_sub(1) {
            0 => {
                if self.compares {
                    self.text.push_unit(unit);
                }
                State::Text(role)
            }
            left => State::Hex(role, left, unit),
        };
        rest
    }

    fn number<'b>(&mut self, mut number: Number, bytes: &'b [u8]) -> &'b [u8] {
        let size = bytes.iter().take_while(|byte| number.push(**byte)).count();
        let rest = bytes.get(size..).unwrap_or_default();
        self.state = State::Number(number);
        if rest.is_empty() {
            return rest;
        }
        match number.end() {
            None => self.fail(),
            Some(end) => {
                if self.wants != Wants::Text {
                    self.found(end.map_or_else(Found::Wrong, Found::Number));
                } else {
                    self.found(Found::Wrong(Wrong::NotANumber));
                }
                self.ended();
            }
        }
        rest
    }

    fn word<'b>(&mut self, left: &'static [u8], byte: u8, rest: &'b [u8]) -> &'b [u8] {
        match left.split_first() {
            Some((next, [])) if *next == byte => self.ended(),
            Some((next, left)) if *next == byte => self.state = State::Word(left),
            _ => self.fail(),
        }
        rest
    }

    /// A value is over.
    const fn ended(&mut self) {
        self.state = if self.depth == 0 { State::Ended } else { State::After };
    }

    fn found(&mut self, found: Found) {
        if let Some(target) = self.target.take() {
            self.matcher.set(target, found);
        }
    }

    const fn fail(&mut self) {
        self.state = State::Broken(Wrong::NotJson);
    }
}

#[cfg(test)]
impl Reader {
    /// Bytes that are kept outside of this.
    pub(super) fn kept(&self) -> usize {
        self.text.kept().saturating_add(self.matcher.kept())
    }
}

//! All that a lax MCP server could take a request for.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

/// A request as the server received it.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// JSON with all fields, also those that are there twice.
#[derive(Debug)]
enum Node {
    Text(String),
    List(Vec<Self>),
    Fields(Vec<(String, Self)>),
    Other,
}

impl Received {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    fn repeated(&self, name: &str) -> impl Iterator<Item = &str> {
        let own = self.headers.iter().filter(move |(own, _)| own == name);
        own.map(|(_, value)| value.as_str())
    }

    /// The dearest of these tools that any reading calls.
    pub(super) fn dearest(&self, prices: &[(&str, i64)]) -> i64 {
        let mut calls = Vec::new();
        for text in self.texts() {
            let nodes = serde_json::Deserializer::from_str(&text).into_iter::<Node>();
            nodes.map_while(Result::ok).for_each(|node| self.messages(&node, &mut calls));
            self.form(&text, &mut calls);
        }
        let price = |call: &String| prices.iter().find(|(name, _)| name == call).map(|(_, of)| *of);
        calls.iter().filter_map(price).max().unwrap_or(0)
    }

    /// The body, by whatever encoding.
    fn texts(&self) -> Vec<String> {
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let wide = |unit: fn([u8; 2]) -> u16| {
            let units: Vec<u16> =
                self.body.as_chunks::<2>().0.iter().map(|two| unit(*two)).collect();
            String::from_utf16_lossy(&units)
        };
        let whole = lossy(&self.body);
        let bare = |text: &str| text.trim_start_matches('\u{feff}').to_owned();
        vec![bare(&whole), bare(&wide(u16::from_le_bytes)), bare(&wide(u16::from_be_bytes))]
    }

    fn messages(&self, node: &Node, calls: &mut Vec<String>) {
        match node {
            Node::List(all) => all.iter().for_each(|one| self.messages(one, calls)),
            Node::Fields(fields) => self.message(fields, calls),
            Node::Text(_) | Node::Other => {}
        }
    }

    fn message(&self, fields: &[(String, Node)], calls: &mut Vec<String>) {
        let mut methods: Vec<String> = named(fields, "method").flat_map(texts).collect();
        let mut names: Vec<String> = named(fields, "params").flat_map(names).collect();
        methods.extend(self.repeated("mcp-method").map(alike));
        names.extend(self.repeated("mcp-name").map(|value| alike(&decoded(value))));
        if methods.iter().any(|method| method == "toolscall") {
            calls.extend(names);
        }
    }

    /// What calls itself JSON is no form to anybody.
    fn form(&self, text: &str, calls: &mut Vec<String>) {
        let types: Vec<&str> = self.repeated("content-type").collect();
        if matches!(&types[..], [one] if one.to_lowercase().starts_with("application/json")) {
            return;
        }
        let pairs = || text.split('&').filter_map(|pair| pair.split_once('='));
        if pairs().any(|(name, value)| name == "method" && alike(value) == "toolscall") {
            calls.extend(
                pairs()
                    .filter(|(name, _)| alike(name) == "paramsname")
                    .map(|(_, value)| alike(value)),
            );
        }
    }
}

/// Values of the fields that somebody may take for this one.
fn named<'n>(fields: &'n [(String, Node)], name: &'n str) -> impl Iterator<Item = &'n Node> {
    fields.iter().filter(move |(own, _)| alike(own) == name).map(|(_, value)| value)
}

fn texts(node: &Node) -> Vec<String> {
    match node {
        Node::Text(text) => vec![alike(text)],
        Node::List(all) => all.iter().flat_map(texts).collect(),
        Node::Fields(_) | Node::Other => Vec::new(),
    }
}

/// The tool's name in `params`, which may be a list.
fn names(node: &Node) -> Vec<String> {
    match node {
        Node::Fields(fields) => named(fields, "name").flat_map(texts).collect(),
        Node::List(all) => all.iter().flat_map(names).chain(texts(node)).collect(),
        Node::Text(_) | Node::Other => Vec::new(),
    }
}

/// Cut off at a zero byte, without case, blanks and punctuation.
fn alike(text: &str) -> String {
    let text = text.split('\0').next().unwrap_or_default();
    text.to_lowercase().chars().filter(|letter| letter.is_alphanumeric()).collect()
}

fn decoded(value: &str) -> String {
    use base64::Engine as _;
    let inner = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="));
    let bytes =
        inner.and_then(|inner| base64::engine::general_purpose::STANDARD.decode(inner).ok());
    bytes.map_or_else(|| value.to_owned(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut all = Vec::new();
        while let Some(one) = list.next_element()? {
            all.push(one);
        }
        Ok(Node::List(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Node::Fields(fields))
    }
}

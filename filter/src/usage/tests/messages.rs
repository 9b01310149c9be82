//! Random messages, read as the laxest servers read them: what is let through, all of them read alike.

use proptest::{prelude::*, sample::select};

use super::super::{Message, MessageReader, Unreadable};

/// Ways in which somebody may write the names that matter, or others.
const KEYS: [&str; 16] = [
    "method",
    "Method",
    "METHOD",
    "\\u006dethod",
    "method\\u0000",
    "name",
    "Name",
    "n\\u0061me",
    "name\\u0000x",
    "params",
    "Params",
    "PARAMS",
    "id",
    "arguments",
    "x",
    "",
];
const VALUES: [&str; 9] = [
    "\"echo\"",
    "\"report\"",
    "\"tools/call\"",
    "\"ping\"",
    "null",
    "7",
    "[\"report\"]",
    "{}",
    "\"r\\u0065port\"",
];

#[derive(Clone, Debug)]
enum Node {
    Plain(&'static str),
    Fields(Vec<(&'static str, Self)>),
}

impl Node {
    fn written(&self) -> String {
        match self {
            Self::Plain(text) => (*text).to_owned(),
            Self::Fields(fields) => {
                let fields =
                    fields.iter().map(|(key, node)| format!("\"{key}\":{}", node.written()));
                format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
            }
        }
    }

    /// Values of the fields that a lax server takes for this one.
    fn named(&self, name: &str) -> Vec<&Self> {
        match self {
            Self::Plain(_) => Vec::new(),
            Self::Fields(fields) => {
                let same =
                    |key: &&str| meant(key).split('\0').next().unwrap().eq_ignore_ascii_case(name);
                fields.iter().filter(|(key, _)| same(key)).map(|(_, node)| node).collect()
            }
        }
    }
}

fn meant(key: &str) -> String {
    serde_json::from_str(&format!("\"{key}\"")).unwrap()
}

fn fields() -> impl Strategy<Value = Node> {
    let plain = select(VALUES.to_vec()).prop_map(Node::Plain);
    let field = |inner: BoxedStrategy<Node>| {
        prop::collection::vec((select(KEYS.to_vec()), inner), 0..4).prop_map(Node::Fields)
    };
    let inner = field(plain.clone().boxed());
    field(prop_oneof![plain, inner].boxed())
}

fn read(text: &str) -> Result<Message, Unreadable> {
    let mut reader = MessageReader::new(10_000);
    reader.feed(text.as_bytes()).and_then(|()| reader.finish())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn what_is_let_through_is_read_alike_by_all(message in fields()) {
        let text = message.written();
        let Ok(read) = read(&text) else { return Ok(()) };
        let methods = message.named("method");
        let params = message.named("params");
        prop_assert!(methods.len() <= 1 && params.len() <= 1, "{}", text);
        let names: Vec<&Node> = params.iter().flat_map(|params| params.named("name")).collect();
        prop_assert!(names.len() <= 1, "{}", text);
        for (found, read) in [(methods, read.method), (names, read.name)] {
            let expected = match found.first() {
                Some(Node::Plain("null")) | None => None,
                Some(Node::Plain(text)) => Some(serde_json::from_str::<String>(text).unwrap()),
                Some(Node::Fields(_)) => panic!("{text}"),
            };
            prop_assert_eq!(read.as_deref(), expected.as_deref(), "{}", text);
        }
    }
}

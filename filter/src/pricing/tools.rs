//! What the requests of MCP cost at one path, by what a request asks for.

use stripe402_protocol::Units;

use super::{Pricing, fold::letters};

/// The method by which a tool is called.
pub const TOOLS_CALL: &str = "tools/call";

/// What clients ask before they call a tool, and to hear of one that they have called. Sources: the MCP
/// specifications 2024-11-05 to 2026-07-28.
const FREE: [&str; 14] = [
    "initialize",
    "logging/setLevel",
    "ping",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "server/discover",
    "subscriptions/listen",
    "tasks/cancel",
    "tasks/get",
    "tasks/list",
    "tasks/result",
    "tasks/update",
    "tools/list",
];
const NOTIFICATIONS: &str = "notifications/";

/// What tools and methods cost.
#[derive(Debug)]
pub struct Tools {
    /// By the tool's name.
    pub tools: Named,
    /// By the method's.
    pub methods: Named,
    /// What everything else costs; [`Pricing::Unlisted`] if it is refused.
    pub other: Pricing,
}

/// Prices by name, to the letter.
#[derive(Debug, Default)]
pub struct Named {
    all: Vec<(Box<str>, Pricing)>,
    /// What the names have in common with others that a server may take for them.
    alike: Vec<String>,
}

impl Named {
    /// These; no name is there twice.
    #[must_use]
    pub fn new(all: Vec<(Box<str>, Pricing)>) -> Self {
        let alike = all.iter().map(|(name, _)| alike_to(name)).collect();
        Self { all, alike }
    }

    /// All of them, in their order.
    #[must_use]
    pub fn all(&self) -> &[(Box<str>, Pricing)] {
        &self.all
    }

    fn get(&self, name: &str) -> Option<&Pricing> {
        self.all.iter().find(|(own, _)| **own == *name).map(|(_, pricing)| pricing)
    }
}

impl Tools {
    /// What a message costs. `name` is the tool's, of a call.
    #[must_use]
    pub fn price(&self, method: &str, name: Option<&str>) -> Pricing {
        if method == TOOLS_CALL {
            return name.map_or(Pricing::Unlisted, |name| self.of(&self.tools, name));
        }
        if self.methods.get(method).is_none() && is_free(method) {
            return Pricing::Free;
        }
        if alike_to(method) == alike_to(TOOLS_CALL) {
            return Pricing::Unlisted;
        }
        self.of(&self.methods, method)
    }

    /// A server may take a name for another that looks like it: such a name is not for sale. Beyond ASCII
    /// there are too many that do.
    fn of(&self, named: &Named, name: &str) -> Pricing {
        match named.get(name) {
            Some(own) => own.clone(),
            None if !name.is_ascii() || named.alike.contains(&alike_to(name)) => Pricing::Unlisted,
            None => self.other.clone(),
        }
    }

    /// The most that one message can cost.
    #[must_use]
    pub fn dearest(&self) -> Units {
        let named = self.tools.all.iter().chain(&self.methods.all).map(|(_, pricing)| pricing);
        let price = |pricing: &Pricing| match pricing {
            Pricing::Offer(offer) => offer.price(),
            Pricing::Free | Pricing::Unlisted => Units::ZERO,
        };
        named.chain([&self.other]).map(price).max().unwrap_or(Units::ZERO)
    }
}

fn is_free(method: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'/');
    FREE.contains(&method)
        || method.strip_prefix(NOTIFICATIONS).is_some_and(|rest| rest.bytes().all(plain))
}

/// Without letter case, blanks and punctuation.
fn alike_to(name: &str) -> String {
    letters(name)
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || !letter.is_ascii())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools(other: Pricing) -> Tools {
        let table = |names: &[&str]| {
            Named::new(names.iter().map(|name| ((*name).into(), Pricing::Free)).collect())
        };
        Tools { tools: table(&["echo", "web-search"]), methods: table(&["resources/read"]), other }
    }

    fn word(pricing: &Pricing) -> &'static str {
        match pricing {
            Pricing::Offer(_) => "priced",
            Pricing::Free => "free",
            Pricing::Unlisted => "refused",
        }
    }

    #[test]
    fn what_is_free_and_what_is_refused() {
        for (method, name, of_deny, of_free) in [
            ("initialize", None, "free", "free"),
            ("tools/list", Some("x"), "free", "free"),
            ("notifications/cancelled", None, "free", "free"),
            ("notifications/x y", None, "refused", "free"),
            ("resources/read", None, "free", "free"),
            ("resources/Read", None, "refused", "refused"),
            ("completion/complete", None, "refused", "free"),
            ("tools/call", None, "refused", "refused"),
            ("tools/call", Some("echo"), "free", "free"),
            ("tools/call", Some("Echo"), "refused", "refused"),
            ("tools/call", Some("echo "), "refused", "refused"),
            ("tools/call", Some("web_search"), "refused", "refused"),
            ("tools/call", Some("other"), "refused", "free"),
            ("tools/call", Some("echo\u{a0}"), "refused", "refused"),
            ("tools/call", Some("\u{ff45}cho"), "refused", "refused"),
            ("tools\u{200b}/call", Some("echo"), "refused", "refused"),
            ("Tools/Call", Some("echo"), "refused", "refused"),
            ("tools/call ", Some("echo"), "refused", "refused"),
            ("", None, "refused", "free"),
        ] {
            let of = |other| word(&tools(other).price(method, name));
            let found = (of(Pricing::Unlisted), of(Pricing::Free));
            assert_eq!(found, (of_deny, of_free), "{method} {name:?}");
        }
    }
}

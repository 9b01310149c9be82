//! Which hosts a rule is for, and which host a request names.

use std::borrow::Cow;

/// What a rule, or a part of it, says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meets {
    /// It is about another one.
    No,
    /// It is about this one if the API reads the request in a lax way.
    Perhaps,
    /// It is about this one.
    Surely,
}

/// Host names in small letters; none means every host. `*.example.com` is kept as `.example.com`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts(Vec<Box<str>>);

impl Hosts {
    /// Host names as they are configured: `api.example.com`, or `*.example.com` for every name
    /// that ends so. `None` if one of them is no host name, or has a port.
    #[must_use]
    pub fn new(names: &[String]) -> Option<Self> {
        let read = |name: &String| {
            let host = Authority::read(name.strip_prefix("*.").unwrap_or(name));
            let bare = host.reading != Reading::Strange && !host.has_port && !host.name.is_empty();
            let begin = if name.starts_with("*.") { "." } else { "" };
            bare.then(|| format!("{begin}{}", host.name).into())
        };
        names.iter().map(read).collect::<Option<_>>().map(Self)
    }

    /// The names as they are configured, in small letters.
    pub fn names(&self) -> impl Iterator<Item = String> {
        let written =
            |name: &str| if name.starts_with('.') { format!("*{name}") } else { name.into() };
        self.0.iter().map(move |name| written(name))
    }

    /// Whether this is every host.
    #[must_use]
    pub fn is_every(&self) -> bool {
        self.0.is_empty()
    }

    /// Which of two rules that are alike holds: the one that names the host, then one that names
    /// how it ends, then one for every host. The lower number holds.
    pub(super) fn rank(&self) -> u8 {
        if self.0.is_empty() {
            2
        } else {
            u8::from(self.0.iter().any(|name| name.starts_with('.')))
        }
    }

    /// Whether two rules of one rank may be about the same host.
    pub(super) fn overlap(&self, other: &Self) -> bool {
        let meets =
            |one: &str, other: &str| one == other || one.starts_with('.') && other.ends_with(one);
        self.rank() == other.rank()
            && (self.is_every()
                || self
                    .0
                    .iter()
                    .any(|one| other.0.iter().any(|other| meets(one, other) || meets(other, one))))
    }

    pub(super) fn meet(&self, authority: &Authority<'_>) -> Meets {
        let name = &*authority.name;
        let is = |own: &str| {
            if own.starts_with('.') {
                name.len() > own.len() && name.ends_with(own)
            } else {
                own == name
            }
        };
        match authority.reading {
            _ if self.0.is_empty() => Meets::Surely,
            Reading::Strange => Meets::Perhaps,
            _ if !self.0.iter().any(|own| is(own)) => Meets::No,
            Reading::Plain => Meets::Surely,
            Reading::Lax => Meets::Perhaps,
        }
    }
}

/// The host that a request names in `:authority` (RFC 9110, section 7.2).
#[derive(Debug)]
pub(super) struct Authority<'r> {
    /// In small letters, without a port and a dot at its end.
    name: Cow<'r, str>,
    has_port: bool,
    reading: Reading,
}

/// How an authority is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// As everybody reads it.
    Plain,
    /// With capitals, a dot at its end or an empty port: some take it for another host.
    Lax,
    /// With userinfo, or what is no host at all: it may mean any host to somebody.
    Strange,
}

impl<'r> Authority<'r> {
    pub(super) fn read(authority: &'r str) -> Self {
        // An IPv6 address has colons of its own, in brackets.
        let after =
            authority.bytes().rposition(|byte| byte == b']').map_or(0, |end| end.saturating_add(1));
        let colon = authority.get(after..).and_then(|rest| rest.find(':'));
        let (name, port) =
            match colon.and_then(|at| authority.split_at_checked(after.checked_add(at)?)) {
                Some((name, port)) => (name, Some(port.get(1..).unwrap_or_default())),
                None => (authority, None),
            };
        let bare = name.strip_suffix('.').unwrap_or(name);
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~[]:".contains(&byte);
        let digits = port.unwrap_or_default().bytes().all(|byte| byte.is_ascii_digit());
        let reading = if bare.is_empty() || !digits || !bare.bytes().all(allowed) {
            Reading::Strange
        } else if bare.len() != name.len()
            || port == Some("")
            || bare.bytes().any(|byte| byte.is_ascii_uppercase())
        {
            Reading::Lax
        } else {
            Reading::Plain
        };
        let name = match reading {
            Reading::Plain => Cow::Borrowed(bare),
            _ => Cow::Owned(bare.to_ascii_lowercase()),
        };
        Self { name, has_port: port.is_some(), reading }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(names: &[&str]) -> Hosts {
        Hosts::new(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn which_requests_a_list_of_hosts_meets() {
        use Meets::{No, Perhaps, Surely};
        for (names, authority, meets) in [
            (&["api.example.com"][..], "api.example.com", Surely),
            (&["api.example.com"], "api.example.com:8443", Surely),
            (&["API.Example.com."], "api.example.com", Surely),
            (&["api.example.com"], "API.example.com", Perhaps),
            (&["api.example.com"], "api.example.com.", Perhaps),
            (&["api.example.com"], "api.example.com.:80", Perhaps),
            (&["api.example.com"], "api.example.com:", Perhaps),
            (&["api.example.com"], "other.example.com", No),
            (&["api.example.com"], "x.api.example.com", No),
            (&["api.example.com"], "OTHER.example.com", No),
            (&["api.example.com"], "x@api.example.com", Perhaps),
            (&["api.example.com"], "api.example.com@x", Perhaps),
            (&["api.example.com"], "x:1@api.example.com:80", Perhaps),
            (&["api.example.com"], "api.example.com/x", Perhaps),
            (&["api.example.com"], "%61pi.example.com", Perhaps),
            (&["api.example.com"], "api.example.com:80:80", Perhaps),
            (&["api.example.com"], "", Perhaps),
            (&["*.example.com"], "api.example.com", Surely),
            (&["*.example.com"], "a.b.example.com:1", Surely),
            (&["*.example.com"], "example.com", No),
            (&["*.example.com"], "anexample.com", No),
            (&["*.example.com"], "a.EXAMPLE.com", Perhaps),
            (&["a", "[::1]"], "[::1]:10000", Surely),
            (&["a", "[::1]"], "[::2]:10000", No),
            (&[], "whatever@it.is", Surely),
        ] {
            let found = hosts(names).meet(&Authority::read(authority));
            assert_eq!(found, meets, "{names:?} {authority:?}");
        }
    }

    #[test]
    fn lists_of_hosts_that_cannot_stand_side_by_side() {
        for (one, other, overlap) in [
            (&["a.com", "b.com"][..], &["b.com"][..], true),
            (&["a.com"], &["b.com"], false),
            (&["*.a.com"], &["x.a.com"], false),
            (&["*.a.com"], &["*.x.a.com"], true),
            (&["*.a.com"], &["*.b.com"], false),
            (&["*.a.com", "b.com"], &["*.c.com", "b.com"], true),
            (&[], &["a.com"], false),
            (&[], &[], true),
        ] {
            assert_eq!(hosts(one).overlap(&hosts(other)), overlap, "{one:?} {other:?}");
            assert_eq!(hosts(other).overlap(&hosts(one)), overlap, "{other:?} {one:?}");
        }
        for wrong in
            ["", "*", "*.", "a b", "x@a.com", "a.com:80", "a/b", "*a.com", "a.*.com", "*.*.a"]
        {
            assert_eq!(Hosts::new(&[wrong.to_owned()]), None, "{wrong:?}");
        }
        let names: Vec<_> = hosts(&["A.com", "*.B.com"]).names().collect();
        assert_eq!(names, ["a.com", "*.b.com"]);
    }
}

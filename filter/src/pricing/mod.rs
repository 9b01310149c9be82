//! Which price applies to a request.
//!
//! In this order, and within a step by the order in brackets: what the route in Envoy says of
//! itself; the name of the route in Envoy; an exact path; a template (literal segments first); a
//! prefix (the longest); what the virtual host in Envoy says. A rule that does not name the
//! request's method leaves it to the next.
//!
//! An API may read a path otherwise than it is written. Of all its readings the dearest is paid,
//! and what no rule names is dearest of all where that is denied. So a rule that is matched in a
//! lax way can make a request dearer, and never cheaper.

mod fold;
mod host;
mod metered;
mod offer;
mod pointer;
mod prefix;
mod reading;
mod table;
mod template;
mod told;
mod tools;

use std::rc::Rc;

pub(crate) use self::fold::letters;
use self::host::{Authority, Meets};
pub(crate) use self::offer::EncodedChallenges;
pub(crate) use self::reading::without_query;
pub use self::{
    host::Hosts,
    metered::{
        Body, By, Counted, Extend, LONGEST_NAME, MeteredPrice, Other, Price, Rates, Then, Unknown,
        UsageSource, Written, proportion,
    },
    offer::{EncodedChallenge, Offer, Pricing, VoidOn},
    pointer::Pointer,
    table::{Clash, Table},
    tools::{Named, TOOLS_CALL, Tools},
};

/// What the configuration says of some requests.
#[derive(Debug)]
pub struct Rule {
    /// Which.
    pub of: Match,
    /// For which hosts.
    pub hosts: Hosts,
    /// Upper case; empty means every method.
    pub methods: Vec<String>,
    /// Whether letter case and a trailing slash make another path.
    pub strict: bool,
    /// What they cost; `None` if they are free.
    pub offer: Option<Rc<Offer>>,
}

/// What a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// The name of a route in Envoy.
    RouteName(String),
    /// One path.
    Exact(String),
    /// A path with parameters: `/users/{id}`.
    Template(String),
    /// All paths that begin so.
    Prefix(String),
}

/// What of a request decides its price.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'r> {
    /// The method; `None` asks whether any is priced.
    pub method: Option<&'r str>,
    /// `:authority`; empty if it is not known, and then it may be any.
    pub host: &'r str,
    /// The path; its query does not matter.
    pub path: &'r str,
    /// The name of the route in Envoy, if it has one.
    pub route_name: Option<&'r str>,
}

/// What the rules say of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Found<'t> {
    /// The dearest rule about any reading of it.
    pub rule: Option<&'t Rc<Rule>>,
    /// Whether there is a reading that no rule is about.
    pub open: bool,
}

impl<'t> Found<'t> {
    /// What holds if the request may be either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { rule: dearer(self.rule, other.rule), open: self.open || other.open }
    }
}

/// The rule with the higher price; of two that are alike, the first.
fn dearer<'t>(one: Option<&'t Rc<Rule>>, other: Option<&'t Rc<Rule>>) -> Option<&'t Rc<Rule>> {
    match (one, other) {
        (Some(first), Some(second)) if second.price() > first.price() => other,
        (None, _) => other,
        _ => one,
    }
}

impl Rule {
    /// In units; a free rule's is 0.
    fn price(&self) -> i64 {
        self.offer.as_ref().map_or(0, |offer| offer.price().get())
    }

    /// Whether this rule is about requests of this method to this host.
    fn meets(&self, method: Option<&str>, authority: &Authority<'_>) -> Meets {
        if self.takes(method) { self.hosts.meet(authority) } else { Meets::No }
    }

    /// Whether this rule is about a method. HEAD costs what GET costs; case does not matter, as
    /// some servers take `get` for GET.
    fn takes(&self, method: Option<&str>) -> bool {
        let Some(method) = method else { return self.offer.is_some() };
        // A preflight carries no payment and is answered by the CORS filter.
        if method.eq_ignore_ascii_case("OPTIONS") {
            return false;
        }
        let method = if method.eq_ignore_ascii_case("HEAD") { "GET" } else { method };
        let same = |own: &String| {
            let own = if own == "HEAD" { "GET" } else { own };
            own.eq_ignore_ascii_case(method)
        };
        self.methods.is_empty() || self.methods.iter().any(same)
    }
}

#[cfg(test)]
mod tests;

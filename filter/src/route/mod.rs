//! Which price applies to a request.
//!
//! In this order, and within a step by the order in brackets: what the route in Envoy says of
//! itself; the name of the route in Envoy; an exact path; a template (literal segments first); a
//! prefix (the longest). A rule that does not name the request's method leaves it to the next.

mod canonical;
mod prefix;
mod template;

use std::{borrow::Cow, rc::Rc};

use rustc_hash::FxHashMap;

pub(crate) use self::canonical::without_query;
use self::{
    canonical::{canonical, lax, lax_to_the_end, readings},
    prefix::Prefixes,
    template::Templates,
};
use crate::config::Route;

/// What the configuration says of some requests.
#[derive(Debug)]
pub struct Rule {
    /// Which.
    pub of: Match,
    /// Upper case; empty means every method.
    pub methods: Vec<String>,
    /// Whether letter case and a trailing slash make another path.
    pub strict: bool,
    /// What they cost; `None` if they are free.
    pub sale: Option<Rc<Route>>,
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

/// The configured rules.
#[derive(Debug)]
pub struct Table {
    all: Vec<Rc<Rule>>,
    names: Rules,
    lax: Paths,
    strict: Paths,
}

type Rules = FxHashMap<Box<str>, Vec<Rc<Rule>>>;

#[derive(Debug)]
struct Paths {
    exact: Rules,
    templates: Templates,
    prefixes: Prefixes,
    /// None of either: nothing has to be looked up.
    empty: bool,
}

/// Two rules about the same requests, by their place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clash {
    /// The one that comes first.
    pub earlier: usize,
    /// The one that comes second.
    pub later: usize,
}

/// What of a request decides its price.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'r> {
    /// The method; `None` asks whether any is priced.
    pub method: Option<&'r str>,
    /// The path; its query does not matter.
    pub path: &'r str,
    /// The name of the route in Envoy, if it has one.
    pub route_name: Option<&'r str>,
}

impl Table {
    /// A table of these rules.
    ///
    /// # Errors
    /// [`Clash`] if two of them are about the same requests: neither should win by chance.
    pub fn new(all: Vec<Rc<Rule>>) -> Result<Self, Clash> {
        let mut seen: FxHashMap<Box<str>, Vec<(usize, Rc<Rule>)>> = FxHashMap::default();
        for (later, rule) in all.iter().enumerate() {
            let others = seen.entry(rule.identity().into()).or_default();
            if let Some((earlier, _)) = others.iter().find(|(_, other)| overlap(other, rule)) {
                return Err(Clash { earlier: *earlier, later });
            }
            others.push((later, Rc::clone(rule)));
        }
        drop(seen);
        let mut names = Rules::default();
        for rule in &all {
            if let Match::RouteName(name) = &rule.of {
                names.entry(name.as_str().into()).or_default().push(Rc::clone(rule));
            }
        }
        let (lax, strict) = (Paths::new(&all, false), Paths::new(&all, true));
        Ok(Self { all, names, lax, strict })
    }

    /// The rules as they are configured.
    #[must_use]
    pub fn rules(&self) -> &[Rc<Rule>] {
        &self.all
    }

    /// Whether the name of the route in Envoy matters.
    #[must_use]
    pub fn asks_for_names(&self) -> bool {
        !self.names.is_empty()
    }

    /// The rule for a request, if there is one.
    ///
    /// A path that is not written plainly is looked up as it is written and as whatever it may mean
    /// to an API, and the dearest rule holds: nobody can know here which of them the API takes.
    #[must_use]
    pub fn find(&self, wanted: Wanted<'_>) -> Option<&Rc<Rule>> {
        let takes = |rule: &Rule| rule.takes(wanted.method);
        let named = wanted.route_name.and_then(|name| self.names.get(name));
        if let Some(rule) = named.and_then(|rules| rules.iter().find(|rule| takes(rule))) {
            return Some(rule);
        }
        let written = without_query(wanted.path);
        let meant = canonical(written);
        let rule = self.of_path(&meant, &takes);
        if matches!(meant, Cow::Borrowed(_)) {
            return rule;
        }
        let others = readings(written);
        let others = others.iter().map(String::as_str).chain([written]);
        others.fold(rule, |rule, other| dearer(rule, self.of_path(other, &takes)))
    }

    fn of_path(&self, path: &str, takes: &dyn Fn(&Rule) -> bool) -> Option<&Rc<Rule>> {
        let rule = self.of_spelling(path, &lax(path), takes);
        match lax_to_the_end(path) {
            Some(whole) => dearer(rule, self.of_spelling(path, &whole, takes)),
            None => rule,
        }
    }

    fn of_spelling(
        &self,
        path: &str,
        lax: &str,
        takes: &dyn Fn(&Rule) -> bool,
    ) -> Option<&Rc<Rule>> {
        if self.strict.empty {
            return self.lax.find(lax, true, takes).map(|(_, rule)| rule);
        }
        let strict = self.strict.find(path, false, takes);
        let lax = self.lax.find(lax, true, takes);
        // The more exact one; of two that are alike, the strict one.
        match (strict, lax) {
            (Some((rank, _)), Some((other, rule))) if other > rank => Some(rule),
            (Some((_, rule)), _) | (None, Some((_, rule))) => Some(rule),
            (None, None) => None,
        }
    }
}

/// How exact a match is: an exact path, a template, a prefix of this length.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Prefix(usize),
    Template,
    Exact,
}

impl Paths {
    fn new(all: &[Rc<Rule>], strict: bool) -> Self {
        let mut paths = Self {
            exact: Rules::default(),
            templates: Templates::new(),
            prefixes: Prefixes::default(),
            empty: true,
        };
        let mut prefixes = Vec::new();
        for rule in all.iter().filter(|rule| rule.strict == strict) {
            let own = Rc::clone(rule);
            match &rule.of {
                Match::RouteName(_) => continue,
                Match::Exact(path) => {
                    let path = canonical(path);
                    let key = if strict { path } else { Cow::Owned(lax(&path).into_owned()) };
                    paths.exact.entry(key.into()).or_default().push(own);
                }
                Match::Template(template) if strict => paths.templates.insert(template, own),
                Match::Template(template) => paths.templates.insert(&lax(template), own),
                Match::Prefix(prefix) if strict => prefixes.push((prefix.as_str().into(), own)),
                Match::Prefix(prefix) => prefixes.push((prefix.to_ascii_lowercase().into(), own)),
            }
            paths.empty = false;
        }
        paths.prefixes = Prefixes::new(prefixes);
        paths
    }

    fn find(
        &self,
        path: &str,
        slash: bool,
        takes: &dyn Fn(&Rule) -> bool,
    ) -> Option<(Rank, &Rc<Rule>)> {
        let exact = self.exact.get(path).and_then(|rules| rules.iter().find(|rule| takes(rule)));
        if let Some(rule) = exact {
            return Some((Rank::Exact, rule));
        }
        if let Some(rule) = self.templates.find(path, takes) {
            return Some((Rank::Template, rule));
        }
        let (length, rule) = self.prefixes.find(path, slash, takes)?;
        Some((Rank::Prefix(length), rule))
    }
}

/// The rule with the higher price; of two that are alike, the first.
#[must_use]
pub fn dearer<'t>(one: Option<&'t Rc<Rule>>, other: Option<&'t Rc<Rule>>) -> Option<&'t Rc<Rule>> {
    let price = |rule: &Rc<Rule>| rule.sale.as_ref().map_or(0, |sale| sale.price.get());
    match (one, other) {
        (Some(first), Some(second)) if price(second) > price(first) => other,
        (None, _) => other,
        _ => one,
    }
}

impl Rule {
    /// Whether this rule is about a method. HEAD costs what GET costs; case does not matter, as
    /// some servers take `get` for GET.
    fn takes(&self, method: Option<&str>) -> bool {
        let Some(method) = method else { return self.sale.is_some() };
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

    /// What two rules have in common that are about the same requests.
    fn identity(&self) -> String {
        let (kind, path) = match &self.of {
            Match::RouteName(name) => return format!("name {name}"),
            Match::Exact(path) => ("path", canonical(path)),
            Match::Template(template) => ("template", Cow::Owned(without_names(template))),
            Match::Prefix(prefix) => ("prefix", Cow::Borrowed(prefix.as_str())),
        };
        match (self.strict, kind) {
            // A strict rule may stand beside a lax one of the same path: the strict one wins.
            (true, _) => format!("strict {kind} {path}"),
            (false, "prefix") => format!("prefix {}", path.to_ascii_lowercase()),
            (false, _) => format!("{kind} {}", lax(&path)),
        }
    }
}

fn without_names(template: &str) -> String {
    let erase = |segment| if template::is_parameter(segment) { "{}" } else { segment };
    template.split('/').map(erase).collect::<Vec<_>>().join("/")
}

fn overlap(one: &Rule, other: &Rule) -> bool {
    one.methods.is_empty()
        || other.methods.is_empty()
        || one.methods.iter().any(|method| other.takes(Some(method)))
}

#[cfg(test)]
mod tests;

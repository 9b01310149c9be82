//! The configured rules, and how the one for a request is found.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::{
    Authority, Found, Match, Meets, Rule, Wanted, dearer,
    fold::{folded, letters},
    prefix::Prefixes,
    reading::{is_plain, readings},
    template::{self, Templates},
};

/// The configured rules.
#[derive(Debug)]
pub struct Table {
    all: Vec<Rc<Rule>>,
    names: Rules,
    /// Rules that are not strict, in small letters.
    lax: Paths,
    /// All rules as they are written; `None` where that is the same.
    written: Option<Paths>,
    /// The dearest of all.
    dearest: Option<Rc<Rule>>,
    /// Whether any is for some hosts only.
    hosted: bool,
}

type Rules = FxHashMap<Box<str>, Vec<Rc<Rule>>>;

#[derive(Debug)]
struct Paths {
    exact: Rules,
    templates: Templates,
    prefixes: Prefixes,
}

/// Two rules about the same requests, by their place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clash {
    /// The one that comes first.
    pub earlier: usize,
    /// The one that comes second.
    pub later: usize,
}

/// How exact a match is: an exact path, a template, a prefix of this length.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Prefix(usize),
    Template,
    Exact,
}

/// Sees the rules of a path, the most exact first, and says when it has seen enough.
type Visit<'v, 't> = &'v mut dyn FnMut(Rank, &'t Rc<Rule>) -> bool;

impl Table {
    /// A table of these rules.
    ///
    /// # Errors
    /// [`Clash`] if two of them are about the same requests: neither should win by chance.
    pub fn new(all: Vec<Rc<Rule>>) -> Result<Self, Clash> {
        let mut seen: FxHashMap<Box<str>, Vec<(usize, &Rule)>> = FxHashMap::default();
        for (later, rule) in all.iter().enumerate() {
            let others = seen.entry(rule.identity().into()).or_default();
            if let Some((earlier, _)) = others.iter().find(|(_, other)| rule.overlaps(other)) {
                return Err(Clash { earlier: *earlier, later });
            }
            others.push((later, rule));
        }
        drop(seen);
        // Of rules that are alike, the one that holds comes first.
        let alike = |strict: bool, rank: u8| {
            all.iter().filter(move |rule| rule.strict == strict && rule.hosts.rank() == rank)
        };
        let ranks = [(true, 0), (true, 1), (true, 2), (false, 0), (false, 1), (false, 2)];
        let sorted: Vec<_> = ranks.into_iter().flat_map(|(s, rank)| alike(s, rank)).collect();
        let mut names = Rules::default();
        for rule in &sorted {
            if let Match::RouteName(name) = &rule.of {
                names.entry(name.as_str().into()).or_default().push(Rc::clone(rule));
            }
        }
        let lax = Paths::new(&sorted, true);
        let same = all.iter().all(|rule| !rule.strict && rule.is_written_lax());
        let written = (!same).then(|| Paths::new(&sorted, false));
        let hosted = all.iter().any(|rule| !rule.hosts.is_every());
        let dearest = all.iter().max_by_key(|rule| rule.price()).map(Rc::clone);
        Ok(Self { names, lax, written, dearest, hosted, all })
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

    /// What the rules say of a request.
    #[must_use]
    pub fn find(&self, wanted: Wanted<'_>) -> Found<'_> {
        let authority = Authority::read(if self.hosted { wanted.host } else { "" });
        let meets = |rule: &Rule| rule.meets(wanted.method, &authority);
        let mut found = Found { rule: None, open: true };
        if let Some(rules) = wanted.route_name.and_then(|name| self.names.get(name)) {
            rules.iter().any(|rule| found.see(rule, meets(rule)));
            if !found.open {
                return found;
            }
        }
        let end = wanted.path.bytes().position(|byte| byte == b'?');
        let path = end.and_then(|end| wanted.path.get(..end)).unwrap_or(wanted.path);
        let perhaps = found.rule;
        let mut found = Found { rule: perhaps, open: false };
        let complete = if is_plain(path) {
            found = found.or(self.of_reading(path, &meets));
            true
        } else {
            readings(path, &mut |reading| found = found.or(self.of_reading(reading, &meets)))
        };
        if !complete {
            // Nobody can say what it means; so it costs the most that it could.
            return Found { rule: dearer(found.rule, self.dearest.as_ref()), open: true };
        }
        found
    }

    /// What holds of a path that is read as it stands here: by an API that tells letter case and a
    /// slash at the end apart, the most exact rule as it is written; by one that does not, perhaps
    /// a lax rule that is more exact than that.
    fn of_reading<'t>(&'t self, path: &str, meets: &dyn Fn(&Rule) -> Meets) -> Found<'t> {
        let small = folded(path);
        let mut found = Found { rule: None, open: true };
        let Some(written) = self.written.as_ref().or_else(|| (small != path).then_some(&self.lax))
        else {
            self.lax.walk(path, true, &mut |rank, rule| match (rank, meets(rule)) {
                // As if a slash followed.
                (Rank::Prefix(length), Meets::Surely) if length > path.len() => {
                    found.see(rule, Meets::Perhaps)
                }
                (_, meets) => found.see(rule, meets),
            });
            return found;
        };
        let mut literal = |path: &str| {
            let mut one = Found { rule: None, open: true };
            let mut own = None;
            written.walk(path, false, &mut |rank, rule| {
                let last = one.see(rule, meets(rule));
                own = last.then_some((rank, rule));
                last
            });
            found.rule = dearer(found.rule, one.rule);
            own
        };
        let bare = path.trim_end_matches('/');
        let as_written = literal(path);
        let own = if bare == path { as_written } else { literal(bare) };
        found.open = as_written.is_none();
        // Nothing is more exact, and there is no other lax rule of the same path.
        if own.is_some_and(|(rank, _)| rank == Rank::Exact) {
            return found;
        }
        self.lax.walk(&small, true, &mut |rank, rule| {
            // What is less exact than the rule that holds for sure does not matter.
            let last = |(own_rank, own): (Rank, &Rc<Rule>)| {
                Rc::ptr_eq(own, rule) || own.strict && rank <= own_rank
            };
            if as_written.is_some_and(last) || own.is_some_and(last) {
                return true;
            }
            if meets(rule) != Meets::No {
                found.see(rule, Meets::Perhaps);
            }
            false
        });
        found
    }
}

impl<'t> Found<'t> {
    /// Takes a rule into account, and says whether it is about the request for sure: then no rule
    /// that comes after it is.
    fn see(&mut self, rule: &'t Rc<Rule>, meets: Meets) -> bool {
        if meets != Meets::No {
            self.rule = dearer(self.rule, Some(rule));
            self.open &= meets != Meets::Surely;
        }
        meets == Meets::Surely
    }
}

impl Paths {
    /// Of these rules, in their order; those that are not strict in small letters, or all of them
    /// as they are written.
    fn new(sorted: &[&Rc<Rule>], small: bool) -> Self {
        let mut exact = Rules::default();
        let mut templates = Templates::new();
        let mut prefixes = Vec::new();
        for rule in sorted.iter().filter(|rule| !small || !rule.strict) {
            let own = Rc::clone(rule);
            match &rule.of {
                Match::RouteName(_) => {}
                Match::Exact(path) => {
                    let path = if small { folded(path) } else { path.into() };
                    exact.entry(path.into()).or_default().push(own);
                }
                Match::Template(path) if small => templates.insert(&folded(path), own),
                Match::Template(path) => templates.insert(path, own),
                Match::Prefix(prefix) => {
                    let prefix = if small { letters(prefix) } else { prefix.clone() };
                    prefixes.push((prefix.into(), own));
                }
            }
        }
        Self { exact, templates, prefixes: Prefixes::new(prefixes) }
    }

    fn walk<'t>(&'t self, path: &str, slash: bool, visit: Visit<'_, 't>) {
        let exact = self.exact.get(path).into_iter().flatten();
        let _enough = exact.into_iter().any(|rule| visit(Rank::Exact, rule))
            || self.templates.walk(path, &mut |rule| visit(Rank::Template, rule))
            || self
                .prefixes
                .walk(path, slash, &mut |length, rule| visit(Rank::Prefix(length), rule));
    }
}

impl Rule {
    /// Whether small letters are what it is written in.
    fn is_written_lax(&self) -> bool {
        match &self.of {
            Match::RouteName(_) => true,
            Match::Exact(path) | Match::Template(path) => folded(path) == path.as_str(),
            Match::Prefix(prefix) => letters(prefix) == *prefix,
        }
    }

    /// What two rules have in common that are about the same requests.
    fn identity(&self) -> String {
        let (kind, path) = match &self.of {
            Match::RouteName(name) => return format!("name {name}"),
            Match::Exact(path) => ("path", path.clone()),
            Match::Template(template) => ("template", without_names(template)),
            Match::Prefix(prefix) if self.strict => ("prefix", prefix.clone()),
            // A slash at its end makes another prefix.
            Match::Prefix(prefix) => return format!("prefix {}", letters(prefix)),
        };
        // A strict rule may stand beside a lax one of the same path: the strict one wins.
        if self.strict {
            format!("strict {kind} {path}")
        } else {
            format!("{kind} {}", folded(&path))
        }
    }

    /// Whether two rules about the same paths are about the same requests, too.
    fn overlaps(&self, other: &Self) -> bool {
        let methods = self.methods.is_empty()
            || other.methods.is_empty()
            || self.methods.iter().any(|method| other.takes(Some(method)));
        methods && self.hosts.overlap(&other.hosts)
    }
}

fn without_names(template: &str) -> String {
    let erase = |segment| if template::is_parameter(segment) { "{}" } else { segment };
    template.split('/').map(erase).collect::<Vec<_>>().join("/")
}

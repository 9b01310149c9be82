//! Prefixes of paths, as Envoy's own: a prefix of the text, wherever its segments end.

use std::{cmp::Ordering, rc::Rc};

use super::Rule;

/// All prefixes, in order; the longest one of a path is found by one search.
#[derive(Debug, Default)]
pub(super) struct Prefixes {
    sorted: Vec<Prefix>,
}

#[derive(Debug)]
struct Prefix {
    text: Box<str>,
    rules: Vec<Rc<Rule>>,
    /// The longest other prefix of this one.
    shorter: Option<usize>,
}

impl Prefixes {
    /// All prefixes at once: they are sorted once.
    pub(super) fn new(mut all: Vec<(Box<str>, Rc<Rule>)>) -> Self {
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut sorted: Vec<Prefix> = Vec::with_capacity(all.len());
        for (text, rule) in all {
            if let Some(last) = sorted.last_mut().filter(|last| last.text == text) {
                last.rules.push(rule);
                continue;
            }
            // In this order a prefix stands before all that begin with it.
            let mut shorter = sorted.len().checked_sub(1);
            while let Some(candidate) = shorter.and_then(|at| sorted.get(at)) {
                if text.starts_with(&*candidate.text) {
                    break;
                }
                shorter = candidate.shorter;
            }
            sorted.push(Prefix { text, rules: vec![rule], shorter });
        }
        Self { sorted }
    }

    /// Shows every rule whose prefix this path begins with, the longest prefix first and with its
    /// length in bytes, until `visit` says that it has seen enough; returns whether it did. With
    /// `slash` the path is matched as if a slash followed it: `/v1/` is a prefix of `/v1`, too.
    pub(super) fn walk<'t>(
        &'t self,
        path: &str,
        slash: bool,
        visit: &mut dyn FnMut(usize, &'t Rc<Rule>) -> bool,
    ) -> bool {
        let slash = slash.then_some(b'/');
        let bytes = || path.bytes().chain(slash);
        let compare = |prefix: &Prefix| prefix.text.bytes().cmp(bytes());
        let after = self.sorted.partition_point(|prefix| compare(prefix) != Ordering::Greater);
        let mut at = after.checked_sub(1);
        while let Some(prefix) = at.and_then(|at| self.sorted.get(at)) {
            let text = prefix.text.as_bytes();
            let begins = text.len() <= path.len().saturating_add(slash.iter().len())
                && text.iter().copied().eq(bytes().take(text.len()));
            if begins && prefix.rules.iter().any(|rule| visit(text.len(), rule)) {
                return true;
            }
            at = prefix.shorter;
        }
        false
    }
}

//! Path templates, `/users/{id}/orders`: a tree of segments.
//!
//! A tree of our own, since a rule that does not name the request's method must leave it to the
//! next template that matches; routers that return the one best match cannot do that.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::Rule;

/// All templates.
#[derive(Debug)]
pub(super) struct Templates {
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    literal: FxHashMap<Box<str>, usize>,
    parameter: Option<usize>,
    rules: Vec<Rc<Rule>>,
}

/// Whether a segment of a template stands for any text.
pub(super) fn is_parameter(segment: &str) -> bool {
    segment.starts_with('{')
}

impl Templates {
    pub(super) fn new() -> Self {
        Self { nodes: vec![Node::default()] }
    }

    pub(super) fn insert(&mut self, template: &str, rule: Rc<Rule>) {
        let mut at = 0;
        for segment in template.split('/').skip(1) {
            let new = self.nodes.len();
            let Some(node) = self.nodes.get_mut(at) else { return };
            at = if is_parameter(segment) {
                *node.parameter.get_or_insert(new)
            } else {
                *node.literal.entry(segment.into()).or_insert(new)
            };
            if at == new {
                self.nodes.push(Node::default());
            }
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.rules.push(rule);
        }
    }

    /// Shows every rule whose template matches, until `visit` says that it has seen enough, and
    /// returns whether it did. A literal segment comes before a parameter, from the left. Each
    /// node is visited at most once.
    pub(super) fn walk<'t>(
        &'t self,
        path: &str,
        visit: &mut dyn FnMut(&'t Rc<Rule>) -> bool,
    ) -> bool {
        // Nothing but the root: there are no templates.
        if self.nodes.len() == 1 {
            return false;
        }
        path.strip_prefix('/').is_some_and(|rest| self.below(0, rest, visit))
    }

    fn below<'t>(
        &'t self,
        at: usize,
        rest: &str,
        visit: &mut dyn FnMut(&'t Rc<Rule>) -> bool,
    ) -> bool {
        let Some(node) = self.nodes.get(at) else { return false };
        let (segment, deeper) = match rest.split_once('/') {
            Some((segment, deeper)) => (segment, Some(deeper)),
            None => (rest, None),
        };
        let parameter = node.parameter.filter(|_| !segment.is_empty());
        let next = [node.literal.get(segment).copied(), parameter];
        next.into_iter().flatten().any(|next| match deeper {
            Some(deeper) => self.below(next, deeper, visit),
            None => self.nodes.get(next).is_some_and(|node| node.rules.iter().any(&mut *visit)),
        })
    }
}

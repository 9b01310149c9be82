//! One kind of object: kept in the order of creation, and remembering what a call has changed.

use std::collections::HashMap;

pub(crate) trait Row: Clone {
    fn id(&self) -> &str;
}

/// The objects of one kind.
#[derive(Debug)]
pub(crate) struct Table<T> {
    rows: HashMap<String, T>,
    /// Ids, oldest first.
    order: Vec<String>,
    /// Ids that were put since the last [`Table::drain`], in the order in which they first were.
    changed: Vec<String>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: HashMap::new(), order: Vec::new(), changed: Vec::new() }
    }
}

impl<T: Row> Table<T> {
    pub(crate) fn get(&self, id: &str) -> Option<&T> {
        self.rows.get(id)
    }

    /// Stores an object, as new or instead of the one that had its id.
    pub(crate) fn put(&mut self, row: T) {
        if !self.changed.iter().any(|id| id == row.id()) {
            self.changed.push(row.id().to_owned());
        }
        self.restore(row);
    }

    /// Stores an object that is in the journal already.
    pub(crate) fn restore(&mut self, row: T) {
        let id = row.id().to_owned();
        if self.rows.insert(id.clone(), row).is_none() {
            self.order.push(id);
        }
    }

    /// All objects, newest first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &T> {
        self.order.iter().rev().filter_map(|id| self.rows.get(id))
    }

    /// The objects that were put since the last call.
    pub(crate) fn drain(&mut self) -> Vec<T> {
        let changed = std::mem::take(&mut self.changed);
        changed.iter().filter_map(|id| self.rows.get(id).cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Row for (String, u8) {
        fn id(&self) -> &str {
            &self.0
        }
    }

    #[test]
    fn order_is_of_creation_and_changes_are_told_once() {
        let mut table = Table::default();
        for (id, value) in [("a", 1), ("b", 2), ("a", 3)] {
            table.put((id.to_owned(), value));
        }
        let ids: Vec<_> = table.newest_first().map(|row| row.1).collect();
        assert_eq!(ids, [2, 3]);
        assert_eq!(table.drain(), [("a".to_owned(), 3), ("b".to_owned(), 2)]);
        assert!(table.drain().is_empty());
    }
}

//! What the route in Envoy says of its price, read once per text.

use rustc_hash::FxHashMap;

use crate::{
    config::Config,
    gate::Placed,
    host::{Host, StreamId},
};

/// Routes in Envoy with metadata of ours; more are read anew.
const MOST_KEPT: usize = 4_096;

/// What the routes said so far: by their metadata and their name.
#[derive(Debug, Default)]
pub(super) struct Places {
    known: FxHashMap<Vec<u8>, Placed>,
}

impl Places {
    /// What the route of a stream says.
    pub(super) fn of(&mut self, config: &Config, host: &mut impl Host, id: StreamId) -> Placed {
        let metadata = config.route_metadata.then(|| host.route_metadata(id)).flatten();
        let Some(mut key) = metadata else {
            let named = config.routes.asks_for_names();
            return Placed::Unsaid(named.then(|| host.route_name(id)).flatten());
        };
        let size = key.len();
        let name = host.route_name(id).filter(|name| !name.is_empty());
        // Where the one ends and the other begins is part of the key.
        key.extend_from_slice(name.as_deref().unwrap_or_default().as_bytes());
        key.extend_from_slice(&size.to_le_bytes());
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let placed = match config.metadata(key.get(..size).unwrap_or_default(), name.as_deref()) {
            Ok(route) => Placed::Said(route.map(std::rc::Rc::new)),
            Err(error) => {
                let name = name.as_deref().unwrap_or("without a name");
                host.warn(&format!("the route {name} is answered 500: {error}"));
                Placed::Wrong
            }
        };
        if self.known.len() >= MOST_KEPT {
            self.known.clear();
        }
        self.known.insert(key, placed.clone());
        placed
    }
}

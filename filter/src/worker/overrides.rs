//! What the route in Envoy, or its virtual host, says of its price: read once per text.

use rustc_hash::FxHashMap;

use crate::{
    config::Config,
    gate::RouteOverride,
    host::{Host, StreamId},
    pricing::Pricing,
};

/// Routes in Envoy with metadata of ours; more are read anew.
const MOST_KEPT: usize = 4_096;

/// What the routes said so far: by their metadata and their name.
#[derive(Debug, Default)]
pub(super) struct Places {
    known: FxHashMap<Vec<u8>, RouteOverride>,
}

impl Places {
    /// What the route of a stream says.
    pub(super) fn of(
        &mut self,
        config: &Config,
        host: &mut impl Host,
        id: StreamId,
    ) -> RouteOverride {
        let metadata = config.route_metadata.then(|| host.route_metadata(id)).flatten();
        if let Some(metadata) = metadata {
            return self.read(config, host, id, metadata);
        }
        let named = config.routes.asks_for_names();
        RouteOverride::None(named.then(|| host.route_name(id)).flatten())
    }

    /// What the virtual host says, where the route says nothing and there is no rule, either;
    /// `None` if that is nothing, too. (Envoy has no property for what a whole
    /// `RouteConfiguration` says.)
    pub(super) fn inherited(
        &mut self,
        config: &Config,
        host: &mut impl Host,
        id: StreamId,
        placed: &RouteOverride,
    ) -> Option<RouteOverride> {
        let RouteOverride::None(name) = placed else { return None };
        let metadata = config.route_metadata.then(|| host.virtual_host_metadata(id)).flatten()?;
        Some(match self.read(config, host, id, metadata) {
            RouteOverride::Offer(offer) => {
                RouteOverride::Inherited(name.clone(), Pricing::Offer(offer))
            }
            RouteOverride::Free => RouteOverride::Inherited(name.clone(), Pricing::Free),
            other => other,
        })
    }

    fn read(
        &mut self,
        config: &Config,
        host: &mut impl Host,
        id: StreamId,
        mut key: Vec<u8>,
    ) -> RouteOverride {
        let size = key.len();
        let name = host.route_name(id).filter(|name| !name.is_empty());
        // Where the one ends and the other begins is part of the key.
        key.extend_from_slice(name.as_deref().unwrap_or_default().as_bytes());
        key.extend_from_slice(&size.to_le_bytes());
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let placed = match config.metadata(key.get(..size).unwrap_or_default(), name.as_deref()) {
            Ok(Some(offer)) => RouteOverride::Offer(std::rc::Rc::new(offer)),
            Ok(None) => RouteOverride::Free,
            Err(error) => {
                let name = name.as_deref().unwrap_or("without a name");
                host.warn(&format!("the route {name} is answered 500: {error}"));
                RouteOverride::Invalid
            }
        };
        if self.known.len() >= MOST_KEPT {
            self.known.clear();
        }
        self.known.insert(key, placed.clone());
        placed
    }
}

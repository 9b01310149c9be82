//! Requests that wait, in turn by where they come from.
//!
//! Each source has a lane of its own, and the lanes take turns: who sends ten thousand requests
//! waits for ten thousand, and who sends one waits for one round. A request that ends leaves
//! in constant time; its place in the lane is skipped later.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::{host::StreamId, source::Source};

/// Places of ended requests that a lane may keep beyond twice those that wait.
const STALE_PLACES: usize = 64;

/// A bounded queue that is fair between sources.
#[derive(Debug)]
pub(super) struct Fair<T> {
    waiting: FxHashMap<StreamId, Waiting<T>>,
    lanes: FxHashMap<Source, Lane>,
    turns: VecDeque<Source>,
    /// Lanes that hold more than their share; at most as many as there are shares.
    heavy: Vec<Source>,
    capacity: usize,
    share: usize,
}

/// A request that waits.
#[derive(Debug)]
pub(super) struct Waiting<T> {
    source: Source,
    /// Since when, in Unix milliseconds.
    pub(super) since_ms: u64,
    pub(super) item: T,
}

#[derive(Debug, Default)]
struct Lane {
    places: VecDeque<StreamId>,
    live: usize,
}

/// What happened to a request that wanted to wait.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission<T> {
    /// It waits.
    Waits,
    /// It waits, in the place of this one, whose source held more than its share.
    Instead(StreamId, T),
    /// It does not.
    Full,
}

impl<T> Fair<T> {
    /// A queue of so many places. While it is full, a source may hold one in `shares` of them.
    pub(super) fn new(capacity: usize, shares: usize) -> Self {
        Self {
            waiting: FxHashMap::default(),
            lanes: FxHashMap::default(),
            turns: VecDeque::new(),
            heavy: Vec::new(),
            capacity,
            share: capacity.checked_div(shares).unwrap_or(capacity).max(1),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Lets a request wait. If all places are taken and its source holds less than its share, the
    /// latest request of a source that holds more makes room.
    pub(super) fn push(
        &mut self,
        stream: StreamId,
        source: Source,
        since_ms: u64,
        item: T,
    ) -> Admission<T> {
        let mut admission = Admission::Waits;
        if self.waiting.len() >= self.capacity {
            let held = self.lanes.get(&source).map_or(0, |lane| lane.live);
            if held >= self.share {
                return Admission::Full;
            }
            match self.evict() {
                Some((evicted, item)) => admission = Admission::Instead(evicted, item),
                None => return Admission::Full,
            }
        }
        let lane = self.lanes.entry(source).or_insert_with(|| {
            self.turns.push_back(source);
            Lane::default()
        });
        lane.places.push_back(stream);
        lane.live = lane.live.saturating_add(1);
        if lane.live == self.share.saturating_add(1) {
            self.heavy.push(source);
        }
        self.waiting.insert(stream, Waiting { source, since_ms, item });
        admission
    }

    /// The next request in turn.
    pub(super) fn pop(&mut self) -> Option<(StreamId, Waiting<T>)> {
        loop {
            let source = self.turns.pop_front()?;
            let Some(lane) = self.lanes.get_mut(&source) else { continue };
            let next = loop {
                let Some(stream) = lane.places.pop_front() else { break None };
                if self.waiting.get(&stream).is_some_and(|waiting| waiting.source == source) {
                    break Some(stream);
                }
            };
            let Some(stream) = next else {
                self.lanes.remove(&source);
                continue;
            };
            let found = self.take(stream);
            if self.lanes.get(&source).is_some_and(|lane| lane.places.is_empty()) {
                self.lanes.remove(&source);
            } else {
                self.turns.push_back(source);
            }
            if let Some(waiting) = found {
                return Some((stream, waiting));
            }
        }
    }

    /// Forgets a request; `true` if it waited.
    pub(super) fn remove(&mut self, stream: StreamId) -> bool {
        let Some(Waiting { source, .. }) = self.take(stream) else { return false };
        if let Some(lane) = self.lanes.get_mut(&source) {
            let most = lane.live.saturating_mul(2).saturating_add(STALE_PLACES);
            if lane.places.len() > most {
                let waiting = &self.waiting;
                let waits = |id: &StreamId| waiting.get(id).is_some_and(|w| w.source == source);
                lane.places.retain(waits);
            }
        }
        true
    }

    /// Takes out the requests that wait since then or longer.
    pub(super) fn older_than(&mut self, since_ms: u64) -> Vec<(StreamId, T)> {
        let mut old = Vec::new();
        for (source, lane) in &self.lanes {
            // Places are in the order of arrival.
            let too_young = |id: &&StreamId| {
                let waiting = self.waiting.get(id).filter(|waiting| waiting.source == *source);
                waiting.is_none_or(|waiting| waiting.since_ms <= since_ms)
            };
            old.extend(lane.places.iter().take_while(too_young).copied());
        }
        old.into_iter().filter_map(|id| Some((id, self.take(id)?.item))).collect()
    }

    /// The latest request of a source that holds more than its share.
    fn evict(&mut self) -> Option<(StreamId, T)> {
        let source = *self.heavy.last()?;
        let lane = self.lanes.get_mut(&source)?;
        loop {
            let stream = lane.places.pop_back()?;
            if self.waiting.get(&stream).is_some_and(|waiting| waiting.source == source) {
                return self.take(stream).map(|waiting| (stream, waiting.item));
            }
        }
    }

    fn take(&mut self, stream: StreamId) -> Option<Waiting<T>> {
        let waiting = self.waiting.remove(&stream)?;
        if let Some(lane) = self.lanes.get_mut(&waiting.source) {
            lane.live = lane.live.saturating_sub(1);
            if lane.live == self.share {
                self.heavy.retain(|heavy| *heavy != waiting.source);
            }
        }
        Some(waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRANGER: &str = "192.0.2.1";
    const HONEST: &str = "192.0.2.2";

    fn push(queue: &mut Fair<()>, stream: StreamId, from: &str) -> Admission<()> {
        queue.push(stream, Source::of(from), u64::from(stream), ())
    }

    fn order(queue: &mut Fair<()>) -> Vec<StreamId> {
        std::iter::from_fn(|| queue.pop()).map(|(stream, _)| stream).collect()
    }

    #[test]
    fn sources_take_turns() {
        let mut queue = Fair::new(100, 8);
        for stream in 0..5 {
            push(&mut queue, stream, STRANGER);
        }
        push(&mut queue, 5, HONEST);
        push(&mut queue, 6, HONEST);
        assert_eq!(order(&mut queue), [0, 5, 1, 6, 2, 3, 4]);
        push(&mut queue, 7, HONEST);
        assert_eq!(order(&mut queue), [7], "a lane that was empty is made anew");
    }

    #[test]
    fn a_full_queue_makes_room_for_who_holds_less_than_a_share() {
        let mut queue = Fair::new(16, 8);
        for stream in 0..16 {
            assert_eq!(push(&mut queue, stream, STRANGER), Admission::Waits);
        }
        assert_eq!(push(&mut queue, 16, STRANGER), Admission::Full);
        assert_eq!(push(&mut queue, 17, HONEST), Admission::Instead(15, ()));
        assert_eq!(push(&mut queue, 18, HONEST), Admission::Instead(14, ()));
        assert_eq!(push(&mut queue, 19, HONEST), Admission::Full, "two are its share");
        assert_eq!(queue.len(), 16);
        // Eight others get their share, too; then nobody holds more than one.
        let mut admitted = 0;
        for other in 0..20_u32 {
            for stream in 0..3 {
                let from = format!("198.51.100.{other}");
                let admission = push(&mut queue, 100 + 3 * other + stream, &from);
                admitted += usize::from(admission != Admission::Full);
            }
        }
        assert_eq!((admitted, queue.len()), (12, 16));
        assert!(queue.heavy.is_empty());
    }

    #[test]
    fn who_leaves_is_not_met_again_and_its_place_is_given_up() {
        let mut queue = Fair::new(10_000, 8);
        for stream in 0..5_000 {
            push(&mut queue, stream, STRANGER);
        }
        for stream in 0..4_999 {
            assert!(queue.remove(stream));
            assert!(!queue.remove(stream));
        }
        let places = queue.lanes.values().map(|lane| lane.places.len()).sum::<usize>();
        assert!(places <= STALE_PLACES + 2, "{places}");
        // The same id from elsewhere is another request.
        push(&mut queue, 4_990, HONEST);
        assert_eq!(order(&mut queue), [4_999, 4_990]);
    }

    #[test]
    fn who_waits_too_long_is_taken_out() {
        let mut queue = Fair::new(100, 8);
        for stream in [1, 3, 5] {
            push(&mut queue, stream, STRANGER);
            push(&mut queue, stream + 1, HONEST);
        }
        queue.remove(1);
        let mut old: Vec<_> = queue.older_than(4).into_iter().map(|(stream, ())| stream).collect();
        old.sort_unstable();
        assert_eq!(old, [2, 3, 4]);
        assert_eq!(order(&mut queue), [5, 6]);
    }
}

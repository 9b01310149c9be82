//! Which value of a document a pointer means, while the document passes.
//!
//! For each pointer it is kept how many of its segments lead to where the reader is. A container's
//! depth is 1 for the root, and the step from depth `d` is segment `d − 1`.

use std::rc::Rc;

use crate::{
    pricing::{Pointer, letters},
    usage::Wrong,
};

/// What was found at a pointer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::usage) enum Found {
    #[default]
    Nothing,
    Number(u64),
    Text(Box<[u8]>),
    Wrong(Wrong),
}

/// How names are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::usage) enum Names {
    /// To the letter.
    Exact,
    /// To the letter; one that differs in letter case alone makes it ambiguous. Some APIs take
    /// `MODEL` for `model`: a client must not be able to send one for us and one for them.
    Unambiguous,
}

#[derive(Debug)]
pub(super) struct Matcher {
    pointers: Rc<[Pointer]>,
    names: Names,
    tracks: Vec<Track>,
    /// For each depth that is watched, the element that the reader is at.
    elements: Vec<u64>,
    /// The deepest container whose members can matter.
    reach: usize,
}

/// Of one pointer.
#[derive(Debug, Default)]
struct Track {
    /// How many of its segments lead to where the reader is. It may be too many after a container ended,
    /// until the next member of the one around it begins.
    level: usize,
    /// A bit for each segment that was found: each can be there once.
    seen: u32,
    found: Found,
}

impl Matcher {
    pub(super) fn new(pointers: Rc<[Pointer]>, names: Names) -> Self {
        let deepest = pointers.iter().map(Pointer::depth).max().unwrap_or(0);
        let tracks = pointers.iter().map(|_| Track::default()).collect();
        let mut matcher = Self { pointers, names, tracks, elements: vec![0; deepest], reach: 0 };
        matcher.measure();
        matcher
    }

    pub(super) fn reset(&mut self) {
        self.tracks.iter_mut().for_each(|track| *track = Track::default());
        self.measure();
    }

    /// Whether the members of a container at this depth can matter.
    pub(super) const fn watches(&self, depth: usize) -> bool {
        depth <= self.reach
    }

    /// A member of the object at this depth begins; `None` is a name longer than any.
    pub(super) fn key(&mut self, depth: usize, name: Option<&[u8]>) {
        let Some(name) = name else { return self.step(depth, |_| false) };
        if self.names == Names::Unambiguous {
            self.doubt(depth, name);
        }
        self.step(depth, |key| key.as_bytes() == name);
    }

    /// A list at this depth begins, and its first element, if it has one.
    pub(super) fn list(&mut self, depth: usize) {
        self.element(depth, |_| 0);
    }

    /// The next element of the list at this depth begins.
    pub(super) fn next(&mut self, depth: usize) {
        self.element(depth, |before| before.saturating_add(1));
    }

    fn element(&mut self, depth: usize, number: impl FnOnce(u64) -> u64) {
        let place = depth.checked_sub(1).and_then(|at| self.elements.get_mut(at));
        let Some(place) = place.filter(|_| depth <= self.reach) else { return };
        *place = number(*place);
        let at = *place;
        for (track, pointer) in self.tracks.iter_mut().zip(self.pointers.iter()) {
            if track.level >= depth.saturating_sub(1) {
                let same = pointer.step(depth).is_some_and(|step| step.index == Some(at));
                track.level = if same { depth } else { depth.saturating_sub(1) };
            }
        }
        self.measure();
    }

    fn step(&mut self, depth: usize, same: impl Fn(&str) -> bool) {
        for (track, pointer) in self.tracks.iter_mut().zip(self.pointers.iter()) {
            if track.level < depth.saturating_sub(1) {
                continue;
            }
            let same = pointer.step(depth).is_some_and(|step| same(&step.key));
            track.level = if same { depth } else { depth.saturating_sub(1) };
            if same {
                let bit = u32::try_from(depth).ok().and_then(|depth| 1_u32.checked_shl(depth));
                let bit = bit.unwrap_or(u32::MAX);
                if track.seen & bit != 0 {
                    track.found = Found::Wrong(Wrong::Repeated);
                }
                track.seen |= bit;
            }
        }
        self.measure();
    }

    /// Marks the pointers that some API would take this name for, too. A name that is no text, or has a
    /// zero byte, may be cut off or mended there to any other.
    fn doubt(&mut self, depth: usize, name: &[u8]) {
        let text = core::str::from_utf8(name).ok().filter(|name| !name.contains('\0'));
        for (track, pointer) in self.tracks.iter_mut().zip(self.pointers.iter()) {
            let step = pointer.step(depth).filter(|_| track.level >= depth.saturating_sub(1));
            let alike = |key: &str| match text {
                None => true,
                Some(name) if key.is_ascii() && name.is_ascii() => {
                    key != name && key.eq_ignore_ascii_case(name)
                }
                Some(name) => key != name && letters(key) == letters(name),
            };
            if step.is_some_and(|step| alike(&step.key)) {
                track.found = Found::Wrong(Wrong::Repeated);
            }
        }
    }

    /// The pointer that means the value which begins here, inside of a container at this depth.
    pub(super) fn hit(&self, depth: usize) -> Option<usize> {
        if depth > self.reach {
            return None;
        }
        let mut all = self.tracks.iter().zip(self.pointers.iter());
        all.position(|(track, pointer)| track.level == depth && pointer.depth() == depth)
    }

    /// What is at a pointer. What is wrong stays wrong.
    pub(super) fn set(&mut self, pointer: usize, found: Found) {
        if let Some(track) = self.tracks.get_mut(pointer)
            && !matches!(track.found, Found::Wrong(_))
        {
            track.found = found;
        }
    }

    /// What was found, in the order of the pointers.
    pub(super) fn found(&self) -> impl Iterator<Item = &Found> {
        self.tracks.iter().map(|track| &track.found)
    }

    fn measure(&mut self) {
        let all = self.tracks.iter().zip(self.pointers.iter());
        let reach = all.map(|(track, pointer)| track.level.saturating_add(1).min(pointer.depth()));
        self.reach = reach.max().unwrap_or(0);
    }
}

#[cfg(test)]
impl Matcher {
    /// Texts that were found are short, and not counted.
    pub(super) const fn kept(&self) -> usize {
        let tracks = self.tracks.capacity().saturating_mul(size_of::<Track>());
        self.elements.capacity().saturating_mul(8).saturating_add(tracks)
    }
}

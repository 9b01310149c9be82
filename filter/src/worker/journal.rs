//! What is under way, kept where it outlives this VM.
//!
//! A VM that dies takes with it whose requests were deducted and not answered yet. So each message
//! that may deduct something is written down before it leaves, one host call a message, and each
//! deduction is crossed out when it is settled: its answer went to the client, or its void is
//! acknowledged. A VM that finds the writings of a dead one voids what is not crossed out there.
//!
//! Crossing out costs a host call a request: one for many would lose what happened since the last,
//! and a request that was served would be given back.

use rustc_hash::{FxHashMap, FxHashSet};
use stripe402_protocol::{ClientId, DeductionId, message::Void};

use super::seat::{Seat, SeatRegistry};
use crate::host::{Host, OnlyIf};

/// A deduction as it is written: its id, whether its client is known, the client.
const ENTRY: usize = 16 + 1 + 32;

/// The deductions of this VM that are under way, and those of dead ones that are not voided yet.
#[derive(Debug)]
pub(super) struct Journal {
    hall: SeatRegistry,
    seat: Option<Seat>,
    slots: Vec<Slot>,
    free: Vec<usize>,
    places: FxHashMap<DeductionId, (usize, usize)>,
    inherited: Vec<Inherited>,
}

/// The deductions of one message. Two texts: the deductions, and which of them are crossed out; both
/// begin with the number of the message, so that crosses of another message do not count.
#[derive(Debug)]
struct Slot {
    key: String,
    crosses_key: String,
    message: u32,
    crosses: Vec<u8>,
    open: usize,
}

/// What a dead VM left.
#[derive(Debug)]
struct Inherited {
    seat: Seat,
    slots: usize,
    open: FxHashSet<DeductionId>,
}

impl Journal {
    /// The journal of a VM that talks to the ledger in this cluster.
    pub(super) fn new(cluster: &str) -> Self {
        Self {
            hall: SeatRegistry::new(cluster),
            seat: None,
            slots: Vec::new(),
            free: Vec::new(),
            places: FxHashMap::default(),
            inherited: Vec::new(),
        }
    }

    /// Writes down the deductions of a message that is about to leave.
    pub(super) fn leaving(
        &mut self,
        host: &mut impl Host,
        deductions: impl ExactSizeIterator<Item = (DeductionId, Option<ClientId>)>,
    ) {
        if deductions.len() == 0 {
            return;
        }
        if self.seat.is_none() {
            self.seat = self.hall.sit_down(host);
        }
        let Some(seat) = &self.seat else { return };
        let at = self.free.pop().unwrap_or(self.slots.len());
        if at == self.slots.len() {
            self.slots.push(Slot::new(self.hall.slot_key(seat, at)));
        }
        let Some(slot) = self.slots.get_mut(at) else { return };
        let text = slot.begin(deductions.len());
        let mut before = Vec::new();
        let text = deductions.enumerate().fold(text, |mut text, (index, (id, client))| {
            before.extend(self.places.insert(id, (at, index)));
            text.extend_from_slice(id.as_bytes());
            text.push(u8::from(client.is_some()));
            text.extend_from_slice(client.map_or([0; 32], |client| *client.as_bytes()).as_slice());
            text
        });
        host.keep(&slot.key, &text, OnlyIf::Any);
        // What leaves once more is written down here now.
        self.cross_out(host, &before);
    }

    /// Crosses out deductions: nothing of them has to be given back.
    pub(super) fn settled(
        &mut self,
        host: &mut impl Host,
        deductions: impl IntoIterator<Item = DeductionId>,
    ) {
        let mut places = Vec::new();
        for id in deductions {
            match self.places.remove(&id) {
                Some(place) => places.push(place),
                None => self.inherited_settled(host, id),
            }
        }
        self.cross_out(host, &places);
    }

    fn cross_out(&mut self, host: &mut impl Host, places: &[(usize, usize)]) {
        let mut touched = Vec::new();
        for (at, index) in places.iter().copied() {
            let Some(slot) = self.slots.get_mut(at) else { continue };
            slot.cross_out(index);
            if slot.open == 0 {
                self.free.push(at);
            }
            if !touched.contains(&at) {
                touched.push(at);
            }
        }
        for slot in touched.into_iter().filter_map(|at| self.slots.get(at)) {
            host.keep(&slot.crosses_key, &slot.crosses, OnlyIf::Any);
        }
    }

    /// Whether another VM of this process has calls to the ledger under way, as of its last beat.
    pub(super) fn is_another_calling(&self, host: &mut impl Host) -> bool {
        self.hall.is_another_calling(host, &self.own_seats())
    }

    fn own_seats(&self) -> Vec<[u8; 10]> {
        let inherited = self.inherited.iter().map(|inherited| &inherited.seat);
        self.seat.iter().chain(inherited).map(Seat::holder).collect()
    }

    /// A second has passed, and so many calls are under way. `false` if this VM was taken for dead meanwhile, and what it had under
    /// way is voided by another.
    pub(super) fn beat(&mut self, host: &mut impl Host, calls: usize) -> bool {
        let calls = u32::try_from(calls).unwrap_or(u32::MAX);
        let hall = &self.hall;
        self.inherited.retain_mut(|inherited| hall.beat(host, &mut inherited.seat, 0));
        let lives = self.seat.as_mut().is_none_or(|seat| hall.beat(host, seat, calls));
        if !lives {
            self.seat = None;
            self.slots.clear();
            self.free.clear();
            self.places.clear();
        }
        lives
    }

    /// What has to be voided of VMs that died; to be called at each tick.
    pub(super) fn inherit(&mut self, host: &mut impl Host) -> Vec<Void> {
        if stripe402_mutant::mutant!("no_heir") {
            return Vec::new();
        }
        let own = self.own_seats();
        let mut voids = Vec::new();
        for seat in self.hall.take_over(host, &own) {
            let mut open = FxHashSet::default();
            let mut slots = 0;
            while let Some(text) = host.kept(&self.hall.slot_key(&seat, slots)) {
                let crosses = host.kept(&crosses_key(&self.hall.slot_key(&seat, slots)));
                let left = uncrossed(&text.bytes, crosses.map(|kept| kept.bytes).as_deref());
                open.extend(left.iter().map(|void| void.id));
                voids.extend(left);
                slots = slots.saturating_add(1);
            }
            let inherited = Inherited { seat, slots, open };
            if inherited.open.is_empty() {
                self.hall.clear(host, &inherited);
            } else {
                self.inherited.push(inherited);
            }
        }
        voids
    }

    /// Gives up the seat, where nothing is under way.
    pub(super) fn close(&mut self, host: &mut impl Host) {
        let Some(seat) = self.seat.take_if(|_| self.places.is_empty()) else { return };
        let slots = self.slots.len();
        self.hall.clear(host, &Inherited { seat, slots, open: FxHashSet::default() });
        self.slots.clear();
        self.free.clear();
    }

    /// Whether everything is settled.
    pub(super) fn is_settled(&self) -> bool {
        self.places.is_empty() && self.inherited.is_empty()
    }

    fn inherited_settled(&mut self, host: &mut impl Host, id: DeductionId) {
        let hall = &self.hall;
        self.inherited.retain_mut(|inherited| {
            let last = inherited.open.remove(&id) && inherited.open.is_empty();
            if last {
                hall.clear(host, inherited);
            }
            !last
        });
    }
}

impl SeatRegistry {
    /// Empties a seat and gives it up.
    fn clear(&self, host: &mut impl Host, inherited: &Inherited) {
        for slot in 0..inherited.slots {
            let key = self.slot_key(&inherited.seat, slot);
            host.keep(&key, &[], OnlyIf::Any);
            host.keep(&crosses_key(&key), &[], OnlyIf::Any);
        }
        self.stand_up(host, &inherited.seat);
    }
}

impl Slot {
    fn new(key: String) -> Self {
        let crosses_key = crosses_key(&key);
        Self { key, crosses_key, message: 0, crosses: Vec::new(), open: 0 }
    }

    /// The beginning of the next message's text.
    fn begin(&mut self, deductions: usize) -> Vec<u8> {
        self.message = self.message.wrapping_add(1);
        self.open = deductions;
        self.crosses.clear();
        self.crosses.extend_from_slice(&self.message.to_le_bytes());
        self.crosses.resize(deductions.div_ceil(8).saturating_add(4), 0);
        let mut text = Vec::with_capacity(deductions.saturating_mul(ENTRY).saturating_add(4));
        text.extend_from_slice(&self.message.to_le_bytes());
        text
    }

    fn cross_out(&mut self, index: usize) {
        if let Some(byte) = self.crosses.get_mut((index / 8).saturating_add(4)) {
            *byte |= bit(index);
        }
        self.open = self.open.saturating_sub(1);
    }
}

fn bit(index: usize) -> u8 {
    1_u8.checked_shl(u32::try_from(index % 8).unwrap_or(0)).unwrap_or(0)
}

fn crosses_key(key: &str) -> String {
    format!("{key}x")
}

/// The deductions of a text that are not crossed out.
fn uncrossed(text: &[u8], crosses: Option<&[u8]>) -> Vec<Void> {
    let Some((message, entries)) = text.split_first_chunk::<4>() else { return Vec::new() };
    let crosses = crosses.and_then(|crosses| crosses.strip_prefix(message)).unwrap_or_default();
    let crossed = |index: usize| crosses.get(index / 8).is_some_and(|byte| byte & bit(index) != 0);
    let (entries, _) = entries.as_chunks::<ENTRY>();
    let open = entries.iter().enumerate().filter(|(index, _)| !crossed(*index));
    open.filter_map(|(_, entry)| void(entry)).collect()
}

fn void(entry: &[u8; ENTRY]) -> Option<Void> {
    let (id, rest) = entry.split_first_chunk::<16>()?;
    let (known, client) = rest.split_first()?;
    let client: [u8; 32] = client.try_into().ok()?;
    let client_id = (*known == 1).then(|| ClientId::from_bytes(client));
    Some(Void { id: DeductionId::from_bytes(*id), client_id })
}

//! Where a VM keeps what must outlive it: one seat for each VM of the process.
//!
//! A VM that lives says so once a second. What a dead one left is taken over by another.

use crate::host::{Host, OnlyIf};

/// More VMs than that are not told apart: workers times configurations.
const MOST_SEATS: u32 = 4_096;
/// How often in a row a VM looks at a seat without a sign of life until it takes its holder for
/// dead. It counts its own ticks: a process that was stopped as a whole has not missed any.
const DEAD_AFTER_TICKS: u8 = 10;

/// The names under which the VMs of one process keep things for one ledger.
#[derive(Debug)]
pub(super) struct SeatRegistry {
    prefix: String,
    watched: Vec<Watched>,
}

/// A seat that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    number: u32,
    holder: [u8; 10],
    beat: u32,
    /// Calls to the ledger that its holder had under way at the last beat.
    calls: u32,
}

/// A seat of another VM's, as it was last seen.
#[derive(Clone, Copy, Debug, Default)]
struct Watched {
    beat: Option<([u8; 10], u32)>,
    ticks: u8,
}

impl SeatRegistry {
    /// The seats of those that talk to the ledger in this cluster.
    pub(super) fn new(cluster: &str) -> Self {
        Self { prefix: format!("stripe402/{cluster}"), watched: Vec::new() }
    }

    fn key(&self, number: u32) -> String {
        format!("{}/{number}", self.prefix)
    }

    /// The key of what is kept at a seat under this number.
    pub(super) fn slot_key(&self, seat: &Seat, slot: usize) -> String {
        format!("{}/{}/{slot}", self.prefix, seat.number)
    }

    /// Takes a seat that is free; `None` if the host keeps nothing, or has no random source.
    pub(super) fn sit_down(&self, host: &mut impl Host) -> Option<Seat> {
        let holder = host.random()?;
        (0..MOST_SEATS).find_map(|number| {
            let key = self.key(number);
            let only_if = match host.kept(&key) {
                None => OnlyIf::Absent,
                Some(kept) if kept.bytes.is_empty() => OnlyIf::Version(kept.version),
                Some(_) => return None,
            };
            let seat = Seat { number, holder, beat: 1, calls: 0 };
            host.keep(&key, &seat.to_bytes(), only_if).then_some(seat)
        })
    }

    /// Says that the holder lives; `false` if another took it for dead.
    pub(super) fn beat(&self, host: &mut impl Host, seat: &mut Seat, calls: u32) -> bool {
        let key = self.key(seat.number);
        let Some(kept) = host.kept(&key) else { return false };
        if read(&kept.bytes).is_none_or(|(holder, ..)| holder != seat.holder) {
            return false;
        }
        seat.calls = calls;
        seat.beat = seat.beat.wrapping_add(1);
        host.keep(&key, &seat.to_bytes(), OnlyIf::Version(kept.version))
    }

    /// Whether another VM had calls to the ledger under way when it last said that it lives.
    pub(super) fn is_another_calling(&self, host: &mut impl Host, own: &[[u8; 10]]) -> bool {
        let seats = (0..MOST_SEATS).map_while(|number| host.kept(&self.key(number)));
        let mut others = seats.filter_map(|kept| read(&kept.bytes));
        others.any(|(holder, _, calls)| calls > 0 && !own.contains(&holder))
    }

    /// Gives a seat up; nothing may be kept there any more.
    pub(super) fn stand_up(&self, host: &mut impl Host, seat: &Seat) {
        host.keep(&self.key(seat.number), &[], OnlyIf::Any);
    }

    /// Looks at every seat; to be called at each tick. Takes those over whose holders are dead.
    pub(super) fn take_over(&mut self, host: &mut impl Host, own: &[[u8; 10]]) -> Vec<Seat> {
        let mut taken = Vec::new();
        for number in 0..MOST_SEATS {
            let key = self.key(number);
            let Some(kept) = host.kept(&key) else { break };
            let at = usize::try_from(number).unwrap_or(usize::MAX);
            if self.watched.len() <= at {
                self.watched.push(Watched::default());
            }
            let Some(watched) = self.watched.get_mut(at) else { break };
            let beat = read(&kept.bytes).map(|(holder, beat, _)| (holder, beat));
            let beat = beat.filter(|(holder, _)| !own.contains(holder));
            if beat.is_none() || watched.beat != beat {
                *watched = Watched { beat, ticks: 0 };
                continue;
            }
            watched.ticks = watched.ticks.saturating_add(1);
            if watched.ticks < DEAD_AFTER_TICKS {
                continue;
            }
            *watched = Watched::default();
            let Some(holder) = host.random() else { continue };
            let seat = Seat { number, holder, beat: 1, calls: 0 };
            if host.keep(&key, &seat.to_bytes(), OnlyIf::Version(kept.version)) {
                taken.push(seat);
            }
        }
        taken
    }
}

impl Seat {
    pub(super) const fn holder(&self) -> [u8; 10] {
        self.holder
    }

    fn to_bytes(&self) -> Vec<u8> {
        [&self.holder[..], &self.beat.to_le_bytes(), &self.calls.to_le_bytes()].concat()
    }
}

/// Holder, beat, calls under way.
fn read(bytes: &[u8]) -> Option<([u8; 10], u32, u32)> {
    let (holder, rest) = bytes.split_first_chunk::<10>()?;
    let (beat, calls) = rest.split_first_chunk::<4>()?;
    Some((*holder, u32::from_le_bytes(*beat), u32::from_le_bytes(calls.try_into().ok()?)))
}

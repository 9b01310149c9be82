//! CPU time of processes, from `/proc`.

use std::{fs, time::Duration};

/// Clock ticks a second in `/proc`: 100 on every Linux that can be met (proc(5), `sysconf`).
const TICK: Duration = Duration::from_millis(10);

/// User and system time of a process and of its children that run.
///
/// A server that forks (PostgreSQL) works in its children; those that ended in between are not
/// counted, so connections must stay open over a measurement.
#[must_use]
pub fn of(pid: u32) -> Duration {
    let mut ticks = 0;
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((own, parent, used)) = read(&stat) else { continue };
        if own == pid || parent == pid {
            ticks += used;
        }
    }
    TICK * u32::try_from(ticks).unwrap_or(u32::MAX)
}

/// Of this process, its threads included.
#[must_use]
pub fn own() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = read(&stat).map_or(0, |(_, _, used)| used);
    TICK * u32::try_from(ticks).unwrap_or(u32::MAX)
}

/// Process, parent, and ticks used. The name, in brackets, may hold anything.
fn read(stat: &str) -> Option<(u32, u32, u64)> {
    let pid = stat.split(' ').next()?.parse().ok()?;
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    // proc(5): from the state on, which is field 3; utime is 14, stime 15.
    Some((pid, u32::try_from(number(1)?).ok()?, number(11)?.saturating_add(number(12)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let stat = "42 (a ) b) S 7 42 42 0 -1 4194560 1 0 0 0 130 20 5 5 20 0 1 0 100 0 0";
        assert_eq!(read(stat), Some((42, 7, 150)));
    }

    #[test]
    fn work_is_seen() {
        let before = own();
        let mut sum = 0_u64;
        while own() == before {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(own() > before);
    }
}

//! CPU time of processes, from `/proc`.

use std::{fs, time::Duration};

/// Clock ticks a second in `/proc`: 100 on every Linux that can be met (proc(5), `sysconf`).
const TICK: Duration = Duration::from_millis(10);

/// User and system time of a process, of its children that run, and of those that have ended: a
/// server that forks (PostgreSQL) works in its children.
#[must_use]
pub fn of(pid: u32) -> Duration {
    let mut ticks = 0;
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some(seen) = read(&stat) else { continue };
        if seen.pid == pid {
            ticks += seen.used + seen.of_ended_children;
        } else if seen.parent == pid {
            ticks += seen.used;
        }
    }
    TICK * u32::try_from(ticks).unwrap_or(u32::MAX)
}

/// The memory that a process has in use, in bytes; 0 if it is gone.
#[must_use]
pub fn memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// Of this process, its threads included.
#[must_use]
pub fn own() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = read(&stat).map_or(0, |seen| seen.used);
    TICK * u32::try_from(ticks).unwrap_or(u32::MAX)
}

#[derive(Debug, PartialEq, Eq)]
struct Seen {
    pid: u32,
    parent: u32,
    used: u64,
    of_ended_children: u64,
}

/// A process's line; its name, in brackets, may hold anything.
fn read(stat: &str) -> Option<Seen> {
    let pid = stat.split(' ').next()?.parse().ok()?;
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    // proc(5) counts from 1, and the state, which is first here, is its field 3.
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Seen {
        pid,
        parent: u32::try_from(number(4)?).ok()?,
        used: number(14)? + number(15)?,
        of_ended_children: number(16)? + number(17)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let stat = "42 (a ) b) S 7 42 42 0 -1 4194560 1 0 0 0 130 20 5 5 20 0 1 0 100 0 0";
        let seen = Seen { pid: 42, parent: 7, used: 150, of_ended_children: 10 };
        assert_eq!(read(stat), Some(seen));
    }

    #[test]
    fn memory_in_use_is_seen() {
        let before = memory(std::process::id());
        let block = std::hint::black_box(vec![1_u8; 64 << 20]);
        assert!(memory(std::process::id()) >= before + block.len() as u64 / 2);
        assert_eq!(memory(u32::MAX), 0);
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

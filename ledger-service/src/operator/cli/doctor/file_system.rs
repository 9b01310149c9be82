//! Where a file store lies: on a disk, or on something that goes with the machine or the container.

use std::path::{Path, PathBuf};

use super::check::Check;

const STORE: &str = "store";
const DURABILITY: &str = "durability";

/// Looks at the folder of the file, and whether copies are made.
pub(super) fn checks(path: &Path, backup: Option<&Path>) -> Vec<Check> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let folder = absolute.parent().unwrap_or(Path::new("/"));
    let folder = match folder.canonicalize() {
        Ok(folder) => folder,
        Err(error) => {
            let finding = format!("the folder {} cannot be used: {error}", folder.display());
            return vec![Check::fail(STORE, finding, "make the folder, or set LEDGER_STORE")];
        }
    };
    let store = Check::ok(STORE, format!("a file in {}", folder.display()));
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut durability = judge(kind_of(&mounts, &folder).as_deref());
    if durability.mend.is_none() && backup.is_none() {
        let mend = "set LEDGER_BACKUP to a file on another disk, and keep several copies of it";
        durability = Check::warn(DURABILITY, "on a disk; no copies are made", mend);
    }
    vec![store, durability]
}

/// The kind of file system that a folder is on: that of the longest mount point that leads there.
fn kind_of(mounts: &str, folder: &Path) -> Option<String> {
    let mut best: Option<(PathBuf, &str)> = None;
    for line in mounts.lines() {
        let mut words = line.split(' ').skip(1);
        let (Some(place), Some(kind)) = (words.next(), words.next()) else { continue };
        // The kernel writes a space in a path as \040.
        let place = PathBuf::from(place.replace("\\040", " "));
        let longer = |(so_far, _): &(PathBuf, &str)| {
            place.components().count() >= so_far.components().count()
        };
        if folder.starts_with(&place) && best.as_ref().is_none_or(longer) {
            best = Some((place, kind));
        }
    }
    best.map(|(_, kind)| kind.to_owned())
}

fn judge(kind: Option<&str>) -> Check {
    match kind {
        Some("tmpfs" | "ramfs") => {
            let finding = "the file is in memory: balances are lost when the machine stops";
            Check::fail(DURABILITY, finding, "set LEDGER_STORE to a file on a disk")
        }
        Some("overlay" | "aufs") => {
            let finding =
                "the file is in the container's own layer: balances are lost with the container";
            Check::warn(DURABILITY, finding, "mount a volume, and set LEDGER_STORE to a file on it")
        }
        Some(kind @ ("nfs" | "nfs4" | "cifs" | "smb3" | "9p" | "fuse" | "fuse.sshfs")) => {
            let finding =
                format!("the file is on {kind}: whether a sync reaches a disk is up to its server");
            Check::warn(DURABILITY, finding, "use a local disk, or Redis or PostgreSQL")
        }
        Some(kind) => {
            Check::ok(DURABILITY, format!("on {kind}, with copies: nothing acknowledged is lost"))
        }
        None => {
            let mend = "see that LEDGER_STORE is a file on a disk";
            Check::warn(DURABILITY, "the kind of file system is not known", mend)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::cli::doctor::check::Status;

    #[test]
    fn the_longest_mount_point_counts() {
        let mounts = "overlay / overlay rw 0 0\n/dev/sda /data ext4 rw 0 0\n\
                      tmpfs /data/fast tmpfs rw 0 0\nn /my\\040books nfs4 rw 0 0\n";
        for (folder, kind, status) in [
            ("/srv", "overlay", Status::Warn),
            ("/data", "ext4", Status::Ok),
            ("/data/ledger", "ext4", Status::Ok),
            ("/database", "overlay", Status::Warn),
            ("/data/fast/x", "tmpfs", Status::Fail),
            ("/my books/x", "nfs4", Status::Warn),
        ] {
            let found = kind_of(mounts, Path::new(folder));
            assert_eq!(found.as_deref(), Some(kind), "{folder}");
            assert_eq!(judge(found.as_deref()).status, status, "{folder}");
        }
        assert_eq!(judge(None).status, Status::Warn);
    }
}

//! The end of a log file, for messages about what went wrong.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// How much of the file is looked at: lines of JSON can be long, logs can be gigabytes.
const LOOK_BACK: i64 = 32 * 1024;

/// The last `lines` lines of the file, or a remark that there are none.
#[must_use]
pub fn tail(path: &Path, lines: usize) -> String {
    let text = read_end(path).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    let first = all.len().saturating_sub(lines);
    let last = all.get(first..).unwrap_or_default();
    if last.is_empty() {
        return "  (nothing was logged)".to_owned();
    }
    last.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

fn read_end(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    // A file shorter than that is read from its start.
    if file.seek(SeekFrom::End(LOOK_BACK.saturating_neg())).is_err() {
        file.rewind()?;
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_last_lines_only() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text: String = (0..10_000).map(|number| format!("line {number}\n")).collect();
        std::fs::write(file.path(), text).unwrap();
        assert_eq!(tail(file.path(), 2), "  line 9998\n  line 9999");
    }

    #[test]
    fn short_empty_and_missing_files() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(tail(file.path(), 5), "  (nothing was logged)");
        std::fs::write(file.path(), "only").unwrap();
        assert_eq!(tail(file.path(), 5), "  only");
        assert_eq!(tail(Path::new("/nowhere/x.log"), 5), "  (nothing was logged)");
    }
}

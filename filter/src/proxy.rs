//! What the gate needs of the proxy that runs it.

use std::fmt;

/// A release of Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    /// 1.
    pub major: u64,
    /// 40 of 1.40.
    pub minor: u64,
}

/// The first release with all that the gate needs: `upstream.cx_pool_ready_duration` (whether a
/// request reached the API), `xds.virtual_host_metadata` and `failure_policy: FAIL_RELOAD`. Source:
/// Envoy's version history, 1.33.0.
const FIRST: Release = Release { major: 1, minor: 33 };

impl Release {
    /// Reads the two numbers as Envoy hands them over: eight bytes each, little-endian.
    #[must_use]
    pub fn read(major: &[u8], minor: &[u8]) -> Option<Self> {
        let number = |bytes: &[u8]| Some(u64::from_le_bytes(bytes.try_into().ok()?));
        Some(Self { major: number(major)?, minor: number(minor)? })
    }

    /// Whether it has what the gate needs.
    ///
    /// # Errors
    /// What is missing, and what to do.
    pub fn check(self) -> Result<(), String> {
        if self >= FIRST {
            return Ok(());
        }
        Err(format!(
            "Envoy {self} cannot tell whether a request reached the API \
             (upstream.cx_pool_ready_duration), so clients could have work done for free; use \
             Envoy {FIRST} or later"
        ))
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_before_1_33_are_refused_with_a_sentence() {
        let check = |major, minor| Release { major, minor }.check();
        for (major, minor) in [(1, 33), (1, 40), (2, 0)] {
            assert_eq!(check(major, minor), Ok(()));
        }
        for (major, minor) in [(1, 32), (0, 99)] {
            let problem = check(major, minor).unwrap_err();
            assert!(problem.contains("use Envoy 1.33 or later"), "{problem}");
            assert!(problem.starts_with(&format!("Envoy {major}.{minor} ")), "{problem}");
        }
    }

    #[test]
    fn numbers_are_eight_bytes() {
        let read = Release::read(&1_u64.to_le_bytes(), &40_u64.to_le_bytes());
        assert_eq!(read, Some(Release { major: 1, minor: 40 }));
        assert_eq!(Release::read(b"", b"40"), None);
    }
}

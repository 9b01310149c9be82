//! What only the Python package has: its wheel in an empty environment, its types, streams, and the file that it
//! shares with the command line.

use std::path::PathBuf;

use stripe402_tests::binary;

/// Of the environment that `make client-py` makes; the package is installed there.
pub(crate) fn interpreter() -> PathBuf {
    binary::workspace().join(".tools/python-client/bin/python")
}

//! Where the programs are that the handles start.

use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// The folder of the workspace: `STRIPE402_WORKSPACE`, else where this was built.
#[must_use]
pub fn workspace() -> PathBuf {
    if let Some(named) = std::env::var_os("STRIPE402_WORKSPACE").filter(|named| !named.is_empty()) {
        return PathBuf::from(named);
    }
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}

/// The ledger: `STRIPE402_LEDGER_BIN`, else beside the program that runs now.
///
/// # Errors
/// If it is not there.
pub fn ledger() -> Result<PathBuf> {
    built("stripe402-ledger", "STRIPE402_LEDGER_BIN")
}

/// Stripe's stand-in: `STRIPE_SIM_BIN`, else beside the program that runs now.
///
/// # Errors
/// If it is not there.
pub fn stripe_sim() -> Result<PathBuf> {
    built("stripe-sim", "STRIPE_SIM_BIN")
}

/// The paying side's command line: `STRIPE402_CLIENT_BIN`, else beside the program that runs now.
///
/// # Errors
/// If it is not there.
pub fn client() -> Result<PathBuf> {
    built("stripe402", "STRIPE402_CLIENT_BIN")
}

/// What adds prices to an OpenAPI document: `STRIPE402_OPENAPI_BIN`, else beside the program that runs now.
///
/// # Errors
/// If it is not there.
pub fn openapi() -> Result<PathBuf> {
    built("stripe402-openapi", "STRIPE402_OPENAPI_BIN")
}

/// The Rust client for MPP of another maker: `MPP_PAYER_BIN`, else beside the program that runs now.
///
/// # Errors
/// If it is not there.
pub fn mpp_payer() -> Result<PathBuf> {
    built("mpp-payer", "MPP_PAYER_BIN")
}

/// The demo API: `STRIPE402_DEMO_API_BIN`, else beside the program that runs now.
///
/// # Errors
/// If it is not there.
pub fn demo_api() -> Result<PathBuf> {
    built("demo-api", "STRIPE402_DEMO_API_BIN")
}

/// What makes the images: `STRIPE402_IMAGES_BIN`, else beside the program that runs now.
///
/// # Errors
/// If it is not there.
pub fn images() -> Result<PathBuf> {
    built("stripe402-images", "STRIPE402_IMAGES_BIN")
}

/// Envoy: `ENVOY_BIN`, else the one that `scripts/setup-envoy.sh` installed.
///
/// # Errors
/// If it is not there.
pub fn envoy() -> Result<PathBuf> {
    locate("Envoy", "ENVOY_BIN", "install it with  make setup", installed_envoy)
}

/// Schemathesis: `SCHEMATHESIS_BIN`, else the one that `scripts/setup-schemathesis.sh` installed.
///
/// # Errors
/// If it is not there.
pub fn schemathesis() -> Result<PathBuf> {
    locate("Schemathesis", "SCHEMATHESIS_BIN", "install it with  make setup", || {
        workspace().join(".tools/venv/bin/schemathesis")
    })
}

/// The filter: `STRIPE402_FILTER_WASM`, else what `make wasm` built.
///
/// # Errors
/// If it is not there.
pub fn filter() -> Result<PathBuf> {
    locate("the filter", "STRIPE402_FILTER_WASM", "build it with  make wasm", || {
        workspace().join("dist/stripe402_filter.wasm")
    })
}

/// The filter as it is built for tests alone: a request with `x-stripe402-trap` ends its VM.
/// `STRIPE402_FILTER_TRAP_WASM`, else what `make wasm-trap` built.
///
/// # Errors
/// If it is not there.
pub fn filter_that_traps() -> Result<PathBuf> {
    let remedy = "build it with  make wasm-trap";
    locate("the filter for tests", "STRIPE402_FILTER_TRAP_WASM", remedy, || {
        workspace().join("dist/tests/stripe402_filter_trap.wasm")
    })
}

/// A filter that does nothing, for the benchmark. `STRIPE402_NOOP_WASM`, else what `make bench` built.
///
/// # Errors
/// If it is not there.
pub fn filter_that_does_nothing() -> Result<PathBuf> {
    let remedy = "build it with  scripts/build-bench-noop.sh";
    locate("the filter that does nothing", "STRIPE402_NOOP_WASM", remedy, || {
        workspace().join("dist/bench/noop.wasm")
    })
}

fn built(name: &str, variable: &str) -> Result<PathBuf> {
    locate(name, variable, "build it with  make parts", || beside_us().join(name))
}

/// Chromium's driver: `CHROMEDRIVER_BIN`, else what is on the path.
///
/// # Errors
/// If it is not installed.
pub fn chromedriver() -> Result<PathBuf> {
    let remedy = "install it with  scripts/setup-chromium.sh";
    locate("chromedriver", "CHROMEDRIVER_BIN", remedy, || {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut named = std::env::split_paths(&path).map(|folder| folder.join("chromedriver"));
        named.find(|file| file.is_file()).unwrap_or_else(|| PathBuf::from("chromedriver"))
    })
}

fn locate(
    program: &str,
    variable: &str,
    remedy: &str,
    usual: impl FnOnce() -> PathBuf,
) -> Result<PathBuf> {
    let named = std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let path = named.unwrap_or_else(usual);
    if path.is_file() {
        return Ok(path);
    }
    let remedy = format!("{remedy},  or name it in {variable}");
    Err(Error::Missing { program: program.to_owned(), path, remedy })
}

/// Test programs are one folder deeper than the programs they start.
fn beside_us() -> PathBuf {
    let us = std::env::current_exe().unwrap_or_default();
    let folder = us.parent().unwrap_or(Path::new("."));
    let up = folder.parent().filter(|_| folder.ends_with("deps"));
    up.unwrap_or(folder).to_path_buf()
}

/// The folder's name holds Python's version.
fn installed_envoy() -> PathBuf {
    let lib = workspace().join(".tools/venv/lib");
    let pythons = std::fs::read_dir(&lib).into_iter().flatten().flatten();
    pythons
        .map(|python| python.path().join("site-packages/envoy/_bin/envoy"))
        .find(|envoy| envoy.is_file())
        .unwrap_or_else(|| lib.join("python3/site-packages/envoy/_bin/envoy"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_says_how_to_get_it() {
        let error = built("no-such-part", "STRIPE402_NO_SUCH_PART_BIN").unwrap_err().to_string();
        assert!(error.contains("/no-such-part: build it with"), "{error}");
        assert!(!error.contains("/deps/"), "{error}");
        assert!(error.contains("STRIPE402_NO_SUCH_PART_BIN"), "{error}");
    }

    #[test]
    fn the_workspace_is_where_envoys_configuration_is() {
        assert!(workspace().join("envoy/envoy.yaml").is_file());
    }
}

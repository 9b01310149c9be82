//! `stripe402-openapi CONFIG SPEC`: an OpenAPI document with the prices of a gateway's configuration.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use stripe402_dev::{Result, openapi};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [config, spec] = arguments.as_slice() else {
        let usage = "usage: make openapi CONFIG=envoy/envoy.yaml SPEC=openapi.yaml";
        let _closed = writeln!(anstream::stderr(), "{usage}");
        return ExitCode::FAILURE;
    };
    match run(Path::new(config), Path::new(spec)) {
        Ok(text) => match write!(anstream::stdout(), "{text}") {
            Ok(()) => ExitCode::SUCCESS,
            Err(_closed) => ExitCode::FAILURE,
        },
        Err(error) => {
            let _closed = writeln!(anstream::stderr(), "openapi: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(config: &Path, spec: &Path) -> Result<String> {
    openapi::with_prices(config, spec)
}

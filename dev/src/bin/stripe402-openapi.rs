//! `stripe402-openapi [--strict] [--json] CONFIG SPEC`: an OpenAPI document with the prices of a gateway's
//! configuration. What is for sale and not in it is told on stderr; with `--strict` it then fails.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use stripe402_dev::openapi;

fn main() -> ExitCode {
    let (options, files): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let known = options.iter().all(|option| matches!(option.as_str(), "--strict" | "--json"));
    let [config, spec] = files.as_slice() else { return usage() };
    if !known {
        return usage();
    }
    let has = |wanted: &str| options.iter().any(|option| option == wanted);
    match openapi::with_prices(Path::new(config), Path::new(spec), has("--json")) {
        Ok(priced) => {
            for remark in &priced.remarks {
                let _closed = writeln!(anstream::stderr(), "openapi: {remark}");
            }
            let written = write!(anstream::stdout(), "{}", priced.text);
            if written.is_err() || has("--strict") && !priced.remarks.is_empty() {
                return ExitCode::FAILURE;
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _closed = writeln!(anstream::stderr(), "openapi: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    let usage = "usage: make openapi CONFIG=envoy/envoy.yaml SPEC=openapi.yaml (STRICT=1, JSON=1)";
    let _closed = writeln!(anstream::stderr(), "{usage}");
    ExitCode::FAILURE
}

//! What `make run` starts: see [`stripe402_dev::run`].

use std::io::Write as _;
use std::process::ExitCode;

use owo_colors::OwoColorize as _;

const USAGE: &str = "stripe402-run starts Envoy, the ledger, a demo API and a stand-in for Stripe, and prints lines to
paste; Ctrl-C stops all of it. It takes no arguments: ports and folders are environment variables,
which README.md lists (GATEWAY_PORT and so on).";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    if std::env::args().len() > 1 {
        let _closed = writeln!(anstream::stderr(), "{USAGE}");
        let asks = std::env::args().nth(1).is_some_and(|word| word == "--help" || word == "-h");
        return if asks { ExitCode::SUCCESS } else { ExitCode::from(2) };
    }
    let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    match stripe402_dev::run::run(environment, &mut anstream::stdout()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _closed =
                writeln!(anstream::stderr(), "\n{}\n{error}\n", "make run failed.".bold().red());
            ExitCode::FAILURE
        }
    }
}

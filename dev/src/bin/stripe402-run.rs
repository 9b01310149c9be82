//! What `make run` starts: see [`stripe402_dev::run`].

use std::io::Write as _;
use std::process::ExitCode;

use owo_colors::OwoColorize as _;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
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

//! `stripe402-ledger`: the ledger as a service.

use std::process::ExitCode;

use clap::Parser as _;
use stripe402_ledger::config::{Cli, Command, Config, LogFormat};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

#[expect(clippy::print_stderr, reason = "before the log is set up, and for people at a terminal")]
fn main() -> ExitCode {
    let Command::Serve(arguments) = Cli::parse().command;
    let config = match arguments.resolve() {
        Ok(config) => config,
        Err(error) => {
            eprintln!("stripe402-ledger: {error}");
            return ExitCode::from(2);
        }
    };
    if let Err(error) = start_logging(&config) {
        eprintln!("stripe402-ledger: log: {error}");
        return ExitCode::from(2);
    }
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "cannot go on");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(config: Config) -> Result<(), Box<dyn std::error::Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    Ok(stripe402_ledger::serve::serve(config, stop).await?)
}

fn start_logging(config: &Config) -> Result<(), String> {
    // async-stripe puts request paths into its spans, and a path holds a PaymentMethod's id,
    // which is a credential: its own logs stay off whatever is asked for. (A directive of
    // just `stripe` would take our own crates, whose names begin so, with it.)
    let directives = format!("{},stripe::hyper=off", config.log);
    let filter = EnvFilter::try_new(directives).map_err(|error| error.to_string())?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.log_format {
        LogFormat::Text => logs.try_init(),
        LogFormat::Json => logs.json().try_init(),
    }
    .map_err(|error| error.to_string())
}

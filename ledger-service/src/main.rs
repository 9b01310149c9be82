//! `stripe402-ledger`: the ledger as a service, and commands on its books.

use std::{io::IsTerminal as _, process::ExitCode};

use clap::Parser as _;
use stripe402_ledger::{
    books,
    config::{Cli, Command, Config, ImportCommand, LogFormat, ServeArgs},
    serve::Stop,
};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(arguments) => serve(*arguments),
        Command::Client(command) => on_books(|| books::client(command)),
        Command::Transfers(arguments) => on_books(|| books::transfers(arguments)),
        Command::Revenue(arguments) => on_books(|| books::revenue(arguments)),
        Command::Import(ImportCommand::Express(arguments)) => {
            on_books(|| books::import_express(arguments))
        }
        Command::Reconcile(arguments) => on_books(|| books::reconcile(arguments)),
        Command::Verify(arguments) => on_books(|| books::verify(arguments)),
    }
}

/// Runs a command on the books and prints what it says; 1 if it found something wrong, 2 if it
/// could not be carried out.
#[expect(clippy::print_stderr, reason = "for people at a terminal")]
fn on_books<F: Future<Output = Result<books::Report, books::Problem>>>(
    command: impl FnOnce() -> F,
) -> ExitCode {
    let outcome = tokio::runtime::Runtime::new()
        .map_err(|error| books::Problem(error.to_string()))
        .and_then(|runtime| runtime.block_on(command()));
    match outcome {
        Ok(report) => match report.print(&mut std::io::stdout().lock()) {
            Ok(()) => ExitCode::from(u8::from(!report.good)),
            // Whoever read it has seen enough.
            Err(_) => ExitCode::SUCCESS,
        },
        Err(problem) => {
            eprintln!("stripe402-ledger: {problem}");
            ExitCode::from(2)
        }
    }
}

#[expect(clippy::print_stderr, reason = "before the log is set up, and for people at a terminal")]
fn serve(arguments: ServeArgs) -> ExitCode {
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
            _ = terminate.recv() => Stop::Drain,
            _ = interrupt.recv() => Stop::AtOnce,
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
    let logs = logs.with_ansi(std::io::stderr().is_terminal());
    match config.log_format {
        LogFormat::Text => logs.try_init(),
        LogFormat::Json => logs.json().try_init(),
    }
    .map_err(|error| error.to_string())
}

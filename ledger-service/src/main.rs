//! `stripe402-ledger`: the ledger as a service, and commands on its books.

use std::{io::IsTerminal as _, process::ExitCode};

use clap::Parser as _;
use stripe402_ledger::{
    config::{Cli, Command, Config, ImportCommand, LogFormat, ServeArgs},
    observe::trace::{TARGET, Traces},
    operator::cli,
    serve::Stop,
};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    signal::unix::{SignalKind, signal},
};
use tracing_subscriber::{EnvFilter, Layer as _, prelude::*};

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(arguments) => serve(*arguments),
        Command::Client(command) => on_books(|| cli::client(command)),
        Command::Transfers(arguments) => on_books(|| cli::transfers(arguments)),
        Command::Holds(arguments) => on_books(|| cli::holds(arguments)),
        Command::Revenue(arguments) => on_books(|| cli::revenue(arguments)),
        Command::Import(ImportCommand::Express(arguments)) => {
            on_books(|| cli::import_express(arguments))
        }
        Command::Reconcile(arguments) => on_books(|| cli::reconcile(arguments)),
        Command::Verify(arguments) => on_books(|| cli::verify(arguments)),
    }
}

/// Runs a command on the books and prints what it says; 1 if it found something wrong, 2 if it
/// could not be carried out.
#[expect(clippy::print_stderr, reason = "for people at a terminal")]
fn on_books<F: Future<Output = Result<cli::Report, cli::CliError>>>(
    command: impl FnOnce() -> F,
) -> ExitCode {
    let outcome =
        Runtime::new().map_err(cli::CliError::from).and_then(|runtime| runtime.block_on(command()));
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
    let (gateways, beside) = match runtimes() {
        Ok(runtimes) => runtimes,
        Err(error) => {
            eprintln!("stripe402-ledger: {error}");
            return ExitCode::FAILURE;
        }
    };
    let traces = {
        let _within = beside.enter();
        match start_observing(&config) {
            Ok(traces) => traces,
            Err(error) => {
                eprintln!("stripe402-ledger: {error}");
                return ExitCode::from(2);
            }
        }
    };
    let served = gateways.block_on(run(config, beside.handle()));
    if let Some(traces) = traces {
        traces.finish();
    }
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the ledger cannot go on and stops");
            ExitCode::FAILURE
        }
    }
}

/// One for gateways, on this thread, and one for everything beside them.
fn runtimes() -> std::io::Result<(Runtime, Runtime)> {
    let gateways = Builder::new_current_thread().enable_all().build()?;
    Ok((gateways, Runtime::new()?))
}

async fn run(config: Config, beside: &Handle) -> Result<(), Box<dyn std::error::Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => Stop::Drain,
            _ = interrupt.recv() => Stop::AtOnce,
        }
    };
    Ok(stripe402_ledger::serve::serve(config, beside, stop).await?)
}

/// Logs and, if they are wanted, traces.
fn start_observing(config: &Config) -> Result<Option<Traces>, String> {
    // async-stripe puts request paths into its spans, and a path holds a PaymentMethod's id,
    // which is a credential: its own logs stay off whatever is asked for. (A directive of
    // just `stripe` would take our own crates, whose names begin so, with it.) The spans of
    // traces are not for logs.
    let directives = format!("{},stripe::hyper=off,{TARGET}=off", config.log);
    let filter = EnvFilter::try_new(directives).map_err(|error| format!("log: {error}"))?;
    let traces = config.otlp_endpoint.as_deref().map(Traces::new).transpose()?;
    let logs = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let logs = match config.log_format {
        LogFormat::Text => logs.boxed(),
        LogFormat::Json => logs.json().boxed(),
    };
    let registry = tracing_subscriber::registry().with(logs.with_filter(filter));
    // A layer that is `None` would take every span, and keep it for nobody.
    match &traces {
        Some(traces) => registry.with(traces.layer()).try_init(),
        None => registry.try_init(),
    }
    .map_err(|error| format!("log: {error}"))?;
    Ok(traces)
}

//! `stripe402-ledger`: the ledger as a service, and commands on its books.

use std::{io::IsTerminal as _, process::ExitCode};

use clap::{CommandFactory as _, FromArgMatches as _};
use stripe402_ledger::{
    config::{Cli, Command, Config, ImportCommand, LogFormat, ServeArgs},
    exit::Exit,
    observe::trace::{TARGET, Traces},
    operator::cli,
    serve::{ServeError, Stop},
};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    signal::unix::{SignalKind, signal},
};
use tracing_subscriber::{EnvFilter, Layer as _, prelude::*};

fn main() -> ExitCode {
    let matches = Cli::command().after_help(Exit::help()).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match cli.command {
        Command::Serve(arguments) => serve(*arguments),
        Command::Client(command) => on_books(|| cli::client(command)),
        Command::Transfers(arguments) => on_books(|| cli::transfers(arguments)),
        Command::Holds(arguments) => on_books(|| cli::holds(arguments)),
        Command::Revenue(arguments) => on_books(|| cli::revenue(arguments)),
        Command::Export(arguments) => on_books(|| cli::export(arguments)),
        Command::Statement(arguments) => on_books(|| cli::statement(arguments)),
        Command::Import(ImportCommand::Express(arguments)) => {
            on_books(|| cli::import_express(arguments))
        }
        Command::Reconcile(arguments) => on_books(|| cli::reconcile(arguments)),
        Command::Verify(arguments) => on_books(|| cli::verify(arguments)),
        Command::Doctor(arguments) => on_books(|| cli::doctor(*arguments)),
    }
}

/// Runs a command on the books and prints what it says.
#[expect(clippy::print_stderr, reason = "for people at a terminal")]
fn on_books<F: Future<Output = Result<cli::Report, cli::CliError>>>(
    command: impl FnOnce() -> F,
) -> ExitCode {
    let outcome =
        Runtime::new().map_err(cli::CliError::from).and_then(|runtime| runtime.block_on(command()));
    match outcome {
        Ok(report) => {
            // Whoever stops reading has seen enough; what was found stays found.
            let _ = report.print(&mut std::io::stdout().lock());
            Exit::from(report.finding).into()
        }
        Err(problem) => {
            eprintln!("stripe402-ledger: {problem}");
            Exit::from(&problem).into()
        }
    }
}

#[expect(clippy::print_stderr, reason = "before the log is set up, and for people at a terminal")]
fn serve(arguments: ServeArgs) -> ExitCode {
    let config = match arguments.resolve() {
        Ok(config) => config,
        Err(error) => {
            eprintln!("stripe402-ledger: {error}");
            return Exit::from(&error).into();
        }
    };
    let (gateways, beside) = match runtimes() {
        Ok(runtimes) => runtimes,
        Err(error) => {
            eprintln!("stripe402-ledger: {error}");
            return Exit::Unavailable.into();
        }
    };
    let traces = {
        let _within = beside.enter();
        match start_observing(&config) {
            Ok(traces) => traces,
            Err(error) => {
                eprintln!("stripe402-ledger: {error}");
                return Exit::Usage.into();
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
            Exit::from(&error).into()
        }
    }
}

/// One for gateways, on this thread, and one for everything beside them.
fn runtimes() -> std::io::Result<(Runtime, Runtime)> {
    let gateways = Builder::new_current_thread().enable_all().build()?;
    Ok((gateways, Runtime::new()?))
}

async fn run(config: Config, beside: &Handle) -> Result<(), ServeError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => Stop::Drain,
            _ = interrupt.recv() => Stop::AtOnce,
        }
    };
    stripe402_ledger::serve::serve(config, beside, stop).await
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

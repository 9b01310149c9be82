//! `stripe402`: HTTP requests that are paid for, from a terminal, a script or an agent.

mod address;
mod arguments;
mod balance;
mod budget;
mod card;
mod confirm;
mod curl;
mod exit;
mod explain;
mod help;
mod keys;
mod mcp;
mod network;
mod page;
mod prices;
mod show;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{BudgetCommand, CardCommand, Cli, Command};
use exit::Exit;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.json();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(cli)),
        Err(error) => Err(Exit::local(error.to_string())),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(exit) => {
            show::failed(&exit, json);
            ExitCode::from(exit.code)
        }
    }
}

async fn run(cli: Cli) -> Result<u8, Exit> {
    match cli.command {
        Command::Curl(arguments) => curl::curl(*arguments).await,
        Command::Confirm(arguments) => confirm::confirm(*arguments).await,
        Command::Balance(arguments) => balance::balance(arguments).await,
        Command::Explain(arguments) => explain::explain(arguments).await,
        Command::Card(CardCommand::Add(arguments)) => card::add(arguments).await,
        Command::Card(CardCommand::List(common)) => card::list(&common),
        Command::Card(CardCommand::Remove(arguments)) => card::remove(&arguments),
        Command::Budget(BudgetCommand::Show(common)) => budget::display(&common),
        Command::Budget(BudgetCommand::Reset(common)) => budget::reset(&common),
        Command::Key(command) => keys::key(command).await,
        Command::Mcp(arguments) => mcp::mcp(*arguments).await,
        Command::Help(arguments) => help::help(&arguments.topic),
        Command::Man(arguments) => help::man(&arguments.topic),
        Command::Completion(arguments) => Ok(help::completion(arguments.shell)),
    }
}

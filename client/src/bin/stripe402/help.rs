//! `stripe402 help`, `man` and `completion`.

use std::io;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::{
    arguments::Cli,
    exit::{Exit, HELP},
    show,
};

/// Of a command, or of the exit codes.
pub(crate) fn help(topic: &[String]) -> Result<u8, Exit> {
    if topic.first().is_some_and(|first| first == "exit-codes") {
        show::say(HELP);
        return Ok(0);
    }
    show::say(&command(topic)?.render_long_help().to_string());
    Ok(0)
}

/// The page of a command for `man`, in roff.
pub(crate) fn man(topic: &[String]) -> Result<u8, Exit> {
    let page = clap_mangen::Man::new(command(topic)?);
    page.render(&mut io::stdout()).map_err(|error| Exit::local(error.to_string()))?;
    Ok(0)
}

/// A script that completes commands and options in a shell.
pub(crate) fn completion(shell: Shell) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "stripe402", &mut script);
    show::say(String::from_utf8_lossy(&script).trim_end());
    0
}

/// A command by its words; none is the program itself.
fn command(topic: &[String]) -> Result<clap::Command, Exit> {
    let mut program = Cli::command();
    // Names the subcommands with the program's own name before them.
    program.build();
    let mut command = &mut program;
    for name in topic {
        let unknown =
            || Exit::usage(format!("there is no command or topic {name}: see stripe402 help"));
        command = command.find_subcommand_mut(name).ok_or_else(unknown)?;
    }
    Ok(command.clone())
}

//! `stripe402 help`.

use clap::CommandFactory as _;

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
    let mut program = Cli::command();
    // Names the subcommands with the program's own name before them.
    program.build();
    let mut command = &mut program;
    for name in topic {
        let unknown =
            || Exit::usage(format!("there is no command or topic {name}: see stripe402 help"));
        command = command.find_subcommand_mut(name).ok_or_else(unknown)?;
    }
    show::say(&command.render_long_help().to_string());
    Ok(0)
}

//! What `make demo` starts: see [`stripe402_dev::demo`].

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use owo_colors::OwoColorize as _;
use stripe402_dev::Result;
use stripe402_dev::demo::{self, Places, Shape};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match walk().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _closed = writeln!(anstream::stderr(), "\n  {} {error}\n", "✗".bold().red());
            ExitCode::FAILURE
        }
    }
}

async fn walk() -> Result<()> {
    let places = Places::from_environment(|name| std::env::var(name).ok())?;
    demo::run(&places, shape(), &mut anstream::stdout()).await
}

/// The terminal's own width; a hundred columns where there is none.
fn shape() -> Shape {
    let out = std::io::stdout();
    let columns = rustix::termios::tcgetwinsize(&out)
        .ok()
        .map(|size| size.ws_col)
        .filter(|columns| *columns > 0);
    Shape { columns: columns.unwrap_or(100), live: out.is_terminal() }
}

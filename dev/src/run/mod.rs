//! `make run`: everything up with one command, and down with Ctrl-C.

mod banner;
mod house;
mod lock;
mod port_check;
mod settings;
pub mod signals;
mod start;

use std::io::Write;

use crate::Result;
use crate::secrets::Secrets;

pub use settings::{Settings, Stripe, port_variables};

use house::House;

/// Starts everything, says so on `out`, and stops it when asked to.
///
/// # Errors
/// If a setting makes no sense, a port is taken, or a part does not start or ends by itself.
pub async fn run(environment: impl Fn(&str) -> Option<String>, out: &mut impl Write) -> Result<()> {
    let settings = Settings::from_environment(&environment)?;
    start::check_built(&settings)?;
    let _ours = lock::state(&settings)?;
    port_check::check(&settings)?;
    start::make_folders(&settings)?;
    let secrets = Secrets::load_or_make(&settings.state_dir.join("secrets.env"), &environment)?;

    let mut stop = signals::Stop::listen()?;
    let mut house = House::default();
    let ended = tokio::select! {
        ended = serve(&settings, &secrets, &mut house, out) => ended,
        () = stop.wanted() => Ok(()),
    };
    house.stop(|name| say(out, &format!("\n  stopped {name}")));
    say(out, "\n");
    ended
}

/// Returns only when something went wrong.
async fn serve(
    settings: &Settings,
    secrets: &Secrets,
    house: &mut House,
    out: &mut impl Write,
) -> Result<()> {
    let started =
        start::start(settings, secrets, house, |name| say(out, &format!("  starting {name}\n")))
            .await;
    // A part that ended is the cause; that another one could not reach it is only what follows.
    if let Err(error) = started {
        return Err(house.ended().unwrap_or(error));
    }
    say(out, &banner::banner(settings));
    Err(house.watch().await)
}

/// A closed terminal is no reason to leave parts running unwatched, so it is not an error either.
fn say(out: &mut impl Write, text: &str) {
    let _closed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

//! The demo API as a process: `demo-api --listen 127.0.0.1:8404`.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;

use stripe402_dev::run::signals;
use stripe402_dev::{Error, Result, demo_api};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _closed = writeln!(anstream::stderr(), "demo-api: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let address = listen_address(std::env::args().skip(1))?;
    let mut stop = signals::Stop::listen()?;
    let listener = demo_api::listen(address).await?;
    let _closed = writeln!(anstream::stderr(), "the demo API listens on http://{address}");
    demo_api::serve(listener, None, async move { stop.wanted().await }).await
}

fn listen_address(mut args: impl Iterator<Item = String>) -> Result<SocketAddr> {
    let usage = || Error::Invalid("usage: demo-api --listen 127.0.0.1:8404".to_owned());
    match (args.next().as_deref(), args.next(), args.next()) {
        (None, None, None) => Ok(stripe402_dev::ports::local(8404)),
        (Some("--listen"), Some(address), None) => address.parse().map_err(|_| usage()),
        _ => Err(usage()),
    }
}

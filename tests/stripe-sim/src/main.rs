//! `stripe-sim`: the stand-in as a process. SIGTERM and SIGINT end it.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use stripe_sim::{Options, WebhookEndpoint, serve};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A strict stand-in for Stripe's API.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The address to listen on.
    #[arg(long, env = "STRIPE_SIM_LISTEN", default_value = "127.0.0.1:8405")]
    listen: SocketAddr,
    /// Where state is kept over restarts; in memory only if not given.
    #[arg(long, env = "STRIPE_SIM_STATE_DIR")]
    state_dir: Option<PathBuf>,
    /// Where events are delivered.
    #[arg(long, env = "STRIPE_SIM_WEBHOOK_URL", requires = "webhook_secret")]
    webhook_url: Option<String>,
    /// What deliveries are signed with (whsec_…).
    #[arg(
        long,
        env = "STRIPE_SIM_WEBHOOK_SECRET",
        requires = "webhook_url",
        hide_env_values = true
    )]
    webhook_secret: Option<String>,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();
    let arguments = Arguments::parse();
    let webhook = match (arguments.webhook_url, arguments.webhook_secret) {
        (Some(url), Some(secret)) => Some(WebhookEndpoint { url, secret }),
        _ => None,
    };
    let options = Options { state_dir: arguments.state_dir, webhook };
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let handle = serve(TcpListener::bind(arguments.listen).await?, options).await?;
    tracing::info!(address = %handle.address(), "listening");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    handle.shutdown().await;
    Ok(())
}

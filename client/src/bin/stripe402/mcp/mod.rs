//! `stripe402 mcp`: an MCP server on standard input and output. A person sets the limits, and an agent
//! pays within them.

mod account;
pub(crate) mod arguments;
mod ask;
mod body;
mod events;
mod fetch;
mod input;
mod outcomes;
mod proxy;
mod remote;
mod secrets;
mod told;
mod tools;

use std::time::Duration;

use rmcp::{ServerHandler, ServiceExt as _, model::Implementation, transport::stdio_pipes};
use stripe402_client::{Policy, money};
use tokio::io::{AsyncRead, AsyncWrite};

use account::Account;
use arguments::{McpArgs, McpCommand};
use tools::Tools;

use crate::{exit::Exit, show};

pub(crate) async fn mcp(arguments: McpArgs) -> Result<u8, Exit> {
    let McpArgs { command, max_body, max_time, paying, network, kept } = arguments;
    if let Some(McpCommand::Proxy(arguments)) = command {
        return proxy::proxy(*arguments).await;
    }
    let policy = paying.policy()?;
    let account = Account::open(policy, &kept, Vec::new())?;
    let max_time = Duration::from_secs(max_time);
    let builder = network.builder()?.timeout(max_time);
    let client = account.wallet.client(builder).map_err(|error| Exit::local(error.to_string()))?;
    announce(&account.policy, "");
    serve(Tools { account, client, network, max_body, max_time }, stdio_pipes()).await
}

/// Who this is, to agents and to servers.
fn implementation() -> Implementation {
    Implementation::new("stripe402", env!("CARGO_PKG_VERSION"))
}

/// Until the agent closes its end. A payment that is under way then is counted in the budget, and
/// found out about by the next call.
async fn serve(
    handler: impl ServerHandler,
    pipes: (impl AsyncRead + Send + Unpin + 'static, impl AsyncWrite + Send + Unpin + 'static),
) -> Result<u8, Exit> {
    let broken = |error: String| Exit::local(format!("MCP on standard input: {error}"));
    let running = handler.serve(pipes).await.map_err(|error| broken(error.to_string()))?;
    running.waiting().await.map_err(|error| broken(error.to_string()))?;
    Ok(0)
}

/// For the log: standard output is MCP's alone.
fn announce(policy: &Policy, of: &str) {
    let most = |units| money(units, policy.currency);
    let budget = match policy.budget_total {
        Some(budget) => format!("a budget of {}", most(budget)),
        None => "no budget: set one with --budget".to_owned(),
    };
    let (price, charge) = (most(policy.most_price()), most(policy.most_charge()));
    let each = format!("at most {price} a request and {charge} a card charge");
    show::aside(&format!("stripe402: MCP on standard input{of}; pays {each}; {budget}"));
}

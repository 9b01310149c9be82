//! What a person allows the agent, at the start.

use clap::{Args, Subcommand};
use reqwest::Url;

use crate::{
    address::address,
    arguments::{KeptArgs, PayingArgs},
    exit::EXIT_CODES,
    network::NetworkArgs,
};

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct McpArgs {
    #[command(subcommand)]
    pub(crate) command: Option<McpCommand>,
    /// Bytes of an answer's body that the agent gets; the rest is cut off.
    #[arg(long, default_value_t = 65_536)]
    pub(crate) max_body: usize,
    /// Longest time for one request, in seconds.
    #[arg(long, default_value_t = 300)]
    pub(crate) max_time: u64,
    #[command(flatten)]
    pub(crate) paying: PayingArgs,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    #[command(flatten)]
    pub(crate) kept: KeptArgs,
}

#[derive(Subcommand)]
pub(crate) enum McpCommand {
    /// Serve the tools of a remote MCP server (streamable HTTP), and pay for what costs something there.
    #[command(after_help = EXIT_CODES)]
    Proxy(Box<ProxyArgs>),
}

#[derive(Args)]
pub(crate) struct ProxyArgs {
    /// URL of the remote server, such as https://api.example/mcp.
    #[arg(value_parser = address)]
    pub(crate) url: Url,
    /// Header to send with each request, as NAME: VALUE; may be repeated.
    #[arg(short = 'H', long = "header")]
    pub(crate) headers: Vec<String>,
    /// Longest time for one call, in seconds.
    #[arg(long, default_value_t = 300)]
    pub(crate) max_time: u64,
    #[command(flatten)]
    pub(crate) paying: PayingArgs,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    #[command(flatten)]
    pub(crate) kept: KeptArgs,
}

//! The paying side through a real gateway and ledger: each adapter runs the same scenarios.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "all of this is tests, their helpers too"
)]

mod cli;
mod commands;
mod elsewhere;
mod mcp;
mod mcp_proxy;
mod mcp_tools;
mod metered;
mod metered_api;
mod node;
mod package;
mod payer;
mod program;
mod readme;
mod rust;
mod scenarios;
mod together;
mod version_one;
mod world;

use node::Node;
use payer::Kind;

#[tokio::test]
async fn the_middleware_for_reqwest() {
    scenarios::all(&Kind::Rust).await;
}

#[tokio::test]
async fn the_command_line() {
    scenarios::all(&Kind::CommandLine).await;
}

#[tokio::test]
async fn the_tools_for_agents() {
    scenarios::all(&Kind::Mcp(mcp::Sdk::start())).await;
}

#[tokio::test]
async fn fetch_of_the_npm_package() {
    scenarios::all(&Kind::Node(Node::start("fetch"))).await;
}

#[tokio::test]
async fn axios_by_the_npm_package() {
    scenarios::all(&Kind::Node(Node::start("axios"))).await;
}

//! The paying side through a real gateway and ledger: each adapter runs the same scenarios.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "all of this is tests, their helpers too"
)]

mod ai;
mod cli;
mod commands;
mod confirm;
mod driver;
mod elsewhere;
mod keys;
mod lines;
mod matrix;
mod mcp;
mod mcp_proxy;
mod mcp_tools;
mod metered;
mod metered_api;
mod package;
mod payer;
mod program;
mod python;
mod readme;
mod rust;
mod scenarios;
mod together;
mod version_one;
mod world;

use driver::Driver;
use payer::Kind;

#[tokio::test]
async fn the_middleware_for_reqwest() {
    scenarios::all("reqwest", &Kind::Rust).await;
}

#[tokio::test]
async fn the_command_line() {
    scenarios::all("command line", &Kind::CommandLine).await;
}

#[tokio::test]
async fn the_tools_for_agents() {
    scenarios::all("mcp", &Kind::Mcp(mcp::Sdk::start())).await;
}

#[tokio::test]
async fn fetch_of_the_npm_package() {
    scenarios::all("fetch", &Kind::Driver(Driver::node("fetch"))).await;
}

#[tokio::test]
async fn axios_by_the_npm_package() {
    scenarios::all("axios", &Kind::Driver(Driver::node("axios"))).await;
}

#[tokio::test]
async fn httpx_of_the_python_package() {
    scenarios::all("httpx", &Kind::Driver(Driver::python("httpx"))).await;
}

#[tokio::test]
async fn httpx_of_the_python_package_asynchronously() {
    scenarios::all("httpx-async", &Kind::Driver(Driver::python("httpx-async"))).await;
}

#[tokio::test]
async fn requests_by_the_python_package() {
    scenarios::all("requests", &Kind::Driver(Driver::python("requests"))).await;
}

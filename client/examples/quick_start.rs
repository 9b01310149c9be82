//! The least that pays: `cargo run -p stripe402-client --example quick_start URL pm_…`
#![allow(clippy::print_stdout, reason = "a program for a terminal")]

use stripe402_client::{Policy, Wallet, paid};
use stripe402_protocol::Units;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (url, card) = arguments.next().zip(arguments.next()).unwrap_or_default();
    println!("{:?}", quick_start(&url, &card).await?);
    Ok(())
}

/// Pays for one request; returns what is left.
pub(crate) async fn quick_start(url: &str, card: &str) -> anyhow::Result<Option<Units>> {
    let policy = Policy {
        max_price: Some(Units::from_u32(500)), // $0.05 for a request
        budget_total: Some(Units::from_u32(200_000)), // $20.00 of card charges
        ..Policy::card(card.parse()?)
    };
    let wallet = Wallet::new(policy)?;
    let client = wallet.client(reqwest::Client::builder())?;
    let answer = client.get(url).send().await?;
    let left = paid(&answer).map(|paid| paid.credits_remaining);
    println!("{}", answer.text().await?);
    Ok(left)
}

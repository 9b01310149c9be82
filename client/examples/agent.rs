//! An agent that asks for the weather as long as its budget lasts, and knows why it stops:
//! `cargo run -p stripe402-client --example agent URL pm_… REQUESTS BUDGET`
#![allow(clippy::print_stdout, reason = "a program for a terminal")]

use stripe402_client::{Amount, Error, Policy, Wallet, paid, payment_error, storage::File};
use stripe402_protocol::Units;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, card, requests, budget] = arguments.as_slice() else {
        anyhow::bail!("URL pm_… REQUESTS BUDGET");
    };
    // What is known of the server, and what was spent, outlives the agent.
    let purse = File::new(std::env::temp_dir().join("stripe402-agent.json"));
    println!("{}", agent(url, card, requests.parse()?, budget.parse()?, purse).await?);
    Ok(())
}

/// Works until the budget (`5usd`) is spent, or `requests` were answered.
pub(crate) async fn agent(
    url: &str,
    card: &str,
    requests: u32,
    budget: Amount,
    purse: File,
) -> anyhow::Result<String> {
    let policy = Policy {
        max_price: Some(Units::from_u32(500)),
        max_charge: Some(Units::from_u32(50_000)),
        budget_total: Some(budget.units),
        ..Policy::card(card.parse()?)
    };
    let wallet = Wallet::with_storage(policy, purse)?;
    let client = wallet.client(reqwest::Client::builder())?;
    for number in 1..=requests {
        let answer = match client.get(url).send().await {
            Ok(answer) => answer,
            Err(failed) => {
                return Ok(match payment_error(&failed) {
                    Some(Error::BudgetExceeded { .. }) => format!("{number}: the budget is spent"),
                    Some(error) => format!("{number}: {} ({})", error, error.code()),
                    None => return Err(failed.into()),
                });
            }
        };
        let left = paid(&answer).map(|paid| paid.credits_remaining.get());
        println!("{number}: {} ({left:?} units left)", answer.text().await?);
    }
    Ok(format!("{requests} answers"))
}

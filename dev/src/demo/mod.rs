//! `make demo`: pays for requests step by step, shows what goes over the wire and what it means, and checks it.

mod answer;
mod metered;
mod screen;
mod spend;
mod walk;

use std::io::Write;

use crate::{Error, Result};

pub use screen::Shape;

/// Where the walk finds the parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The gateway, without a slash at the end.
    pub gateway: String,
    /// Stripe's stand-in, likewise.
    pub stripe_sim: String,
}

impl Places {
    /// Where `make run` starts them, by the same variables.
    ///
    /// # Errors
    /// If a variable is not a port.
    pub fn from_environment(environment: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let port = |variable: &str, usual: u16| -> Result<String> {
            let text = environment(variable).filter(|text| !text.is_empty());
            let number = text.map_or(Ok(usual), |text| text.parse());
            let number = number.map_err(|_| Error::Invalid(format!("{variable} is not a port")))?;
            Ok(format!("http://127.0.0.1:{number}"))
        };
        Ok(Self {
            gateway: port("GATEWAY_PORT", 10_000)?,
            stripe_sim: port("STRIPE_SIM_PORT", 8405)?,
        })
    }
}

/// Walks through all steps.
///
/// # Errors
/// If nothing listens, or something behaves otherwise than it should.
pub async fn run(places: &Places, shape: Shape, out: &mut impl Write) -> Result<()> {
    walk::walk(places, screen::Screen::new(out, shape)).await
}

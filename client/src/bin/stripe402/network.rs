//! The network that a command uses: whose certificates it trusts.

use std::path::PathBuf;

use clap::Args;
use reqwest::{Certificate, ClientBuilder};

use crate::exit::Exit;

/// How servers are reached.
#[derive(Args, Clone)]
#[command(next_help_heading = "Network")]
pub(crate) struct NetworkArgs {
    /// File of certificate authorities (PEM) to trust beside the public ones: for a server whose
    /// certificate is your own authority's.
    #[arg(long, env = "STRIPE402_CA", value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
}

impl NetworkArgs {
    /// A client that trusts the public authorities and those of the file, and says which program it is.
    ///
    /// # Errors
    /// An error of usage that names the file, if it cannot be read or has no certificate.
    pub(crate) fn builder(&self) -> Result<ClientBuilder, Exit> {
        let user_agent = concat!("stripe402/", env!("CARGO_PKG_VERSION"));
        let mut builder = reqwest::Client::builder().user_agent(user_agent);
        let Some(path) = &self.ca else { return Ok(builder) };
        let wrong = |why: String| Exit::usage(format!("--ca {}: {why}", path.display()));
        let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let authorities =
            Certificate::from_pem_bundle(&pem).map_err(|error| wrong(error.to_string()))?;
        if authorities.is_empty() {
            return Err(wrong("there is no certificate as PEM".to_owned()));
        }
        for authority in authorities {
            builder = builder.add_root_certificate(authority);
        }
        Ok(builder)
    }
}

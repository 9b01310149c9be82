//! Values of settings, parsed once.

use std::{str::FromStr, time::Duration};

use secrecy::SecretString;
use serde::Deserialize;

/// A secret that does not print.
#[derive(Clone, Debug, Deserialize)]
pub struct Secret(pub SecretString);

impl FromStr for Secret {
    type Err = core::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(SecretString::from(text)))
    }
}

/// A length of time, written `1s`, `500ms`, `7days`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = humantime::parse_duration(text);
        parsed
            .map(Self)
            .map_err(|_| format!("{text:?} is not a duration: write 500ms, 10s, 5m or 7days"))
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// How logs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

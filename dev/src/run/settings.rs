//! What `make run` reads from the environment.

use std::path::PathBuf;

use crate::stripe_sim::{PUBLISHABLE_KEY, SECRET_KEY};
use crate::{Error, Result};

/// One port: its number, the variable that sets it, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Port {
    /// The variable.
    pub variable: &'static str,
    /// Who listens there.
    pub owner: &'static str,
    /// The number.
    pub number: u16,
    /// The number where the variable is not set.
    pub usual: u16,
}

/// The variables of all ports, in the order of [`Settings::ports`] where the stand-in is started too.
#[must_use]
pub const fn port_variables() -> [&'static str; 8] {
    [
        "GATEWAY_PORT",
        "GATEWAY_TLS_PORT",
        "ENVOY_ADMIN_PORT",
        "LEDGER_PORT",
        "ADMIN_PORT",
        "UPSTREAM_PORT",
        "STRIPE_SIM_PORT",
        "WEBHOOK_PORT",
    ]
}

/// Where cards are charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stripe {
    /// At the stand-in that is started too.
    StandIn,
    /// At Stripe itself, or what `STRIPE_API_BASE` names.
    Real {
        /// The ledger's key.
        secret_key: String,
        /// The key that challenges name.
        publishable_key: String,
        /// Where Stripe is, if not where it always is.
        api_base: Option<String>,
    },
}

/// All settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The gateway.
    pub gateway: Port,
    /// The gateway, for HTTPS.
    pub gateway_tls: Port,
    /// Envoy's admin interface.
    pub envoy_admin: Port,
    /// The ledger, for gateways.
    pub ledger: Port,
    /// The ledger, for operators.
    pub admin: Port,
    /// The demo API.
    pub upstream: Port,
    /// Stripe's stand-in.
    pub stripe_sim: Port,
    /// The ledger, for webhooks.
    pub webhook: Port,
    /// Envoy's worker threads.
    pub workers: u16,
    /// How many ledgers.
    pub replicas: u16,
    /// Where state, configuration, secrets and logs are kept.
    pub state_dir: PathBuf,
    /// The ledger's store.
    pub store: String,
    /// Where cards are charged.
    pub stripe: Stripe,
}

impl Settings {
    /// Reads them; an empty variable counts as absent.
    ///
    /// # Errors
    /// If one makes no sense, or not together with another.
    pub fn from_environment(environment: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let get = |name: &str| environment(name).filter(|value| !value.is_empty());
        let port = |variable, usual, owner| -> Result<Port> {
            Ok(Port { variable, owner, number: number(get, variable, usual)?, usual })
        };
        let stripe = stripe(get)?;
        let state_dir = get("STATE_DIR").map_or_else(|| PathBuf::from(".run"), PathBuf::from);
        let state_dir =
            std::path::absolute(&state_dir).map_err(Error::io("STATE_DIR cannot be used"))?;
        // Play money and real money never share a store.
        let file = if stripe == Stripe::StandIn { "ledger.redb" } else { "ledger-real.redb" };
        let store = get("LEDGER_STORE")
            .unwrap_or_else(|| format!("file:{}", state_dir.join(file).display()));
        let replicas = number(get, "LEDGER_REPLICAS", 1)?;
        if replicas > 1 && store.starts_with("file:") {
            return Err(Error::Invalid(format!(
                "LEDGER_REPLICAS={replicas} needs a store that ledgers can share, and a file can be open in one only.\n\
                 Name such a store, for example:\n\n  LEDGER_REPLICAS={replicas} LEDGER_STORE=redis://127.0.0.1:6379 make run"
            )));
        }
        Ok(Self {
            gateway: port("GATEWAY_PORT", 10_000, "the gateway")?,
            gateway_tls: port("GATEWAY_TLS_PORT", 10_443, "the gateway's HTTPS")?,
            envoy_admin: port("ENVOY_ADMIN_PORT", 9901, "Envoy's admin interface")?,
            ledger: port("LEDGER_PORT", 8402, "the ledger")?,
            admin: port("ADMIN_PORT", 8403, "the ledger's operator interface")?,
            upstream: port("UPSTREAM_PORT", 8404, "the demo API")?,
            stripe_sim: port("STRIPE_SIM_PORT", 8405, "the Stripe stand-in")?,
            webhook: port("WEBHOOK_PORT", 8406, "the ledger's webhook endpoint")?,
            workers: number(get, "ENVOY_CONCURRENCY", 2)?,
            replicas,
            state_dir,
            store,
            stripe,
        })
    }

    /// The ports that will be listened on.
    #[must_use]
    pub fn ports(&self) -> Vec<Port> {
        let mut ports = vec![
            self.gateway,
            self.gateway_tls,
            self.envoy_admin,
            self.ledger,
            self.admin,
            self.upstream,
            self.stripe_sim,
            self.webhook,
        ];
        if self.stripe != Stripe::StandIn {
            ports.retain(|port| *port != self.stripe_sim);
        }
        ports
    }

    /// The key that challenges name.
    #[must_use]
    pub fn publishable_key(&self) -> &str {
        match &self.stripe {
            Stripe::StandIn => PUBLISHABLE_KEY,
            Stripe::Real { publishable_key, .. } => publishable_key,
        }
    }

    /// The ledger's key.
    #[must_use]
    pub fn secret_key(&self) -> &str {
        match &self.stripe {
            Stripe::StandIn => SECRET_KEY,
            Stripe::Real { secret_key, .. } => secret_key,
        }
    }
}

fn number(get: impl Fn(&str) -> Option<String>, variable: &str, usual: u16) -> Result<u16> {
    let Some(text) = get(variable) else {
        return Ok(usual);
    };
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(Error::Invalid(format!("{variable}={text} is not a number from 1 to 65535"))),
    }
}

fn stripe(get: impl Fn(&str) -> Option<String>) -> Result<Stripe> {
    let refuse = |text: &str| Err(Error::Invalid(text.to_owned()));
    let api_base = get("STRIPE_API_BASE");
    match (get("STRIPE_SECRET_KEY"), get("STRIPE_PUBLISHABLE_KEY")) {
        (None, None) if api_base.is_some() => refuse(
            "STRIPE_API_BASE is set, but no keys for what is there: set STRIPE_SECRET_KEY and STRIPE_PUBLISHABLE_KEY \
             too, or unset it to use the stand-in.",
        ),
        (None, None) => Ok(Stripe::StandIn),
        (Some(_), None) => refuse(
            "STRIPE_SECRET_KEY is set without STRIPE_PUBLISHABLE_KEY: set both to charge at Stripe, or neither to use \
             the stand-in.",
        ),
        (None, Some(_)) => refuse(
            "STRIPE_PUBLISHABLE_KEY is set without STRIPE_SECRET_KEY: set both to charge at Stripe, or neither to use \
             the stand-in.",
        ),
        // The gateway shows this key to everybody, so the two must not be mixed up.
        (Some(_), Some(publishable)) if !publishable.starts_with("pk_") => refuse(
            "STRIPE_PUBLISHABLE_KEY does not begin with pk_: it would be shown to every client.",
        ),
        (Some(secret_key), Some(publishable_key)) => {
            Ok(Stripe::Real { secret_key, publishable_key, api_base })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings> {
        let find = |name: &str| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        Settings::from_environment(find)
    }

    #[test]
    fn every_port_has_its_variable() {
        let settings = Settings::from_environment(|_| None).unwrap();
        let named: Vec<_> = settings.ports().iter().map(|port| port.variable).collect();
        assert_eq!(named, port_variables());
    }

    #[test]
    fn nothing_set_is_the_documented_demo() {
        let settings = read(&[]).unwrap();
        let numbers: Vec<u16> = settings.ports().iter().map(|port| port.number).collect();
        assert_eq!(numbers, [10_000, 10_443, 9901, 8402, 8403, 8404, 8405, 8406]);
        assert_eq!((settings.workers, settings.replicas), (2, 1));
        assert!(settings.state_dir.is_absolute() && settings.state_dir.ends_with(".run"));
        assert_eq!(
            settings.store,
            format!("file:{}", settings.state_dir.join("ledger.redb").display())
        );
        assert_eq!(
            (settings.publishable_key(), settings.secret_key()),
            ("pk_test_standin", "sk_test_standin")
        );
        assert_eq!(read(&[("GATEWAY_PORT", ""), ("STRIPE_SECRET_KEY", "")]).unwrap(), settings);
    }

    #[test]
    fn both_keys_mean_stripe_itself_and_another_file() {
        let settings =
            read(&[("STRIPE_SECRET_KEY", "sk_x"), ("STRIPE_PUBLISHABLE_KEY", "pk_x")]).unwrap();
        assert_eq!((settings.publishable_key(), settings.secret_key()), ("pk_x", "sk_x"));
        assert!(settings.store.ends_with("ledger-real.redb"), "{}", settings.store);
        assert!(!settings.ports().contains(&settings.stripe_sim));
    }

    #[test]
    fn what_makes_no_sense_is_said_plainly() {
        let rows: [(&[(&str, &str)], &str); 8] = [
            (&[("GATEWAY_PORT", "http")], "GATEWAY_PORT=http is not a number"),
            (&[("LEDGER_PORT", "0")], "LEDGER_PORT=0 is not a number"),
            (&[("ENVOY_CONCURRENCY", "70000")], "ENVOY_CONCURRENCY=70000"),
            (&[("STRIPE_SECRET_KEY", "sk_x")], "without STRIPE_PUBLISHABLE_KEY"),
            (&[("STRIPE_PUBLISHABLE_KEY", "pk_x")], "without STRIPE_SECRET_KEY"),
            (&[("STRIPE_API_BASE", "http://x")], "no keys for what is there"),
            (
                &[("STRIPE_SECRET_KEY", "pk_x"), ("STRIPE_PUBLISHABLE_KEY", "sk_x")],
                "shown to every client",
            ),
            (&[("LEDGER_REPLICAS", "2")], "LEDGER_REPLICAS=2 LEDGER_STORE=redis://"),
        ];
        for (pairs, expected) in rows {
            let error = read(pairs).unwrap_err().to_string();
            assert!(error.contains(expected), "{pairs:?}: {error}");
            assert!(!error.contains("sk_x"), "a key is shown: {error}");
        }
        assert_eq!(
            read(&[("LEDGER_REPLICAS", "2"), ("LEDGER_STORE", "redis://x")]).unwrap().replicas,
            2
        );
    }
}

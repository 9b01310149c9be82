//! Envoy as a process.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::envoy_config::EnvoyConfig;
use crate::ports::local;
use crate::process::{Probe, Process, Spec};
use crate::{Error, Result, binary, http};

/// Compiling the module takes V8 a second or two per worker, more where the machine is busy.
const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// How a gateway is started.
#[derive(Debug, Clone)]
pub struct EnvoyOptions {
    /// Where the gateway listens.
    pub port: u16,
    /// Where its admin interface listens.
    pub admin_port: u16,
    /// How many worker threads it has, each with its own VM of the filter.
    pub workers: u16,
    /// What the filter shows the ledger.
    pub ledger_token: String,
    /// Makes the ids of MPP's challenges, where the configuration switches MPP on.
    pub mpp_secret: String,
    /// Where the configuration is written.
    pub config_file: PathBuf,
    /// Where it logs.
    pub log: PathBuf,
}

/// A running gateway.
#[derive(Debug)]
pub struct Envoy {
    process: Process,
    port: u16,
    admin_port: u16,
}

impl Envoy {
    /// Writes the configuration with the ports of `options` and starts it; ready once [`Envoy::ready`] returns.
    ///
    /// # Errors
    /// If Envoy is not installed, or the file cannot be written.
    pub fn spawn(mut config: EnvoyConfig, options: &EnvoyOptions) -> Result<Self> {
        config.listen(local(options.port))?;
        config.admin(local(options.admin_port))?;
        write(&options.config_file, &config.to_yaml()?)?;
        let spec = Spec::new("Envoy", binary::envoy()?, &options.log)
            .arg("--config-path")
            .arg(&options.config_file)
            .arg("--concurrency")
            .arg(options.workers.to_string())
            // No hot restart means no shared memory, and so no clash between gateways on one machine.
            .arg("--disable-hot-restart")
            .arg("--log-level")
            .arg("warning")
            .arg("--component-log-level")
            .arg("wasm:info")
            .env("LEDGER_TOKEN", &options.ledger_token)
            .env("MPP_SECRET", &options.mpp_secret);
        let process = Process::spawn(spec)?;
        Ok(Self { process, port: options.port, admin_port: options.admin_port })
    }

    /// As [`Envoy::spawn`], and waits until it serves.
    ///
    /// # Errors
    /// If it cannot be started or does not become ready.
    pub async fn start(config: EnvoyConfig, options: &EnvoyOptions) -> Result<Self> {
        let mut envoy = Self::spawn(config, options)?;
        envoy.ready().await?;
        Ok(envoy)
    }

    /// Waits until it serves.
    ///
    /// # Errors
    /// If it ends before, or the time is over.
    pub async fn ready(&mut self) -> Result<()> {
        self.process.wait_ready(&Probe::ok(self.admin_url("/ready")), STARTS_WITHIN).await?;
        self.process.wait_ready(&Probe::Tcp(local(self.port)), STARTS_WITHIN).await
    }

    /// Starts it again on the same ports with the same configuration, and waits until it serves.
    ///
    /// # Errors
    /// As [`Envoy::start`].
    pub async fn restart(&mut self) -> Result<()> {
        self.process.restart()?;
        self.ready().await
    }

    /// Its counters and gauges by name.
    ///
    /// # Errors
    /// If the admin interface does not answer.
    pub async fn stats(&self) -> Result<BTreeMap<String, u64>> {
        let url = self.admin_url("/stats");
        let failed = || Error::http(format!("GET {url}"));
        let text = http::client()?
            .get(&url)
            .send()
            .await
            .map_err(failed())?
            .text()
            .await
            .map_err(failed())?;
        // Histograms and texts are left out.
        let numbers = text.lines().filter_map(|line| line.rsplit_once(": "));
        Ok(numbers
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect())
    }

    /// One counter or gauge; zero if Envoy has not made it yet.
    ///
    /// # Errors
    /// If the admin interface does not answer.
    pub async fn stat(&self, name: &str) -> Result<u64> {
        Ok(self.stats().await?.get(name).copied().unwrap_or_default())
    }

    /// A URL at the gateway.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", local(self.port))
    }

    /// A URL at the admin interface.
    #[must_use]
    pub fn admin_url(&self, path: &str) -> String {
        format!("http://{}{path}", local(self.admin_port))
    }

    /// Where the gateway listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        local(self.port)
    }

    /// The process: to stop, kill, pause or restart it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Only the process, for who just keeps it running.
    #[must_use]
    pub fn into_process(self) -> Process {
        self.process
    }
}

/// Whether Envoy accepts the configuration, without listening anywhere; the error is what Envoy says.
///
/// # Errors
/// If Envoy refuses it, or could not be asked.
pub fn validate(yaml: &str) -> std::result::Result<(), String> {
    let file =
        tempfile::Builder::new().suffix(".yaml").tempfile().map_err(|error| error.to_string())?;
    std::fs::write(file.path(), yaml).map_err(|error| error.to_string())?;
    let output = Command::new(binary::envoy().map_err(|error| error.to_string())?)
        .args(["--mode", "validate", "--log-level", "warning", "--config-path"])
        .arg(file.path())
        // Paths in the shipped files are relative to the workspace.
        .current_dir(binary::workspace())
        // The filter is loaded too, and refuses to be configured without a token.
        .env("LEDGER_TOKEN", "only-to-validate")
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(String::from_utf8_lossy(&said).trim().to_owned())
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(Error::io(format!("cannot write {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The shipped gateway without the filter: what can be tried before any part of the product is built.
    fn bare() -> EnvoyConfig {
        let mut config = EnvoyConfig::shipped().unwrap();
        let filters = config.connection_manager().unwrap().pointer_mut("/http_filters").unwrap();
        filters.as_array_mut().unwrap().retain(|filter| filter["name"] != "stripe402");
        let clusters = config.root().pointer_mut("/static_resources/clusters").unwrap();
        clusters.as_array_mut().unwrap().retain(|cluster| cluster["name"] == "api");
        config
    }

    #[tokio::test]
    async fn starts_answers_counts_and_restarts_on_its_port() {
        let dir = tempfile::tempdir().unwrap();
        let upstream =
            crate::upstream::Upstream::start(local(crate::ports::free().unwrap())).unwrap();
        let mut config = bare();
        config.endpoints("api", &[upstream.address()]).unwrap();
        let options = EnvoyOptions {
            port: crate::ports::free().unwrap(),
            admin_port: crate::ports::free().unwrap(),
            workers: 1,
            ledger_token: String::new(),
            mpp_secret: String::new(),
            config_file: dir.path().join("envoy.yaml"),
            log: dir.path().join("envoy.log"),
        };
        let mut envoy = Envoy::start(config, &options).await.unwrap();
        let client = http::client().unwrap();
        let ask = || client.get(format!("http://{}/api/weather", local(options.port))).send();
        assert_eq!(ask().await.unwrap().status(), 200);
        assert_eq!(envoy.stat("http.gateway.downstream_rq_2xx").await.unwrap(), 1);
        envoy.process().kill9();
        assert!(ask().await.is_err());
        envoy.restart().await.unwrap();
        assert_eq!(ask().await.unwrap().status(), 200);
        assert_eq!(upstream.recorder().count(), 2);
    }

    #[test]
    fn validate_tells_good_from_bad() {
        let mut config = bare();
        assert_eq!(validate(&config.to_yaml().unwrap()), Ok(()));
        config.root()["static_resources"]["clusters"] = json!([]);
        let refused = validate(&config.to_yaml().unwrap()).unwrap_err();
        assert!(refused.contains("unknown cluster 'api'"), "{refused}");
    }
}

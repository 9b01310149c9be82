//! A Redis Cluster as processes: three masters, a replica of each, on free ports.

use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::ports::{self, local};
use crate::process::{Probe, Process, Spec};
use crate::{Error, Result};

const MASTERS: usize = 3;
const STARTS_WITHIN: Duration = Duration::from_secs(30);
/// After so long without an answer a node is taken for dead, and its replica is promoted.
const NODE_TIMEOUT_MS: u16 = 1_000;

/// A running cluster. Its data are gone when it is dropped.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Node>,
    _dir: TempDir,
}

#[derive(Debug)]
struct Node {
    process: Process,
    port: u16,
}

impl RedisCluster {
    /// Starts six nodes, and waits until each master has its replica.
    ///
    /// # Errors
    /// If Redis is not installed, or the cluster does not form.
    pub async fn start() -> Result<Self> {
        let dir = tempfile::tempdir().map_err(Error::io("cannot make a folder for Redis"))?;
        let mut nodes = Vec::new();
        for number in 0..MASTERS.saturating_mul(2) {
            let port = ports::free()?;
            let data = dir.path().join(number.to_string());
            std::fs::create_dir(&data).map_err(Error::io("cannot make a folder for Redis"))?;
            let log = dir.path().join(format!("redis-{number}.log"));
            let mut spec = Spec::new(format!("Redis node {number}"), "redis-server", log)
                .arg("--port")
                .arg(port.to_string())
                // By default nodes talk to each other 10,000 above, on a port that nobody handed out.
                .arg("--cluster-port")
                .arg(ports::free()?.to_string())
                .arg("--dir")
                .arg(&data);
            for argument in ["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"] {
                spec = spec.arg(argument);
            }
            for argument in ["--cluster-enabled", "yes", "--repl-diskless-sync-delay", "0"] {
                spec = spec.arg(argument);
            }
            spec = spec.arg("--cluster-node-timeout").arg(NODE_TIMEOUT_MS.to_string());
            let mut process = Process::spawn(spec)?;
            process.wait_ready(&Probe::Tcp(local(port)), STARTS_WITHIN).await?;
            nodes.push(Node { process, port });
        }
        let addresses = nodes.iter().map(|node| local(node.port).to_string());
        let mut create = vec!["--cluster".to_owned(), "create".to_owned()];
        create.extend(addresses);
        create.extend(["--cluster-replicas", "1", "--cluster-yes"].map(str::to_owned));
        let first = nodes.first().map_or(0, |node| node.port);
        cli(first, &create)?;
        let cluster = Self { nodes, _dir: dir };
        cluster.whole().await?;
        Ok(cluster)
    }

    /// Its address, as `LEDGER_STORE` takes it.
    #[must_use]
    pub fn url(&self) -> String {
        let nodes: Vec<_> = self.nodes.iter().map(|node| local(node.port).to_string()).collect();
        format!("redis+cluster://{}", nodes.join(","))
    }

    /// Kills one of the masters, waits until its replica has taken its place, and starts it again: it
    /// follows the new master then.
    ///
    /// # Errors
    /// If nobody takes its place, or it does not come back.
    pub async fn fail_over(&mut self, which: usize) -> Result<()> {
        let masters: Vec<_> = (0..self.nodes.len()).filter(|at| self.is_master(*at)).collect();
        let chosen = which.checked_rem(masters.len()).and_then(|at| masters.get(at)).copied();
        let at = chosen.ok_or_else(|| Error::Invalid("no node is a master".to_owned()))?;
        let died = self.nodes.get_mut(at).map(|node| node.process.kill9());
        died.ok_or_else(|| Error::Invalid("there is no such node".to_owned()))?;
        let start = Instant::now();
        while (0..self.nodes.len()).filter(|other| self.is_master(*other)).count() < MASTERS {
            patience(start, "no replica was promoted")?;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.process.restart()?;
            node.process.wait_ready(&Probe::Tcp(local(node.port)), STARTS_WITHIN).await?;
        }
        self.whole().await
    }

    /// Waits until all slots are served and each master has its replica.
    async fn whole(&self) -> Result<()> {
        let start = Instant::now();
        let has_replica =
            |info: &str| info.contains("state=online") || info.contains("master_link_status:up");
        let ready = |node: &Node| {
            ask(node.port, &["cluster", "info"]).contains("cluster_state:ok")
                && has_replica(&ask(node.port, &["info", "replication"]))
        };
        while !self.nodes.iter().all(ready) {
            patience(start, "the cluster is not whole")?;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    fn is_master(&self, at: usize) -> bool {
        let info = self.nodes.get(at).map(|node| ask(node.port, &["info", "replication"]));
        info.is_some_and(|info| info.contains("role:master"))
    }
}

fn patience(since: Instant, what: &str) -> Result<()> {
    if since.elapsed() > STARTS_WITHIN {
        return Err(Error::Invalid(format!("Redis Cluster: {what}")));
    }
    Ok(())
}

/// What a node says; nothing if it is dead.
fn ask(port: u16, arguments: &[&str]) -> String {
    let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
    cli(port, &arguments).unwrap_or_default()
}

fn cli(port: u16, arguments: &[String]) -> Result<String> {
    let output = Command::new("redis-cli")
        .arg("-p")
        .arg(port.to_string())
        .args(arguments)
        .output()
        .map_err(Error::io("cannot run redis-cli"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    Err(Error::Invalid(format!("redis-cli: {said}")))
}

impl Drop for RedisCluster {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            node.process.kill9();
        }
    }
}

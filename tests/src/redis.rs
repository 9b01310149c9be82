//! Redis as a process, with a data folder of its own.

use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use crate::ports::{self, local};
use crate::process::{Probe, Process, Spec};
use crate::{Error, Result};

const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// A running server with an append-only file. Its data are gone when it is dropped.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    port: u16,
    dir: TempDir,
}

impl Redis {
    /// Starts a server that syncs its file before it answers, and waits until it serves.
    ///
    /// # Errors
    /// If Redis is not installed (`scripts/setup-redis.sh` installs it), or does not start.
    pub async fn start() -> Result<Self> {
        Self::start_with("always").await
    }

    /// Starts a server with this `appendfsync`.
    ///
    /// # Errors
    /// As [`Redis::start`].
    pub async fn start_with(sync: &str) -> Result<Self> {
        let dir = tempfile::tempdir().map_err(Error::io("cannot make a folder for Redis"))?;
        let port = ports::free()?;
        let data = dir.path().join("data");
        std::fs::create_dir(&data).map_err(Error::io("cannot make a folder for Redis"))?;
        let mut spec = Spec::new("Redis", "redis-server", dir.path().join("redis.log"));
        for argument in ["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"] {
            spec = spec.arg(argument);
        }
        let spec = spec.arg("--appendfsync").arg(sync).arg("--port").arg(port.to_string());
        let mut process = Process::spawn(spec.arg("--dir").arg(&data))?;
        process.wait_ready(&Probe::Tcp(local(port)), STARTS_WITHIN).await?;
        Ok(Self { process, port, dir })
    }

    /// Its address, as `LEDGER_STORE` takes it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The port it listens on.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Where its data are.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Ends it, and all that it knew with it; its folder stays, empty.
    ///
    /// # Errors
    /// If its data cannot be removed.
    pub fn lose(&mut self) -> Result<()> {
        self.process.kill9();
        let data = self.data();
        std::fs::remove_dir_all(&data)
            .and_then(|()| std::fs::create_dir(&data))
            .map_err(Error::io("cannot empty the folder of Redis"))
    }

    /// Starts it again on what is in its folder, and waits until it serves.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn restart(&mut self) -> Result<()> {
        self.process.restart()?;
        self.process.wait_ready(&Probe::Tcp(local(self.port)), STARTS_WITHIN).await
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.process.kill9();
    }
}

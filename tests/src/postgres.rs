//! PostgreSQL as a process, with a data folder of its own.

use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::ports::{self, local};
use crate::process::{Probe, Process, Spec};
use crate::{Error, Result};

const STARTS_WITHIN: Duration = Duration::from_secs(30);
const REMEDY: &str = "run scripts/setup-postgres.sh, which `make test` does";

/// A running server. Its data are gone when it is dropped.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    port: u16,
    _dir: TempDir,
}

impl Postgres {
    /// Makes a data folder, starts a server on it and waits until it serves.
    ///
    /// # Errors
    /// If PostgreSQL is not installed, or does not start.
    pub async fn start() -> Result<Self> {
        // Not below another temporary folder: the server's user must be able to get there.
        let dir = tempfile::Builder::new()
            .prefix("stripe402-postgres-")
            .tempdir()
            .map_err(Error::io("cannot make a folder for PostgreSQL"))?;
        let user = other_user()?;
        if let Some((_, uid, gid)) = &user {
            chown(dir.path(), Some(*uid), Some(*gid))
                .map_err(Error::io("cannot give PostgreSQL its folder"))?;
        }
        let data = dir.path().join("data");
        let mut init = as_user(user.as_ref().map(|user| user.0.as_str()), "initdb")?;
        init.args(["--username=stripe402", "--auth=trust", "--encoding=UTF8", "--no-sync"])
            .arg("--pgdata")
            .arg(&data)
            .current_dir(dir.path());
        let output = init.output().map_err(Error::io("cannot run initdb"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(Error::Invalid(format!("initdb failed: {said}")));
        }
        let port = ports::free()?;
        let command = as_user(user.as_ref().map(|user| user.0.as_str()), "postgres")?;
        let mut spec =
            Spec::new("PostgreSQL", command.get_program(), dir.path().join("postgres.log"));
        for argument in command.get_args() {
            spec = spec.arg(argument);
        }
        spec = spec.arg("-D").arg(&data).arg("-p").arg(port.to_string());
        let settings =
            ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200"];
        for setting in settings {
            spec = spec.arg("-c").arg(setting);
        }
        let mut process = Process::spawn(spec)?;
        process.wait_ready(&Probe::Tcp(local(port)), STARTS_WITHIN).await?;
        Ok(Self { process, port, _dir: dir })
    }

    /// Its address, as `LEDGER_STORE` takes it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://stripe402@127.0.0.1:{}/postgres", self.port)
    }

    /// The process: to kill or restart it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Starts it again after a kill, and waits until it serves.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn restart(&mut self) -> Result<()> {
        self.process.restart()?;
        self.process.wait_ready(&Probe::Tcp(local(self.port)), STARTS_WITHIN).await
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Asked politely it would wait for every connection to end.
        self.process.kill9();
    }
}

/// PostgreSQL refuses to run as root: then it is run as the user that its package makes.
fn other_user() -> Result<Option<(String, u32, u32)>> {
    if !rustix::process::getuid().is_root() {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd").map_err(Error::io("/etc/passwd"))?;
    for name in ["postgres", "nobody"] {
        let line = users.lines().find(|line| line.split(':').next() == Some(name));
        let ids = line.map(|line| line.split(':').skip(2).take(2).map(str::parse::<u32>));
        let ids: Vec<u32> = ids.into_iter().flatten().flatten().collect();
        if let [uid, gid] = ids.as_slice() {
            return Ok(Some((name.to_owned(), *uid, *gid)));
        }
    }
    Err(Error::Invalid(
        "there is no user to run PostgreSQL as: neither postgres nor nobody".to_owned(),
    ))
}

fn as_user(user: Option<&str>, program: &str) -> Result<Command> {
    let program = find(program)?;
    let Some(user) = user else { return Ok(Command::new(program)) };
    let mut command = Command::new("setpriv");
    // A change of user forgets that the child must die with us.
    command.args(["--reuid", user, "--regid", user, "--init-groups", "--pdeathsig", "KILL"]);
    command.arg(program);
    Ok(command)
}

/// Debian keeps servers out of the search path, one folder per version: the newest counts.
fn find(program: &str) -> Result<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions
        .map(|version| version.path().join("bin").join(program))
        .filter(|path| path.exists())
        .collect();
    let in_path = std::env::var_os("PATH").into_iter().flat_map(|paths| {
        std::env::split_paths(&paths).map(|path| path.join(program)).collect::<Vec<_>>()
    });
    found.sort();
    found.pop().or_else(|| in_path.into_iter().find(|path| path.exists())).ok_or_else(|| {
        Error::Missing {
            program: program.to_owned(),
            path: "/usr/lib/postgresql".into(),
            remedy: REMEDY.to_owned(),
        }
    })
}

//! A process as a handle: started with a log file, waited for, stopped for certain.

mod ready;
mod spawner;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::{Error, Result, log};

pub use ready::Probe;

/// How long a process may take to end after SIGTERM before it is killed.
const GRACE: Duration = Duration::from_secs(10);
/// How often a process that is ending is looked at.
const POLL: Duration = Duration::from_millis(5);
/// How many lines of the log an error carries.
const TAIL: usize = 25;

/// What of our own environment a child gets beside what its [`Spec`] sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inherit {
    /// All of it: for the one process that is configured by the user's own variables.
    All,
    /// Only what any program needs: keys and tokens in our environment stay with us.
    Bare,
}

/// What to start, and where it logs.
#[derive(Debug, Clone)]
pub struct Spec {
    /// How the process is called in messages.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables set for it.
    pub env: BTreeMap<String, String>,
    /// Variables it gets from us.
    pub inherit: Inherit,
    /// Where stdout and stderr go; appended to, so that a restart keeps what was there.
    pub log: PathBuf,
}

impl Spec {
    /// A program without arguments and with a bare environment.
    pub fn new(
        name: impl Into<String>,
        program: impl Into<PathBuf>,
        log: impl Into<PathBuf>,
    ) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            args: Vec::new(),
            env: BTreeMap::new(),
            inherit: Inherit::Bare,
            log: log.into(),
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    fn command(&self) -> Result<Command> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(Error::io(format!("cannot open {}", self.log.display())))?;
        let same = log.try_clone().map_err(Error::io("cannot share the log file"))?;
        let mut command = Command::new(&self.program);
        command.args(&self.args).stdin(Stdio::null()).stdout(log).stderr(same);
        if self.inherit == Inherit::Bare {
            command.env_clear();
            let needed = ["PATH", "HOME", "TMPDIR", "LANG", "TZ", "RUST_LOG", "RUST_BACKTRACE"];
            command.envs(needed.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        }
        // Colours in a file are noise to whoever reads it.
        command.env("NO_COLOR", "1").envs(&self.env);
        Ok(command)
    }
}

/// A running (or stopped) process. Dropping the handle stops it.
#[derive(Debug)]
pub struct Process {
    spec: Spec,
    child: Child,
}

impl Process {
    /// Starts it in a process group of its own: Ctrl-C in a terminal reaches only us, and we stop it in order.
    ///
    /// # Errors
    /// If the log cannot be opened or the program not be started.
    pub fn spawn(spec: Spec) -> Result<Self> {
        let child = start(&spec)?;
        Ok(Self { spec, child })
    }

    /// Starts it again with the same arguments, and so on the same ports; stops it first if it runs.
    ///
    /// # Errors
    /// As [`Process::spawn`].
    pub fn restart(&mut self) -> Result<()> {
        self.stop();
        self.child = start(&self.spec)?;
        Ok(())
    }

    /// Waits until the probe succeeds.
    ///
    /// # Errors
    /// If the process ends before, or the time is over; the error carries the end of the log.
    pub async fn wait_ready(&mut self, probe: &Probe, within: Duration) -> Result<()> {
        let start = Instant::now();
        loop {
            // The process first: its port may be answered by another process that held it before.
            if let Some(status) = self.exited() {
                return Err(self.ended(status));
            }
            let Err(last) = probe.try_once().await else {
                return Ok(());
            };
            if start.elapsed() >= within {
                return Err(Error::NotReady {
                    name: self.spec.name.clone(),
                    within,
                    last,
                    log: self.spec.log.clone(),
                    tail: self.log_tail(),
                });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Asks it to end by SIGTERM, and kills it if it has not ended after ten seconds.
    pub fn stop(&mut self) {
        self.stop_within(GRACE);
    }

    /// Asks it to end by SIGTERM, and kills it if it has not ended after `grace`. Returns whether it ended by itself.
    pub fn stop_within(&mut self, grace: Duration) -> bool {
        if self.exited().is_some() {
            return true;
        }
        self.signal(Signal::TERM);
        // A stopped process would never see the SIGTERM.
        self.signal(Signal::CONT);
        let start = Instant::now();
        while start.elapsed() < grace {
            if self.exited().is_some() {
                return true;
            }
            std::thread::sleep(POLL);
        }
        self.kill9();
        false
    }

    /// Ends it as a crash would: SIGKILL to its whole group, without a word before.
    pub fn kill9(&mut self) {
        if self.exited().is_none() {
            // The child is not reaped yet, so its number still names its group and no other.
            let _gone = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            let _status = self.child.wait();
        }
    }

    /// Holds it still (SIGSTOP): its connections stay open and nothing is answered.
    pub fn pause(&mut self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on after [`Process::pause`].
    pub fn resume(&mut self) {
        self.signal(Signal::CONT);
    }

    /// How it ended, if it has.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// The error that says that it ended by itself.
    #[must_use]
    pub fn ended(&self, status: ExitStatus) -> Error {
        Error::Ended {
            name: self.spec.name.clone(),
            status,
            log: self.spec.log.clone(),
            tail: self.log_tail(),
        }
    }

    /// What was started; changes take effect at the next [`Process::restart`].
    pub fn spec_mut(&mut self) -> &mut Spec {
        &mut self.spec
    }

    /// What was started.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Its number, as the system names it.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The last lines it logged.
    #[must_use]
    pub fn log_tail(&self) -> String {
        log::tail(&self.spec.log, TAIL)
    }

    fn signal(&mut self, signal: Signal) {
        // Only while it is not reaped: afterwards the number may be another process.
        if self.exited().is_none() {
            let _gone = kill_process(Pid::from_child(&self.child), signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

fn start(spec: &Spec) -> Result<Child> {
    spawner::spawn(spec.command()?).map_err(Error::io(format!(
        "cannot start {} ({})",
        spec.name,
        spec.program.display()
    )))
}

#[cfg(test)]
mod tests;

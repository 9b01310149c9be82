//! Starts children that cannot outlive us, even if we are killed.
//!
//! The kernel sends the parent-death signal when the *thread* that started the child ends, and threads of a
//! runtime come and go. So one thread that lives as long as we do starts all of them.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

struct Job {
    command: Command,
    reply: Sender<io::Result<Child>>,
}

static SPAWNER: LazyLock<Sender<Job>> = LazyLock::new(|| {
    let (jobs, inbox) = channel::<Job>();
    // Should the thread not start, the inbox is dropped and every job is refused below.
    let _detached = std::thread::Builder::new().name("spawner".to_owned()).spawn(move || {
        for mut job in inbox {
            let _nobody_waits = job.reply.send(job.command.spawn());
        }
    });
    jobs
});

/// Starts the command in a process group of its own, to be killed when we die.
pub(super) fn spawn(mut command: Command) -> io::Result<Child> {
    command.process_group(0);
    die_with_us(&mut command);
    let (reply, answer) = channel();
    let refused = |_| io::Error::other("the thread that starts processes is gone");
    SPAWNER
        .send(Job { command, reply })
        .map_err(|_| io::Error::other("no thread to start processes"))?;
    answer.recv().map_err(refused)?
}

#[expect(
    unsafe_code,
    reason = "pre_exec has no safe form, and only the child itself can ask for the signal"
)]
fn die_with_us(command: &mut Command) {
    let parent = getpid();
    // SAFETY: the closure runs between fork and exec and makes two system calls; it neither allocates nor locks.
    unsafe {
        command.pre_exec(move || {
            set_parent_process_death_signal(Some(Signal::KILL))?;
            // We may have died before the line above; then nobody will send the signal any more.
            if getppid() == Some(parent) { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
        });
    }
}

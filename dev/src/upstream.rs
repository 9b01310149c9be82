//! The demo API inside the test program, with a record of what reached it.

use std::net::SocketAddr;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::demo_api::{self, Recorder};
use crate::{Error, Result};

/// A running demo API. Dropping it closes its port and its connections.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    recorder: Recorder,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Upstream {
    /// Starts it there.
    ///
    /// # Errors
    /// If the address is taken.
    pub fn start(address: SocketAddr) -> Result<Self> {
        let mut upstream = Self { address, recorder: Recorder::default(), running: None };
        upstream.restart()?;
        Ok(upstream)
    }

    /// Starts it again on the same port.
    ///
    /// # Errors
    /// As [`Upstream::start`].
    pub fn restart(&mut self) -> Result<()> {
        self.stop();
        let (stop, stopped) = oneshot::channel();
        let (ready, started) = std::sync::mpsc::channel();
        let (address, recorder) = (self.address, self.recorder.clone());
        // On a thread of its own: a test that blocks its runtime must not stall the API behind the gateway.
        let thread = std::thread::Builder::new()
            .name("demo-api".to_owned())
            .spawn(move || {
                let _reported = ready.send(run(address, recorder, stopped, &ready));
            })
            .map_err(Error::io("cannot start the demo API's thread"))?;
        started
            .recv()
            .map_err(|_| Error::Invalid("the demo API's thread is gone".to_owned()))??;
        self.running = Some(Running { stop, thread });
        Ok(())
    }

    /// Closes the port and every connection at once, as a crash would.
    pub fn stop(&mut self) {
        if let Some(Running { stop, thread }) = self.running.take() {
            let _ended = stop.send(());
            let _panicked = thread.join();
        }
    }

    /// What reached it.
    #[must_use]
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(
    address: SocketAddr,
    recorder: Recorder,
    stopped: oneshot::Receiver<()>,
    ready: &std::sync::mpsc::Sender<Result<()>>,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::io("cannot start the demo API's runtime"))?;
    runtime.block_on(async {
        let listener = demo_api::listen(address).await?;
        let _waited_for = ready.send(Ok(()));
        tokio::select! {
            served = demo_api::serve(listener, Some(recorder), std::future::pending()) => served,
            // Dropping the runtime drops the connections with it.
            _ = stopped => Ok(()),
        }
    })
}

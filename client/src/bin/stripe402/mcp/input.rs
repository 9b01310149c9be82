//! Standard input, whose end is known while nobody reads.

use std::{io::Read as _, time::Duration};

use tokio::{
    io::{AsyncWriteExt as _, DuplexStream},
    runtime::Handle,
    sync::watch,
    time::Instant,
};

/// Bytes that are read ahead.
const AHEAD: usize = 1 << 20;
/// After the end of the input, what was asked for has so long to be answered.
const LAST: Duration = Duration::from_secs(3);

/// When the input ended.
#[derive(Clone)]
pub(super) struct Ended(watch::Receiver<Option<Instant>>);

impl Ended {
    /// Waits until the input has ended, and the time is over for what was asked for before.
    pub(super) async fn for_good(mut self) {
        // A thread that has gone has seen the end.
        let at = self.0.wait_for(Option::is_some).await.ok().and_then(|at| *at);
        let passed = at.map(|at| at.elapsed()).unwrap_or_default();
        tokio::time::sleep(LAST.saturating_sub(passed)).await;
    }
}

/// Reads in a thread of its own: one that the runtime knows would have to be waited for at the end, until
/// somebody writes.
pub(super) fn start() -> (DuplexStream, Ended) {
    let (reader, mut writer) = tokio::io::duplex(AHEAD);
    let (end, ended) = watch::channel(None);
    let runtime = Handle::current();
    std::thread::spawn(move || {
        let (mut input, mut bytes) = (std::io::stdin().lock(), vec![0; 65_536]);
        while let Ok(count @ 1..) = input.read(&mut bytes) {
            let read = bytes.get(..count).unwrap_or_default();
            if runtime.block_on(writer.write_all(read)).is_err() {
                break;
            }
        }
        end.send_replace(Some(Instant::now()));
    });
    (reader, Ended(ended))
}

//! The parts that run, in the order in which they were started.

use std::time::Duration;

use crate::Error;
use crate::process::Process;

const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What is up. Dropping it stops what is left, last started first.
#[derive(Debug, Default)]
pub(super) struct House {
    parts: Vec<Process>,
}

impl House {
    pub(super) fn add(&mut self, part: Process) {
        self.parts.push(part);
    }

    /// The error of a part that ended by itself, if one has.
    pub(super) fn ended(&mut self) -> Option<Error> {
        self.parts.iter_mut().find_map(|part| part.exited().map(|status| part.ended(status)))
    }

    /// Returns when a part has ended by itself.
    pub(super) async fn watch(&mut self) -> Error {
        loop {
            if let Some(error) = self.ended() {
                return error;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Stops the parts, last started first: nobody asks a part that is already gone.
    pub(super) fn stop(&mut self, mut stopped: impl FnMut(&str)) {
        while let Some(mut part) = self.parts.pop() {
            part.stop();
            stopped(&part.spec().name);
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop(|_| {});
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Spec;

    #[tokio::test]
    async fn names_the_part_that_died_and_stops_the_rest_in_reverse() {
        let dir = tempfile::tempdir().unwrap();
        let mut house = House::default();
        for (name, script) in
            [("one", "exec sleep 1000"), ("two", "echo ouch; exit 7"), ("three", "exec sleep 1000")]
        {
            let spec = Spec::new(name, "/bin/sh", dir.path().join(name)).arg("-c").arg(script);
            house.add(Process::spawn(spec).unwrap());
        }
        let error = house.watch().await.to_string();
        assert!(error.starts_with("two ended by itself (exit status: 7)"), "{error}");
        assert!(error.contains("ouch"), "{error}");
        let mut order = Vec::new();
        house.stop(|name| order.push(name.to_owned()));
        assert_eq!(order, ["three", "two", "one"]);
    }
}

//! How a gateway goes down: one VM, or the whole process.

use std::rc::Rc;

use stripe402_filter::worker::Worker;

use super::{Gateway, Heard};
use crate::world::{End, pass};

impl Gateway {
    /// A VM dies, with everything in it.
    pub fn vm_dies(&self, at: usize) {
        self.world.tell(format_args!("{}", self.name()), format_args!("VM {} dies", at + 1));
        let dead = {
            let mut vm = self.workers[at].borrow_mut();
            vm.life += 1;
            vm.worker = Worker::new(Rc::clone(&self.config));
            let mut streams = self.streams.borrow_mut();
            let of: Vec<_> =
                streams.iter().filter(|(_, live)| live.worker == at).map(|(id, _)| *id).collect();
            of.into_iter().filter_map(|id| streams.remove(&id)).collect::<Vec<_>>()
        };
        self.orphans.borrow_mut().retain(|orphan| orphan.worker != at);
        for live in dead {
            self.world.truth().requests.entry(live.card).or_default().unknown += 1;
            if let Some(tell) = live.tell {
                let _ = tell.send(Heard::Broken);
            }
        }
        self.died_ms.set(Some(self.world.now_ms()));
        self.stir();
    }

    /// The process dies, and starts again after a while.
    pub async fn dies(&self, for_ms: u64) {
        self.world.tell(format_args!("{}", self.name()), format_args!("dies"));
        // What it had not handed over is lost.
        let charges: Vec<_> = {
            let truth = self.world.truth();
            truth
                .charges
                .iter()
                .filter(|(_, of)| of.gateway == self.number && of.end == End::Unserved)
                .map(|(id, _)| *id)
                .collect()
        };
        for id in charges {
            let mut truth = self.world.truth();
            if let Some(minted) = truth.charges.get_mut(&id) {
                minted.end = End::Unknown;
                let card = minted.card;
                truth.requests.entry(card).or_default().unknown += 1;
            }
        }
        self.down.set(true);
        for at in 0..self.workers.len() {
            self.vm_dies(at);
        }
        self.shared.borrow_mut().clear();
        pass(for_ms).await;
        self.down.set(false);
        self.world.tell(format_args!("{}", self.name()), format_args!("starts"));
    }
}

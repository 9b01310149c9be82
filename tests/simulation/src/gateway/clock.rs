//! A gateway's clocks: they go as fast as somebody needs, and stand still while nothing happens.

use std::rc::Rc;

use super::Gateway;
use crate::world::pass;

/// By then what a dead VM left has been given back, in milliseconds.
const INHERITED_MS: u64 = 25_000;

impl Gateway {
    /// What is under way, for whoever wonders why it does not come to rest.
    #[must_use]
    pub fn under_way(&self) -> String {
        let vms: Vec<_> = self.workers.iter().map(|vm| vm.borrow().worker.is_at_rest()).collect();
        format!("streams {}, VMs at rest {vms:?}", self.streams.borrow().len())
    }

    /// Whether nothing is under way in it.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.streams.borrow().is_empty()
            && self.workers.iter().all(|vm| vm.borrow().worker.is_at_rest())
            // What a dead VM left is taken over after ten ticks of another's.
            && self.died_ms.get().is_none_or(|died| self.world.now_ms() > died + INHERITED_MS)
    }

    pub(super) fn stir(&self) {
        self.quiet.set(0);
        self.stirred.notify_one();
    }

    /// Every VM's clock. It stands still while nothing happens: then all of them do.
    pub(super) async fn tick(self: Rc<Self>) {
        let mut pulse = 0_u64;
        loop {
            if self.quiet.get() > 40 * 20 {
                self.stirred.notified().await;
                self.quiet.set(0);
            }
            let busy = !self.streams.borrow().is_empty() || !self.is_at_rest();
            if busy {
                self.quiet.set(0);
            }
            // Fast while somebody waits, as pulses are only of use then.
            let step = if busy { 1 } else { 20 - pulse % 20 };
            pass(50 * step).await;
            pulse += step;
            self.quiet.set(self.quiet.get() + u32::try_from(step).unwrap_or(1));
            if self.down.get() {
                continue;
            }
            for at in 0..self.workers.len() {
                if pulse.is_multiple_of(20) {
                    self.enter(at, None, |worker, proxy| worker.on_tick(proxy));
                } else {
                    self.enter(at, None, |worker, proxy| worker.on_pulse(proxy));
                }
            }
        }
    }
}

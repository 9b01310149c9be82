//! What must hold of trial credit.

use stripe402_ledger::accounting::{Kind, Movement};
use stripe402_protocol::ClientId;

use crate::{agent::fingerprint, world::World};

impl World {
    /// A card has one trial at the most, whatever secret it is known by. Where all requests may have one, it is the
    /// first thing of all: nobody is charged before that. (Only a charge proves a token.)
    pub(super) fn trials_come_first_and_once(&self) {
        for card in 0..self.plan.cards.len() {
            let ids = ["older", "newer"]
                .map(|secret| ClientId::derive(secret.as_bytes(), &fingerprint(card)));
            let own: Vec<Movement> = self.books.with_memory(|memory| {
                let all = memory.movements().iter();
                let own = all.filter(|(key, _)| ids.contains(&key.client));
                own.map(|(_, movement)| movement.clone()).collect()
            });
            let is_trial = |of: &&Movement| {
                let note = of.posting.note.as_deref();
                of.posting.kind == Kind::Grant && note == Some("trial credit")
            };
            let trials = own.iter().filter(is_trial).count();
            if trials > usize::from(self.plan.has_trials()) {
                self.violated("one_trial_for_a_card", format!("card {}: {trials}", card + 1));
            }
            let first = own.first().filter(|first| !is_trial(first));
            if let Some(first) = first
                && self.plan.has_trials()
                && !self.plan.has_tokens()
            {
                let seen = format!("card {}: {first:?}", card + 1);
                self.violated("no_charge_before_the_trial", seen);
            }
        }
    }
}

//! A program that was given a key of somebody's: it asks with that alone.

use std::{rc::Rc, sync::Arc};

use serde_json::json;
use stripe402_protocol::ClientId;

use crate::{
    agent::hear,
    dice::Dice,
    gateway::{Gateway, Heard},
    world::{World, pass},
};

/// A holder of a key.
pub struct KeyHolder {
    world: Arc<World>,
    /// Whose key.
    card: usize,
    name: String,
    payment: String,
    gateways: Vec<Rc<Gateway>>,
    dice: Dice,
}

impl KeyHolder {
    /// Of this key of a card's client.
    #[must_use]
    pub fn new(world: &Arc<World>, card: usize, key: ClientId, gateways: &[Rc<Gateway>]) -> Self {
        let name = format!("key {} of card {}", key.subject(), card + 1);
        let payment = stripe402_protocol::encode(&json!({"clientId": key.to_hex()}));
        let (dice, world) = (world.dice(&name), Arc::clone(world));
        Self { world, card, name, payment, gateways: gateways.to_vec(), dice }
    }

    /// One call, which is served, refused, or given up after some tries.
    pub async fn call(&self) {
        for _ in 0..6 {
            let gateway = self.dice.pick(&self.gateways);
            let hang_up_ms = self.dice.chance(60).then(|| self.dice.span(1, 2_000));
            let Some((stream, told)) = gateway.request(self.card, ("payment", &self.payment))
            else {
                pass(self.dice.between(200, 2_000)).await;
                continue;
            };
            let heard = hear(&self.world, &self.name, gateway, stream, told, hang_up_ms).await;
            let Some(heard) = heard else { return };
            self.world
                .tell(format_args!("{}", self.name), format_args!("asked: {}", heard.shown()));
            match heard {
                Heard::Answer(status, _) if status < 500 => return,
                Heard::Reply(402, ..) => return,
                Heard::Answer(..) | Heard::Broken | Heard::Reply(503, ..) => {
                    pass(self.dice.between(200, 3_000)).await;
                }
                Heard::Reply(status, said, _) => {
                    self.world.violated("answers_make_sense", format!("{status} {said}"));
                    return;
                }
            }
        }
    }
}

//! What the filter asks of Envoy: done at once, or written down to be done after the VM call.

use std::rc::Rc;

use stripe402_filter::{
    gate::EncodedReply,
    host::{CallId, Host, Kept, Message, NoCall, OnlyIf, StreamId},
    metrics::{Counter, Histogram},
};
use stripe402_ledger::clock::Clock as _;
use stripe402_protocol::DeductionId;

use super::{Effect, Proxy, random_of};
use crate::world::{End, Minted};

impl Host for Proxy<'_> {
    fn now_ms(&mut self) -> u64 {
        self.gateway.world.clock(0).now_ms()
    }
    fn random(&mut self) -> Option<[u8; 10]> {
        let (first, second) = (self.gateway.dice.bits(), self.gateway.dice.bits());
        let mut random = [0; 10];
        random[..8].copy_from_slice(&first.to_be_bytes());
        random[8..].copy_from_slice(&second.to_be_bytes()[..2]);
        let gateway = self.gateway;
        if let Some(stream) = self.stream
            && let Some(live) = gateway.streams.borrow_mut().get_mut(&stream)
        {
            // As a charge's id has it: its version and variant take some of the bits.
            let id = DeductionId::mint(0, random);
            live.random.push(random_of(&id));
            let minted =
                Minted { card: live.card, gateway: gateway.number, sure: true, end: End::Unserved };
            gateway.world.truth().charges.insert(random_of(&id), minted);
        }
        Some(random)
    }
    fn set_request_header(&mut self, _: StreamId, _: &str, _: &str) {}
    fn remove_request_header(&mut self, _: StreamId, _: &str) {}
    fn set_response_header(&mut self, stream: StreamId, name: &str, value: &str) {
        if name == stripe402_protocol::PAYMENT_RESPONSE
            && let Some(live) = self.gateway.streams.borrow_mut().get_mut(&stream)
        {
            live.receipt = Some(value.to_owned());
        }
    }
    fn remove_response_header(&mut self, _: StreamId, _: &str) {}
    fn close(&mut self, _: StreamId) {}
    fn add_of_route(&mut self, _: usize, _: &str, _: u64) {}
    fn set_response_trailer(&mut self, _: StreamId, _: &str, _: &str) {}
    fn remove_response_trailer(&mut self, _: StreamId, _: &str) {}
    fn dynamic_metadata(&mut self, _: StreamId, _: &str) -> Option<Vec<u8>> {
        None
    }
    fn reply(&mut self, stream: StreamId, reply: &EncodedReply) {
        self.decisions += 1;
        self.effects.push(Effect::Reply(stream, Rc::new(reply.clone())));
    }
    fn resume(&mut self, stream: StreamId) {
        self.decisions += 1;
        if let Some(live) = self.gateway.streams.borrow_mut().get_mut(&stream) {
            live.resumed = true;
        }
        self.effects.push(Effect::Resume(stream));
    }
    fn response_details(&mut self, _: StreamId) -> Option<String> {
        Some("via_upstream".to_owned())
    }
    fn route_metadata(&mut self, _: StreamId) -> Option<Vec<u8>> {
        None
    }
    fn virtual_host_metadata(&mut self, _: StreamId) -> Option<Vec<u8>> {
        None
    }
    fn route_name(&mut self, _: StreamId) -> Option<String> {
        None
    }
    fn source_address(&mut self, stream: StreamId) -> Option<String> {
        let streams = self.gateway.streams.borrow();
        streams.get(&stream).map(|live| format!("192.0.2.{}", live.card + 1))
    }
    fn reached_upstream(&mut self, stream: StreamId) -> bool {
        self.gateway.streams.borrow().get(&stream).is_some_and(|live| live.reached)
    }
    fn wake(&mut self) {
        self.effects.push(Effect::Wake);
    }
    fn call(&mut self, message: &Message<'_>) -> Result<CallId, NoCall> {
        if !self.gateway.ledgers.iter().any(|ledger| ledger.is_up()) {
            return Err(NoCall::NotSent);
        }
        let id = self.gateway.next.get() + 1;
        self.gateway.next.set(id);
        if message.path == "/v1/payments" {
            self.gateway.card_leaves(self.worker, message.body);
        }
        let (path, body, timeout) = (message.path, message.body.to_vec(), message.timeout);
        self.effects.push(Effect::Call { id, path, body, timeout });
        Ok(id)
    }
    fn keep(&mut self, key: &str, bytes: &[u8], only_if: OnlyIf) -> bool {
        let mut shared = self.gateway.shared.borrow_mut();
        let version = shared.get(key).map(|(_, version)| *version);
        let allowed = match only_if {
            OnlyIf::Any => true,
            OnlyIf::Absent => version.is_none(),
            OnlyIf::Version(expected) => version == Some(expected),
        };
        if allowed {
            shared.insert(key.to_owned(), (bytes.to_vec(), version.unwrap_or(0) + 1));
        }
        allowed
    }
    fn kept(&mut self, key: &str) -> Option<Kept> {
        let shared = self.gateway.shared.borrow();
        shared.get(key).map(|(bytes, version)| Kept { bytes: bytes.clone(), version: *version })
    }
    fn warn(&mut self, text: &str) {
        let gateway = self.gateway;
        gateway.world.tell(format_args!("{}", gateway.name()), format_args!("{text}"));
    }
    fn describe(&mut self, _: StreamId, _: &str) {}
    fn add(&mut self, counter: Counter, by: u64) {
        if counter == Counter::LEASED_UNITS_LOST {
            self.gateway.world.truth().lost += i64::try_from(by).unwrap_or(0);
        }
    }
    fn record(&mut self, _: Histogram, _: u64) {}
}

//! Balances: asked of the ledger one by one, and not too often.

use std::collections::HashMap;

use stripe402_protocol::{
    ChargeId,
    message::{Balance, BalanceAnswer},
};

use super::{Call, Verdict, Worker};
use crate::{
    gate::{Step, Trace, Trouble},
    host::{Host, Message, StreamId},
    metrics::Service,
};

const MINUTE_MS: u64 = 60_000;
/// More addresses in one minute than that are told to come back later.
const MOST_ADDRESSES: usize = 10_000;
/// More questions than that are not under way at once.
const MOST_UNDER_WAY: usize = 100;

/// Who asked how often in this minute.
#[derive(Debug, Default)]
pub(super) struct Balances {
    since_ms: u64,
    asked: HashMap<String, u32>,
}

/// Who counts as one: an IPv4 address, or the network of 64 bits that one subscriber has of IPv6
/// (RFC 6177, section 2). Envoy writes each address in one way only (RFC 5952).
fn subscriber(address: String) -> String {
    let bare = address.trim_start_matches('[').trim_end_matches(']');
    if !bare.contains(':') {
        return address;
    }
    // An address of IPv4 inside one of IPv6 (RFC 4291, section 2.5.5) is the former's.
    if let Some((_, last)) = bare.rsplit_once(':').filter(|(_, last)| last.contains('.')) {
        return last.to_owned();
    }
    let (head, tail) = bare.split_once("::").unwrap_or((bare, ""));
    let groups = |part: &str| part.split(':').filter(|group| !group.is_empty()).count();
    let zeros = 8_usize.saturating_sub(groups(head).saturating_add(groups(tail)));
    let all = head.split(':').chain(core::iter::repeat_n("0", zeros)).chain(tail.split(':'));
    let network: Vec<&str> = all.filter(|group| !group.is_empty()).take(4).collect();
    network.join(":")
}

impl Balances {
    /// Whether an address may ask once more.
    fn may_ask(&mut self, address: String, most: u32, now_ms: u64) -> bool {
        if now_ms.saturating_sub(self.since_ms) >= MINUTE_MS {
            self.since_ms = now_ms;
            self.asked.clear();
        }
        if self.asked.len() >= MOST_ADDRESSES && !self.asked.contains_key(&address) {
            return false;
        }
        let asked = self.asked.entry(address).or_default();
        *asked = asked.saturating_add(1);
        *asked <= most
    }
}

impl Worker {
    pub(super) fn ask(&mut self, host: &mut impl Host, id: StreamId, question: Balance) -> Verdict {
        let most = self.config.discovery.as_ref().map_or(0, |found| found.balances_per_minute);
        let address = subscriber(host.source_address(id).unwrap_or_default());
        let waiting = self.questions.len().saturating_add(self.count(Service::Balance));
        let now_ms = host.now_ms();
        if waiting >= MOST_UNDER_WAY || !self.balances.may_ask(address, most, now_ms) {
            let step = self.streams.get_mut(&id).map(|stream| stream.too_many());
            return step
                .map_or(Verdict::Hold, |step| self.take(host, id, step, Trace::default(), false));
        }
        self.questions.push_back((id, question));
        self.wake(host);
        Verdict::Hold
    }

    pub(super) fn call_balance(
        &mut self,
        host: &mut impl Host,
        stream: StreamId,
        question: &Balance,
    ) {
        let Some(id) = self.streams.get(&stream).and_then(|waiting| waiting.waits_for()) else {
            return;
        };
        let body = serde_json::to_vec(question).unwrap_or_default();
        let message = Message {
            path: "/v1/balance",
            content_type: "application/json",
            body: &body,
            timeout: self.config.ledger.timeout,
            request_id: None,
            trace_parent: None,
        };
        match host.call(&message) {
            Ok(call) => self.under_way(call, Call::Balance { stream, question: id }),
            Err(no_call) => {
                let trouble = self.no_call(host, no_call, Service::Balance);
                self.settle_balance(host, stream, id, Err(trouble));
            }
        }
    }

    pub(super) fn settle_balance(
        &mut self,
        host: &mut impl Host,
        id: StreamId,
        question: ChargeId,
        answer: Result<BalanceAnswer, Trouble>,
    ) {
        let step: Option<Step> =
            self.waiting(id, question).and_then(|stream| stream.on_balance(answer));
        if let Some(step) = step {
            self.take(host, id, step, Trace::default(), true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_asks_so_often_in_a_minute_and_no_more() {
        let mut balances = Balances::default();
        let mut ask = |address: &str, now_ms| balances.may_ask(address.to_owned(), 2, now_ms);
        assert!(ask("a", 60_000) && ask("a", 60_001));
        assert!(!ask("a", 60_002), "the third time");
        assert!(ask("b", 60_003), "another one");
        assert!(!ask("a", 119_999));
        assert!(ask("a", 120_000), "another minute");
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        let of = |text: &str| subscriber(text.to_owned());
        for same in ["[2001:db8:1:2::1]", "2001:db8:1:2:3:4:5:6", "[2001:db8:1:2::]"] {
            assert_eq!(of(same), "2001:db8:1:2", "{same}");
        }
        assert_ne!(of("[2001:db8:1:3::1]"), of("[2001:db8:1:2::1]"));
        assert_eq!(of("[::ffff:192.0.2.1]"), of("192.0.2.1"));
        assert_eq!((of("[::1]"), of("[2001:db8::1]")), ("0:0:0:0".into(), "2001:db8:0:0".into()));
        assert_eq!((of("192.0.2.1"), of("")), ("192.0.2.1".to_owned(), String::new()));
    }

    #[test]
    fn many_addresses_do_not_fill_the_memory() {
        let mut balances = Balances::default();
        for number in 0..20_000 {
            balances.may_ask(number.to_string(), 2, 60_000);
        }
        assert_eq!(balances.asked.len(), MOST_ADDRESSES);
        assert!(balances.may_ask("7".to_owned(), 2, 60_000), "one that is known");
    }
}

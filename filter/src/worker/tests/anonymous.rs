//! Requests without a payment, of which an address has a few a day.

use super::*;

fn offering(requests: u32) -> World {
    let json = json!({
        "publishable_key": "pk_test_x",
        "ledger": {"cluster": "ledger"},
        "anonymous": {"requests": requests},
        "routes": [
            {"path": "/a", "price": PRICE},
            {"path": "/few", "price": PRICE, "anonymous": {"requests": 1}},
            {"path": "/mcp", "mcp": {"tools": {"t": PRICE}}},
        ],
    });
    let config = Config::parse(json.to_string().as_bytes()).unwrap();
    World { worker: Worker::new(Rc::new(config)), ..World::new(1_000) }
}

impl World {
    /// Whether a request of this path passes at once.
    fn passes(&mut self, path: &str) -> bool {
        self.next_stream += 1;
        let headers = [(":method", "GET"), (":path", path)];
        let headers = headers.into_iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let head = Head::read(headers, &Identity::default(), None);
        let verdict = self.worker.on_request(&mut self.host, self.next_stream, &head);
        let replied = self.host.replied.contains_key(&self.next_stream);
        assert_eq!(verdict == Verdict::Hold, replied, "passed or answered, and nothing waits");
        self.worker.on_end(&mut self.host, self.next_stream);
        !replied
    }
}

#[test]
fn an_address_has_so_many_a_day_over_all_routes() {
    let mut world = offering(2);
    assert!(world.passes("/few"));
    assert!(!world.passes("/few"), "it has had one");
    assert!(world.passes("/a"), "a refusal counts nothing");
    assert!(!world.passes("/a"));
    world.host.address = "192.0.2.2";
    assert!(world.passes("/a"), "another address");
    world.host.address = "2001:db8:1:2::1";
    assert!(world.passes("/a") && world.passes("/a"));
    world.host.address = "2001:db8:1:2:ffff::9";
    assert!(!world.passes("/a"), "of the same /64");
    assert!(world.host.calls.is_empty() && !world.host.woken, "the ledger is not asked");
    world.host.now_ms += 86_400_000;
    for _ in 0..20 {
        world.happen(Event::Tick);
    }
    assert!(world.passes("/a"), "another day");
    for _ in 0..20 {
        world.happen(Event::Tick);
    }
    assert_eq!(world.host.counted("stripe402_anonymous"), 6);
    assert_eq!(world.host.counted("stripe402_challenges"), 3);
}

#[test]
fn who_pays_is_never_counted_nor_asked_where_it_comes_from() {
    let mut world = offering(2);
    for _ in 0..5 {
        world.happen(Event::Request);
        world.happen(Event::Turn);
        world.happen(Event::Answer(0));
    }
    assert_eq!((world.ledger.balance, world.host.sources), (500, 0));
    assert!(world.passes("/a") && world.passes("/a") && !world.passes("/a"));
    assert_eq!(world.host.sources, 3);
    // Where nobody passes, nobody is asked.
    let mut world = offering(0);
    assert!(!world.passes("/a"));
    assert_eq!(world.host.sources, 0);
}

#[test]
fn a_call_of_a_tool_is_one_request() {
    let mut world = offering(1);
    for (id, expected) in [(1, Verdict::Continue), (2, Verdict::Hold)] {
        let headers =
            [(":method", "POST"), (":path", "/mcp"), ("content-type", "application/json")];
        let headers = headers.into_iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let head = Head::read(headers, &Identity::default(), None);
        assert_eq!(world.worker.on_request(&mut world.host, id, &head), Verdict::Hold);
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "t", "arguments": {}}});
        let body = call.to_string();
        let verdict = world.worker.on_request_body(&mut world.host, id, body.as_bytes(), true);
        assert_eq!(verdict, expected);
        assert_eq!(world.host.replied.contains_key(&id), expected == Verdict::Hold);
    }
}

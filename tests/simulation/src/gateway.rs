//! One Envoy: worker threads with a VM each, over a host that is a list of what to do next.

mod clock;
mod deaths;
mod metered;
mod proxy;
mod watched;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use serde_json::json;
use stripe402_filter::{
    config::{Config, Identity},
    gate::{EncodedReply, Head, ResponseHead},
    host::{CallId, StreamId},
    worker::{Failed, MOST_DECISIONS, Verdict, Worker},
};
use stripe402_protocol::DeductionId;
use tokio::sync::{Notify, oneshot};

use crate::{
    dice::Dice,
    ledger::Ledger,
    plan::{BLOCK, Fault},
    world::{End, World, pass},
};

/// One Envoy.
pub struct Gateway {
    /// Itself, for tasks.
    me: std::rc::Weak<Self>,
    world: Arc<World>,
    number: usize,
    ledgers: Vec<Rc<Ledger>>,
    config: Rc<Config>,
    dice: Dice,
    workers: Vec<RefCell<Vm>>,
    shared: RefCell<BTreeMap<String, (Vec<u8>, u32)>>,
    streams: RefCell<BTreeMap<StreamId, Live>>,
    /// Charges of card payments whose stream is not known yet.
    orphans: RefCell<Vec<Orphan>>,
    next: Cell<u32>,
    down: Cell<bool>,
    died_ms: Cell<Option<u64>>,
    /// Something is to be done: clocks that stand still go on.
    stirred: Rc<Notify>,
    quiet: Cell<u32>,
}

struct Vm {
    worker: Worker,
    /// Which VM of this thread: an answer for the one before finds nobody.
    life: u32,
    turn: Cell<usize>,
}

/// A stream, and who waits for it.
struct Live {
    worker: usize,
    card: usize,
    random: Vec<[u8; 10]>,
    tell: Option<oneshot::Sender<Heard>>,
    reached: bool,
    resumed: bool,
    decided: u32,
    receipt: Option<String>,
    /// Whether a lease paid for it.
    leased: bool,
    /// Whether it was counted as served.
    counted: bool,
}

/// What an agent hears.
#[derive(Clone, Debug)]
pub enum Heard {
    /// The API answered, with this status, and the gate's receipt.
    Answer(u16, Option<String>),
    /// The gate did; with MPP's challenge, if there was one.
    Reply(u16, serde_json::Value, Option<String>),
    /// The connection broke.
    Broken,
}

enum Effect {
    Wake,
    Call { id: CallId, path: &'static str, body: Vec<u8>, timeout: Duration },
    Reply(StreamId, Rc<EncodedReply>),
    Resume(StreamId),
}

/// A charge of a VM's whose stream only the VM knows.
struct Orphan {
    worker: usize,
    card: usize,
    random: [u8; 10],
}

struct Proxy<'g> {
    gateway: &'g Gateway,
    worker: usize,
    stream: Option<StreamId>,
    effects: Vec<Effect>,
    decisions: usize,
}

impl Gateway {
    /// An Envoy that runs.
    #[must_use]
    pub fn new(world: &Arc<World>, number: usize, ledgers: &[Rc<Ledger>]) -> Rc<Self> {
        let most = world.plan.price;
        let price = if world.plan.is_metered() {
            json!({"most": most, "usage": [{"header": "x-cost"}], "hold_for": "10s"})
        } else {
            json!(most)
        };
        let mut config = json!({
            "publishable_key": "pk_test_x",
            "ledger": {"cluster": "ledger"},
            "routes": [{"path": "/a", "price": price, "min_top_up": BLOCK}],
            "leases": {"enabled": world.plan.is_leased(), "most": "50%"},
            "mpp": {
                "enabled": world.plan.has_tokens(),
                "realm": "api.example.com",
                "network_id": "profile_test_1",
                "secret": "a secret that makes the challenges' ids",
            },
        });
        if world.plan.has_trials() {
            config["trial"] = json!({"units": most * 3, "per": "card", "expires": "1h"});
        }
        let config = Rc::new(Config::parse(config.to_string().as_bytes()).unwrap());
        let vm = |_| {
            RefCell::new(Vm {
                worker: Worker::new(Rc::clone(&config)),
                life: 0,
                turn: Cell::new(0),
            })
        };
        let gateway = Rc::new_cyclic(|me| Self {
            me: me.clone(),
            world: Arc::clone(world),
            number,
            ledgers: ledgers.to_vec(),
            workers: (0..world.plan.workers).map(vm).collect(),
            config: Rc::clone(&config),
            dice: world.dice(&format!("gateway {number}")),
            shared: RefCell::default(),
            streams: RefCell::default(),
            orphans: RefCell::default(),
            next: Cell::new(0),
            down: Cell::new(false),
            died_ms: Cell::new(None),
            stirred: Rc::default(),
            quiet: Cell::new(0),
        });
        tokio::task::spawn_local(Rc::clone(&gateway).tick());
        gateway
    }

    fn name(&self) -> String {
        format!("gateway {}", self.number + 1)
    }

    /// A request; `None` if the gateway is down.
    pub fn request(
        &self,
        card: usize,
        payment: (&str, &str),
    ) -> Option<(StreamId, oneshot::Receiver<Heard>)> {
        if self.down.get() {
            return None;
        }
        self.stir();
        let stream = self.next.get() + 1;
        self.next.set(stream);
        let worker = self.dice.place(self.workers.len());
        let (tell, told) = oneshot::channel();
        let live = Live {
            worker,
            card,
            random: Vec::new(),
            tell: Some(tell),
            reached: false,
            resumed: false,
            decided: 0,
            receipt: None,
            leased: false,
            counted: false,
        };
        self.streams.borrow_mut().insert(stream, live);
        let headers = [(":method", "GET"), (":path", "/a"), payment];
        let headers = headers.into_iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let head = Head::read(headers, &Identity::default(), self.config.credential_header());
        let verdict = self
            .enter(worker, Some(stream), |worker, proxy| worker.on_request(proxy, stream, &head));
        if verdict == Verdict::Continue {
            self.passes_at_once(stream, card);
        }
        Some((stream, told))
    }

    /// The agent has gone.
    pub fn hang_up(&self, stream: StreamId) {
        self.end(stream, None);
    }

    /// Something happens in a VM; what it wants of its host is done after it.
    fn enter<T>(
        &self,
        at: usize,
        stream: Option<StreamId>,
        happens: impl FnOnce(&mut Worker, &mut Proxy<'_>) -> T,
    ) -> T {
        let mut vm = self.workers[at].borrow_mut();
        let mut proxy =
            Proxy { gateway: self, worker: at, stream, effects: Vec::new(), decisions: 0 };
        let done = happens(&mut vm.worker, &mut proxy);
        let Proxy { effects, decisions, .. } = proxy;
        let life = vm.life;
        drop(vm);
        if decisions > MOST_DECISIONS {
            self.world.violated("decisions_in_one_call", format!("{decisions}"));
        }
        for effect in effects {
            self.carry_out(at, life, effect);
        }
        done
    }

    fn carry_out(&self, at: usize, life: u32, effect: Effect) {
        let Some(me) = self.me.upgrade() else { return };
        match effect {
            Effect::Wake => {
                tokio::task::spawn_local(async move {
                    pass(0).await;
                    me.enter_if(at, life, |worker, proxy| worker.on_wake(proxy));
                });
            }
            Effect::Call { id, path, body, timeout } => {
                tokio::task::spawn_local(async move {
                    let answer = me.send(at, path, body, timeout).await;
                    me.enter_if(at, life, |worker, proxy| {
                        worker.on_answer(proxy, id, answer.as_deref().map_err(|failed| *failed));
                    });
                });
            }
            Effect::Reply(stream, reply) => {
                let body = serde_json::from_slice(&reply.body).unwrap_or_default();
                let asks = reply.headers.iter().find(|(name, _)| *name == "www-authenticate");
                let challenge = asks.map(|(_, value)| value.to_string());
                self.decided(stream);
                self.end(stream, Some(Heard::Reply(reply.status, body, challenge)));
            }
            Effect::Resume(stream) => {
                self.decided(stream);
                tokio::task::spawn_local(async move { me.serve(stream).await });
            }
        }
    }

    fn enter_if(&self, at: usize, life: u32, happens: impl FnOnce(&mut Worker, &mut Proxy<'_>)) {
        if self.down.get() || self.workers[at].borrow().life != life {
            return;
        }
        self.enter(at, None, happens);
    }

    /// One decision per stream.
    fn decided(&self, stream: StreamId) {
        if let Some(live) = self.streams.borrow_mut().get_mut(&stream) {
            live.decided += 1;
            if live.decided > 1 {
                self.world.violated("one_decision", format!("stream {stream}"));
            }
        }
    }

    /// A message to a ledger that Envoy takes for healthy.
    async fn send(
        &self,
        at: usize,
        path: &'static str,
        body: Vec<u8>,
        timeout: Duration,
    ) -> Result<Vec<u8>, Failed> {
        let silent = Failed { status: 504, of_ledger: false, overloaded: false };
        let up: Vec<_> = self.ledgers.iter().filter(|ledger| ledger.is_up()).collect();
        if up.is_empty() {
            return Err(Failed { status: 503, ..silent });
        }
        let turn = self.workers[at].borrow().turn.replace(self.dice.place(up.len()));
        let ledger = Rc::clone(up[turn % up.len()]);
        let cut = self.world.now(|fault| match fault {
            Fault::Cut { gateway, ledger: of, answers }
                if gateway == self.number && of == ledger.number =>
            {
                Some(answers)
            }
            _ => None,
        });
        let late = self.world.now(|fault| (fault == Fault::Jitter).then_some(())).is_some();
        let delay = if late { self.dice.span(1, 3_000) } else { self.dice.below(3) };
        let back = if late { self.dice.span(1, 2_000) } else { self.dice.below(3) };
        let talk = async {
            pass(delay).await;
            if cut == Some(false) {
                std::future::pending::<()>().await;
            }
            let answer = ledger.answer(path, body).await;
            pass(back).await;
            if cut == Some(true) {
                std::future::pending::<()>().await;
            }
            answer
        };
        match tokio::time::timeout(timeout, talk).await {
            Ok(Some(answer)) => answer,
            // The connection broke: the ledger died.
            Ok(None) => Err(Failed { status: 503, ..silent }),
            Err(_elapsed) => {
                self.world.tell(
                    format_args!("{} → ledger {}", self.name(), ledger.number + 1),
                    format_args!("{path}: no answer in time"),
                );
                Err(silent)
            }
        }
    }

    /// The request goes on to the API.
    async fn serve(&self, stream: StreamId) {
        pass(self.dice.below(3)).await;
        let worker = {
            let mut streams = self.streams.borrow_mut();
            let Some(live) = streams.get_mut(&stream) else { return };
            live.reached = true;
            live.worker
        };
        self.check_paid(stream).await;
        pass(self.dice.span(1, 300)).await;
        if !self.streams.borrow().contains_key(&stream) {
            return;
        }
        let status = if self.dice.chance(50) { 500 } else { 200 };
        let head = ResponseHead { status, ..ResponseHead::default() };
        self.enter(worker, Some(stream), |worker, proxy| worker.on_response(proxy, stream, &head));
        self.meter(worker, stream);
        let end = if status < 500 { End::Served } else { End::Unserved };
        self.ends(stream, end);
        let receipt =
            self.streams.borrow_mut().get_mut(&stream).and_then(|live| live.receipt.take());
        self.end(stream, Some(Heard::Answer(status, receipt)));
    }

    /// A stream is over, whoever ended it.
    fn end(&self, stream: StreamId, heard: Option<Heard>) {
        let Some((worker, reached)) =
            self.streams.borrow().get(&stream).map(|live| (live.worker, live.reached))
        else {
            return;
        };
        if heard.is_none() && reached {
            // The API was made to work: that is paid for.
            self.ends(stream, End::Served);
        }
        self.enter(worker, Some(stream), |worker, proxy| worker.on_end(proxy, stream));
        let live = self.streams.borrow_mut().remove(&stream);
        if let (Some(Live { tell: Some(tell), .. }), Some(heard)) = (live, heard) {
            let _ = tell.send(heard);
        }
    }

    /// How the request of a stream ended, for whichever of its charges stands.
    fn ends(&self, stream: StreamId, end: End) {
        let mut streams = self.streams.borrow_mut();
        let Some(live) = streams.get_mut(&stream) else { return };
        let mut truth = self.world.truth();
        if end == End::Served && !std::mem::replace(&mut live.counted, true) {
            truth.requests.entry(live.card).or_default().served += 1;
        }
        // Of several the last: the others were refused, which is why there is another one.
        if let Some(minted) = live.random.last().and_then(|random| truth.charges.get_mut(random))
            && minted.end == End::Unserved
        {
            minted.end = end;
        }
    }
}

pub(crate) fn random_of(id: &DeductionId) -> [u8; 10] {
    let mut random = [0; 10];
    random.copy_from_slice(&id.as_bytes()[6..]);
    random
}

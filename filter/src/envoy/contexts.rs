//! The SDK's contexts: one root per VM and plugin, one per HTTP stream.

use std::{cell::RefCell, rc::Rc};

use proxy_wasm::{
    traits::{Context, HttpContext, RootContext},
    types::{Action, ContextType},
};

use super::{
    abi::{self, Buffer, Level, Map},
    host::EnvoyHost,
};
use crate::{
    config::Config,
    gate::{Head, RequestBodyUse, ResponseHead},
    host::{Host as _, OnlyIf},
    pairs,
    proxy::Release,
    worker::{BodyUse, Failed, Verdict, Worker},
};

/// How often the worker looks whether a call takes long, in milliseconds.
const PULSE: u32 = 50;
/// Pulses in a tick: voids that a ledger in trouble could not take wait for so long.
const PULSES: u32 = 20;
/// How many ticks a configuration that was replaced has to hand over its voids.
const LEAVING_TICKS: u32 = 600;
/// Kept at the start, to see whether the host keeps anything.
const PROBE: &str = "stripe402/probe";
/// The largest answer that is read, in bytes: a batch's is some 100 bytes per deduction.
const LARGEST_ANSWER: usize = 1 << 20;

/// What root and streams share: one thread, one VM.
struct Shared {
    worker: Worker,
    host: EnvoyHost,
    /// Pulses until the next tick.
    pulses: u32,
    /// Ticks that are left to hand over voids, once this configuration has been replaced.
    leaving: Option<u32>,
}

impl Shared {
    /// Whether this pulse makes a tick full.
    const fn ticks(&mut self) -> bool {
        self.pulses = self.pulses.saturating_sub(1);
        let full = self.pulses == 0;
        if full {
            self.pulses = PULSES;
        }
        full
    }
}

/// The root context.
pub(super) struct Root {
    id: u32,
    shared: Option<Rc<RefCell<Shared>>>,
}

/// One HTTP stream.
struct Gate {
    id: u32,
    shared: Option<Rc<RefCell<Shared>>>,
    /// Bytes of the request's body that were read and are held back: the host shows them again.
    held: usize,
    /// Whether they came before the request was paid for.
    early: bool,
}

impl Root {
    pub(super) fn new(id: u32) -> Self {
        Self { id, shared: None }
    }

    /// Reads the configuration; says what is wrong with it.
    fn configure(&self) -> Result<Shared, String> {
        let json = abi::buffer(Buffer::PLUGIN_CONFIGURATION, usize::MAX).unwrap_or_default();
        let config = Config::parse(&json).map_err(|error| error.to_string())?;
        let variable = &config.ledger.token_env;
        let token = std::env::var(variable).ok().filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| {
            format!(
                "ledger.token_env: {variable} is not set; set it in Envoy's environment and name \
                 it in vm_config.environment_variables.host_env_keys"
            )
        })?;
        let mut host = EnvoyHost::new(self.id, config.ledger.cluster.clone(), &token);
        if !host.register_queue() {
            return Err("the host gives no shared queue or no random bytes".to_owned());
        }
        if !host.keep(PROBE, b"1", OnlyIf::Any) || host.kept(PROBE).is_none() {
            return Err("the host keeps no shared data, so what this VM has in progress would be \
                        lost with it"
                .to_owned());
        }
        if !abi::set_tick(PULSE) {
            return Err("the host gives no timer".to_owned());
        }
        let rules = config.routes.rules().len();
        match release() {
            Some(release) => {
                release.check()?;
                abi::log(Level::INFO, &format!("configured: {rules} rules, on Envoy {release}"));
            }
            None => abi::log(
                Level::WARN,
                &format!("configured: {rules} rules, on a proxy that does not tell its release"),
            ),
        }
        if let Some(warning) = config.warning() {
            abi::log(Level::WARN, warning);
        }
        Ok(Shared { worker: Worker::new(Rc::new(config)), host, pulses: PULSES, leaving: None })
    }

    fn with<T: Default>(&self, act: impl FnOnce(&mut Worker, &mut EnvoyHost) -> T) -> T {
        enter(self.shared.as_ref(), self.id, act)
    }
}

/// Which Envoy this is: the version of the node, as its bootstrap or its build says it.
fn release() -> Option<Release> {
    const VERSION: &[u8] = b"xds\0node\0user_agent_build_version\0version\0";
    let number = |name: &[u8]| abi::property(&[VERSION, name].concat());
    Release::read(&number(b"major_number")?, &number(b"minor_number")?)
}

/// Runs the rules in a callback of a context.
fn enter<T: Default>(
    shared: Option<&Rc<RefCell<Shared>>>,
    context: u32,
    act: impl FnOnce(&mut Worker, &mut EnvoyHost) -> T,
) -> T {
    // Host calls never call back into the VM before they return, so it is never borrowed twice.
    let Some(Ok(mut shared)) = shared.map(|shared| shared.try_borrow_mut()) else {
        return T::default();
    };
    let Shared { worker, host, .. } = &mut *shared;
    host.entered(context);
    let result = act(worker, host);
    host.leave(context);
    result
}

impl Context for Root {
    fn on_http_call_response(
        &mut self,
        token: u32,
        _headers: usize,
        body: usize,
        _trailers: usize,
    ) {
        // A call that failed comes back without headers.
        let headers = abi::headers(Map::CALL_RESPONSE).unwrap_or_default();
        let header = |wanted: &[u8]| {
            pairs::read(&headers).find(|(name, _)| *name == wanted).map(|(_, value)| value)
        };
        let status = header(b":status").and_then(|value| core::str::from_utf8(value).ok());
        let status = status.and_then(|status| status.parse().ok()).unwrap_or(0);
        // The ledger says every error in JSON, which Envoy does not.
        let json =
            header(b"content-type").is_some_and(|kind| kind.starts_with(b"application/json"));
        let overloaded = header(b"x-envoy-overloaded").is_some();
        let failed = Failed { status, of_ledger: json, overloaded };
        let body = if status == 200 {
            abi::buffer(Buffer::CALL_RESPONSE, body.min(LARGEST_ANSWER)).ok_or(failed)
        } else {
            Err(failed)
        };
        self.with(|worker, host| worker.on_answer(host, token, body.as_deref().map_err(|f| *f)));
    }

    /// This configuration has been replaced, and its streams are over. Its voids are still to be
    /// handed over.
    fn on_done(&mut self) -> bool {
        let Some(Ok(mut shared)) = self.shared.as_ref().map(|shared| shared.try_borrow_mut())
        else {
            return true;
        };
        let Shared { worker, host, .. } = &mut *shared;
        if worker.is_at_rest() {
            worker.close(host);
            return true;
        }
        shared.leaving = Some(LEAVING_TICKS);
        false
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        match self.configure() {
            Ok(shared) => {
                self.shared = Some(Rc::new(RefCell::new(shared)));
                true
            }
            Err(problem) => {
                abi::log(Level::CRITICAL, &problem);
                false
            }
        }
    }

    fn on_queue_ready(&mut self, queue: u32) {
        let ours = self.with(|_, host| host.queue() == Some(queue));
        if !ours {
            return;
        }
        while abi::dequeue(queue).is_some() {}
        self.with(|worker, host| worker.on_wake(host));
    }

    fn on_tick(&mut self) {
        let shared = self.shared.as_ref().map(|shared| shared.try_borrow_mut());
        let ticks = shared.is_some_and(|shared| shared.is_ok_and(|mut shared| shared.ticks()));
        if !ticks {
            return self.with(|worker, host| worker.on_pulse(host));
        }
        self.with(|worker, host| worker.on_tick(host));
        if let Some(Ok(mut shared)) = self.shared.as_ref().map(|shared| shared.try_borrow_mut())
            && let Some(left) = shared.leaving
        {
            shared.leaving = left.checked_sub(1);
            if shared.worker.is_at_rest() || left == 0 {
                let Shared { worker, host, .. } = &mut *shared;
                worker.close(host);
                shared.leaving = None;
                abi::done();
            }
        }
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Gate { id, shared: self.shared.clone(), held: 0, early: false }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Gate {
    fn with<T: Default>(&self, act: impl FnOnce(&mut Worker, &mut EnvoyHost) -> T) -> T {
        enter(self.shared.as_ref(), self.id, act)
    }
}

impl Gate {
    /// The next piece of the request's body, of which the host shows `size` bytes in all.
    fn on_piece(&mut self, size: usize, chunk: &[u8], end: bool) -> Action {
        let id = self.id;
        match self.with(|worker, host| Some(worker.on_request_body(host, id, chunk, end))) {
            Some(Verdict::Continue) if !self.early => {
                self.held = 0;
                Action::Continue
            }
            _ => {
                self.held = size;
                Action::Pause
            }
        }
    }

    /// An answer that was cut off must not end in order: who reads it would take it for whole, and over
    /// HTTP/1.1 the next answer for its rest. It is reset at the next pulse.
    const fn cut_off(&self, end: bool) -> Action {
        if end { Action::Pause } else { Action::Continue }
    }
}

impl Context for Gate {}

impl HttpContext for Gate {
    fn on_http_request_headers(&mut self, _count: usize, end: bool) -> Action {
        let Some(headers) = abi::headers(Map::REQUEST) else {
            // What cannot be read cannot be priced.
            abi::log(Level::WARN, "a request without headers was refused");
            abi::reply(500, None, "stripe402_no_headers", &[], b"");
            return Action::Pause;
        };
        #[cfg(feature = "trap")]
        if pairs::read(&headers).any(|(name, _)| name == b"x-stripe402-trap") {
            core::arch::wasm32::unreachable();
        }
        let verdict = self.with(|worker, host| {
            let config = Rc::clone(worker.config());
            let head = Head { ends: end, ..Head::read(pairs::read(&headers), &config.identity) };
            Some(worker.on_request(host, self.id, &head))
        });
        match verdict {
            Some(Verdict::Continue) => Action::Continue,
            Some(Verdict::Hold) => Action::Pause,
            // Never free by accident: a stream without a worker is refused.
            None => {
                abi::log(Level::CRITICAL, "a request met no configured worker and was refused");
                abi::reply(500, None, "stripe402_not_configured", &[], b"");
                Action::Pause
            }
        }
    }

    /// A piece is held back only while the request's unit prices are not known.
    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        match self.with(|worker, _| worker.request_body_use(self.id)) {
            RequestBodyUse::Nothing => return Action::Continue,
            RequestBodyUse::Wait => return Action::Pause,
            RequestBodyUse::WaitAndRead => self.early = true,
            // What was held back before went on with the head.
            RequestBodyUse::Read if core::mem::take(&mut self.early) => self.held = 0,
            RequestBodyUse::Read => {}
        }
        let new = size.saturating_sub(self.held);
        let chunk = abi::buffer_from(Buffer::REQUEST_BODY, self.held, new).unwrap_or_default();
        self.on_piece(size, &chunk, end)
    }

    /// Trailers can carry what headers must not. They end the body.
    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        if let Some(trailers) = abi::headers(Map::REQUEST_TRAILERS) {
            self.with(|worker, _| {
                let config = Rc::clone(worker.config());
                for name in Head::read(pairs::read(&trailers), &config.identity).remove {
                    abi::remove_header(Map::REQUEST_TRAILERS, name);
                }
            });
        }
        match self.with(|worker, _| worker.request_body_use(self.id)) {
            RequestBodyUse::Nothing => Action::Continue,
            RequestBodyUse::Wait => Action::Pause,
            waits_or_reads => {
                self.early = waits_or_reads == RequestBodyUse::WaitAndRead;
                let held_back = self.held > 0;
                let action = self.on_piece(self.held, b"", true);
                // Trailers that pass leave the body behind that was held back (Envoy 1.40,
                // `commonHandleAfterTrailersCallback`): all of it is resumed instead.
                if action == Action::Continue && held_back {
                    self.with(|_, host| host.resume(self.id));
                    return Action::Pause;
                }
                action
            }
        }
    }

    fn on_http_response_headers(&mut self, _count: usize, end: bool) -> Action {
        // Envoy hands our own replies in here, too: their headers need no second look.
        if self.with(|worker, _| worker.wants_response(self.id))
            && let Some(headers) = abi::headers(Map::RESPONSE)
        {
            let head = ResponseHead::read(pairs::read(&headers));
            self.with(|worker, host| {
                worker.on_response(host, self.id, &head);
                if worker.body_use(self.id) == BodyUse::Measure {
                    worker.on_metered_head(host, self.id, pairs::read(&headers), end);
                }
            });
        }
        Action::Continue
    }

    /// Whatever is read of a body, it passes at once, but for what nobody pays for.
    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        match self.with(|worker, _| worker.body_use(self.id)) {
            BodyUse::Nothing => {}
            BodyUse::Drop => {
                abi::replace(Buffer::RESPONSE_BODY, b"");
                return self.cut_off(end);
            }
            BodyUse::Notice if size == 0 => {}
            BodyUse::Notice => self.with(|worker, host| worker.on_data(host, self.id)),
            BodyUse::Measure => {
                let chunk = abi::buffer(Buffer::RESPONSE_BODY, size).unwrap_or_default();
                let id = self.id;
                let instead =
                    self.with(|worker, host| worker.on_metered_body(host, id, &chunk, end));
                if let Some(last) = instead {
                    abi::replace(Buffer::RESPONSE_BODY, &last);
                    return self.cut_off(end);
                }
            }
        }
        Action::Continue
    }

    /// A gRPC API says in its trailers whether it succeeded.
    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        let wanted = self.with(|worker, _| worker.body_use(self.id));
        if wanted == BodyUse::Drop {
            return self.cut_off(true);
        }
        if wanted != BodyUse::Nothing
            && let Some(raw) = abi::headers(Map::RESPONSE_TRAILERS)
        {
            let trailers = ResponseHead::read(pairs::read(&raw));
            self.with(|worker, host| {
                worker.on_trailers(host, self.id, &trailers);
                worker.on_metered_trailers(host, self.id, &trailers, pairs::read(&raw));
            });
        }
        Action::Continue
    }

    fn on_log(&mut self) {
        self.with(|worker, host| worker.on_end(host, self.id));
    }
}

impl Drop for Gate {
    /// In case a host ends a stream without logging it.
    fn drop(&mut self) {
        self.with(|worker, host| worker.on_end(host, self.id));
    }
}

//! The root context: one per VM and plugin.

use std::{cell::RefCell, rc::Rc};

use proxy_wasm::{
    traits::{Context, HttpContext, RootContext},
    types::ContextType,
};

use super::{
    abi::{self, Buffer, Level, Map},
    host::EnvoyHost,
    stream::Gate,
};
use crate::{
    config::Config,
    host::{Host as _, OnlyIf},
    pairs,
    proxy::Release,
    worker::{Failed, Worker},
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
pub(super) struct Shared {
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

impl Root {
    pub(super) fn new(id: u32) -> Self {
        Self { id, shared: None }
    }

    /// Reads the configuration; says what is wrong with it.
    fn configure(&self) -> Result<Shared, String> {
        let json = abi::buffer(Buffer::PLUGIN_CONFIGURATION, usize::MAX).unwrap_or_default();
        let config = Config::parse(&json).map_err(|error| error.to_string())?;
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let config = config.with_secrets(set).map_err(|error| error.to_string())?;
        let variable = &config.ledger.token_env;
        let token = set(variable);
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
pub(super) fn enter<T: Default>(
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
        worker.retire(host);
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
        Some(Box::new(Gate::new(id, self.shared.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

//! One HTTP stream: what Envoy shows of it goes to the worker, and what the worker says is done.

use std::{cell::RefCell, rc::Rc};

use proxy_wasm::{
    traits::{Context, HttpContext},
    types::Action,
};

use super::{
    abi::{self, Buffer, Level, Map},
    contexts::{Shared, enter},
    host::EnvoyHost,
};
use crate::{
    gate::{Head, RequestBodyUse, ResponseHead, is_mirror},
    host::Host as _,
    pairs,
    worker::{BodyUse, Verdict, Worker},
};

/// One HTTP stream.
pub(super) struct Gate {
    id: u32,
    shared: Option<Rc<RefCell<Shared>>>,
    /// Bytes of the request's body that were read and are held back: the host shows them again.
    held: usize,
    /// Whether they came before the request was paid for.
    early: bool,
}

impl Gate {
    pub(super) const fn new(id: u32, shared: Option<Rc<RefCell<Shared>>>) -> Self {
        Self { id, shared, held: 0, early: false }
    }

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
            let headers = pairs::read(&headers);
            let head = Head::read(headers, &config.identity, config.credential_header());
            let head = Head { ends: end, ..head };
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
            RequestBodyUse::Decide => {}
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
        if let Some(raw) = abi::headers(Map::REQUEST_TRAILERS) {
            self.with(|worker, _| {
                let config = Rc::clone(worker.config());
                let trailers = pairs::read(&raw);
                let of = config.credential_header();
                for name in Head::read(trailers, &config.identity, of).remove {
                    abi::remove_header(Map::REQUEST_TRAILERS, name);
                }
                // They were not there when the body was compared with them.
                let names = pairs::read(&raw).map(|(name, _)| name).filter(|name| is_mirror(name));
                for name in names.filter_map(|name| core::str::from_utf8(name).ok()) {
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

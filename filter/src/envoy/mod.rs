//! The proxy-wasm adapter: callbacks in, host calls out, no decisions.

mod abi;
mod contexts;
mod host;
mod stream;

use proxy_wasm::traits::RootContext;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|id| -> Box<dyn RootContext> { Box::new(contexts::Root::new(id)) });
}}

//! The module's exports.

use proxy_wasm::traits::{Context, HttpContext};

struct Nothing;

impl Context for Nothing {}

impl HttpContext for Nothing {}

proxy_wasm::main! {{
    proxy_wasm::set_http_context(|_, _| -> Box<dyn HttpContext> { Box::new(Nothing) });
}}

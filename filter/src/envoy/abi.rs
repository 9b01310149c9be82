//! Host calls of proxy-wasm ABI 0.2.1, each returning `None` where the SDK's would panic.
//!
//! The SDK's own functions panic on statuses that they do not expect and on header values that
//! are not UTF-8, which clients choose; a panic costs a whole worker its VM.
//! `dispatch_http_call` stays the SDK's: it panics at the answer to a call that it does not know of.
//! Source: the ABI's specification (github.com/proxy-wasm/spec, abi-versions/v0.2.1).
#![expect(unsafe_code, reason = "calls into the host; each wrapper states why it is sound")]

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;

/// Which headers.
#[derive(Clone, Copy)]
pub(super) struct Map(u32);

impl Map {
    pub(super) const REQUEST: Self = Self(0);
    pub(super) const REQUEST_TRAILERS: Self = Self(1);
    pub(super) const RESPONSE: Self = Self(2);
    pub(super) const RESPONSE_TRAILERS: Self = Self(3);
    pub(super) const CALL_RESPONSE: Self = Self(6);
}

/// Which bytes.
#[derive(Clone, Copy)]
pub(super) struct Buffer(u32);

impl Buffer {
    pub(super) const REQUEST_BODY: Self = Self(0);
    pub(super) const RESPONSE_BODY: Self = Self(1);
    pub(super) const CALL_RESPONSE: Self = Self(4);
    pub(super) const PLUGIN_CONFIGURATION: Self = Self(7);
}

/// How important a line of the log is.
#[derive(Clone, Copy)]
pub(super) struct Level(u32);

impl Level {
    pub(super) const INFO: Self = Self(2);
    pub(super) const WARN: Self = Self(3);
    pub(super) const CRITICAL: Self = Self(5);
}

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, message: *const u8, size: usize) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, name_size: usize) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        most: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_get_property(
        path: *const u8,
        path_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_set_property(
        path: *const u8,
        path_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, size: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, by: i64) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
    fn proxy_done() -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
    fn proxy_close_stream(stream: u32) -> u32;
    fn proxy_set_buffer_bytes(
        buffer: u32,
        start: usize,
        size: usize,
        data: *const u8,
        data_size: usize,
    ) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
        version: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(
        key: *const u8,
        key_size: usize,
        data: *const u8,
        size: usize,
        version: u32,
    ) -> u32;
    fn proxy_register_shared_queue(name: *const u8, size: usize, queue: *mut u32) -> u32;
    fn proxy_enqueue_shared_queue(queue: u32, data: *const u8, size: usize) -> u32;
    fn proxy_dequeue_shared_queue(queue: u32, data: *mut *mut u8, size: *mut usize) -> u32;
}

/// Takes over what the host wrote. The host allocates through the SDK's
/// `proxy_on_memory_allocate`, which gives out a boxed slice of exactly `size` bytes.
fn returned(status: u32, data: *mut u8, size: usize) -> Option<Vec<u8>> {
    if status != OK {
        return None;
    }
    if data.is_null() {
        return Some(Vec::new());
    }
    // SAFETY: `data` is a boxed slice of `size` bytes, allocated by this module for this call
    // (see above), and nobody else owns it.
    Some(unsafe { Vec::from_raw_parts(data, size, size) })
}

macro_rules! returning {
    ($call:ident($($argument:expr),*)) => {{
        let (mut data, mut size) = (core::ptr::null_mut(), 0_usize);
        // SAFETY: pointers and lengths are of live slices and of the two locals.
        let status = unsafe { $call($($argument,)* &raw mut data, &raw mut size) };
        returned(status, data, size)
    }};
}

macro_rules! plain {
    ($call:ident($($argument:expr),*)) => {{
        // SAFETY: pointers and lengths are of live slices.
        unsafe { $call($($argument),*) == OK }
    }};
}

pub(super) fn log(level: Level, message: &str) {
    // Nothing can be done about a log that does not take a line.
    let _ = plain!(proxy_log(level.0, message.as_ptr(), message.len()));
}

pub(super) fn now_ms() -> u64 {
    let mut nanoseconds = 0;
    // SAFETY: the pointer is of a live local.
    let status = unsafe { proxy_get_current_time_nanoseconds(&raw mut nanoseconds) };
    if status == OK { nanoseconds / 1_000_000 } else { 0 }
}

pub(super) fn set_tick(milliseconds: u32) -> bool {
    plain!(proxy_set_tick_period_milliseconds(milliseconds))
}

pub(super) fn headers(map: Map) -> Option<Vec<u8>> {
    returning!(proxy_get_header_map_pairs(map.0))
}

pub(super) fn set_header(map: Map, name: &str, value: &str) -> bool {
    plain!(proxy_replace_header_map_value(
        map.0,
        name.as_ptr(),
        name.len(),
        value.as_ptr(),
        value.len()
    ))
}

pub(super) fn remove_header(map: Map, name: &str) -> bool {
    plain!(proxy_remove_header_map_value(map.0, name.as_ptr(), name.len()))
}

pub(super) fn buffer(buffer: Buffer, most: usize) -> Option<Vec<u8>> {
    buffer_from(buffer, 0, most)
}

/// Bytes from `start` on.
pub(super) fn buffer_from(buffer: Buffer, start: usize, most: usize) -> Option<Vec<u8>> {
    returning!(proxy_get_buffer_bytes(buffer.0, start, most))
}

/// Puts these bytes in the place of all that the buffer shows.
pub(super) fn replace(buffer: Buffer, bytes: &[u8]) -> bool {
    plain!(proxy_set_buffer_bytes(buffer.0, 0, usize::MAX, bytes.as_ptr(), bytes.len()))
}

/// Resets the response of the effective context.
pub(super) fn close_response() -> bool {
    const RESPONSE: u32 = 1;
    plain!(proxy_close_stream(RESPONSE))
}

/// A property; the path's parts are separated by zero bytes.
pub(super) fn property(path: &[u8]) -> Option<Vec<u8>> {
    returning!(proxy_get_property(path.as_ptr(), path.len()))
}

/// As [`property`]; one that is there and cannot be handed over is empty.
pub(super) fn property_if_there(path: &[u8]) -> Option<Vec<u8>> {
    let (mut data, mut size) = (core::ptr::null_mut(), 0_usize);
    // SAFETY: pointers and lengths are of a live slice and of the two locals.
    let status =
        unsafe { proxy_get_property(path.as_ptr(), path.len(), &raw mut data, &raw mut size) };
    if status == NOT_FOUND {
        return None;
    }
    Some(returned(status, data, size).unwrap_or_default())
}

/// Writes what access logs read as filter state `wasm.<path>`.
pub(super) fn set_property(path: &str, value: &str) -> bool {
    plain!(proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()))
}

/// What a metric does.
#[derive(Clone, Copy)]
pub(super) struct Metric(u32);

impl Metric {
    pub(super) const COUNTER: Self = Self(0);
    pub(super) const HISTOGRAM: Self = Self(2);
}

pub(super) fn define_metric(kind: Metric, name: &str) -> Option<u32> {
    let mut id = 0;
    // SAFETY: pointers and length are of a live slice and a live local.
    let status = unsafe { proxy_define_metric(kind.0, name.as_ptr(), name.len(), &raw mut id) };
    (status == OK).then_some(id)
}

pub(super) fn increment_metric(id: u32, by: i64) -> bool {
    plain!(proxy_increment_metric(id, by))
}

pub(super) fn record_metric(id: u32, value: u64) -> bool {
    plain!(proxy_record_metric(id, value))
}

/// This plugin needs its VM no longer, after it said that it does.
pub(super) fn done() -> bool {
    plain!(proxy_done())
}

pub(super) fn reply(
    status: u16,
    grpc: Option<u8>,
    details: &str,
    headers: &[u8],
    body: &[u8],
) -> bool {
    plain!(proxy_send_local_response(
        u32::from(status),
        details.as_ptr(),
        details.len(),
        body.as_ptr(),
        body.len(),
        headers.as_ptr(),
        headers.len(),
        grpc.map_or(-1, i32::from)
    ))
}

pub(super) fn resume_request() -> bool {
    plain!(proxy_continue_stream(0))
}

pub(super) fn set_effective_context(context: u32) -> bool {
    plain!(proxy_set_effective_context(context))
}

pub(super) fn register_queue(name: &str) -> Option<u32> {
    let mut queue = 0;
    // SAFETY: pointers and length are of a live slice and a live local.
    let status = unsafe { proxy_register_shared_queue(name.as_ptr(), name.len(), &raw mut queue) };
    (status == OK).then_some(queue)
}

pub(super) fn enqueue(queue: u32, data: &[u8]) -> bool {
    plain!(proxy_enqueue_shared_queue(queue, data.as_ptr(), data.len()))
}

pub(super) fn dequeue(queue: u32) -> Option<Vec<u8>> {
    returning!(proxy_dequeue_shared_queue(queue))
}

/// The bytes under a name that all VMs of one `vm_id` share, and their version.
pub(super) fn shared_data(key: &str) -> Option<(Vec<u8>, u32)> {
    let (mut data, mut size, mut version) = (core::ptr::null_mut(), 0_usize, 0_u32);
    // SAFETY: pointers and lengths are of a live slice and of the three locals.
    let status = unsafe {
        proxy_get_shared_data(
            key.as_ptr(),
            key.len(),
            &raw mut data,
            &raw mut size,
            &raw mut version,
        )
    };
    returned(status, data, size).map(|bytes| (bytes, version))
}

/// Sets them. Version 0 stands for any; where nothing is there, every version will do.
pub(super) fn set_shared_data(key: &str, bytes: &[u8], version: u32) -> bool {
    plain!(proxy_set_shared_data(key.as_ptr(), key.len(), bytes.as_ptr(), bytes.len(), version))
}

//! The rows and columns of the table, and what is expected in it.

use std::ops::RangeInclusive;

use super::{
    api::{self, Source},
    call::Protocol,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Done,
    ApiResetBefore,
    ApiResetMidway,
    ClientGoneBefore,
    ClientGoneMidway,
    LedgerAway,
    LedgerKilled,
    VmTrapped,
    GatewayKilled,
}

use Ending::{
    ApiResetBefore, ApiResetMidway, ClientGoneBefore, ClientGoneMidway, Done, GatewayKilled,
    LedgerAway, LedgerKilled, VmTrapped,
};

/// Units for the milliseconds that each call takes at least.
const BETWEEN: i64 = 190;

/// In this order: after the last one there is no gateway.
pub(super) const ENDINGS: [Ending; 9] = [
    Done,
    ApiResetBefore,
    ApiResetMidway,
    ClientGoneBefore,
    ClientGoneMidway,
    LedgerAway,
    LedgerKilled,
    VmTrapped,
    GatewayKilled,
];
pub(super) const OF_A_STORE: [Ending; 3] = [Done, LedgerAway, LedgerKilled];

pub(super) const ROWS: [(Source, Protocol); 11] = [
    (Source::Header, Protocol::Http1),
    (Source::Header, Protocol::Http2),
    (Source::Json, Protocol::Http1),
    (Source::Json, Protocol::Http2),
    (Source::Sse, Protocol::Http1),
    (Source::Sse, Protocol::Http2),
    (Source::Trailer, Protocol::Grpc),
    (Source::Bytes, Protocol::Http1),
    (Source::Bytes, Protocol::Http2),
    (Source::Seconds, Protocol::Http1),
    (Source::Seconds, Protocol::Http2),
];

/// Units that are captured; time is not known to the millisecond.
pub(super) fn expected(source: Source, ending: Ending) -> RangeInclusive<i64> {
    let exact = |units| units..=units;
    let whole = matches!(ending, Done | LedgerAway | LedgerKilled);
    match (ending, source) {
        (ApiResetBefore, _) => exact(0),
        (VmTrapped | GatewayKilled, _) => exact(api::LEAST),
        (_, Source::Seconds) => BETWEEN..=api::EACH * 3,
        (ClientGoneBefore, _) => exact(api::LEAST),
        (_, Source::Header) => exact(api::HEADER),
        (_, Source::Json) if whole => exact(api::TOKENS),
        (_, Source::Sse) if whole => exact(api::TOKENS),
        (_, Source::Sse) => exact(api::TOKENS_FIRST),
        (_, Source::Trailer) if whole => exact(api::TRAILER),
        (_, Source::Bytes) if whole => exact(api::BYTES),
        (_, Source::Bytes) => exact(api::BYTES_FIRST),
        (_, Source::Json | Source::Trailer) => exact(api::LEAST),
    }
}

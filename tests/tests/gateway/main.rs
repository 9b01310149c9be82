//! What the gateway does with a request, through a real Envoy: one file per behaviour.
//!
//! The numbers are those of the protocol, "What the server does with a request on a priced
//! route".
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "all of this is tests, their helpers too"
)]

mod amounts;
mod anonymous;
mod answer;
mod auto_top_up;
mod backup;
mod bad_configuration;
mod bad_input;
mod balance;
mod books;
mod bypass;
mod card;
mod card_testing;
mod challenge;
mod client_gone;
mod client_timeouts;
mod command;
mod concurrency;
mod crash;
mod crash_customers;
mod cut_off;
mod discovery;
mod ecds;
mod exports;
mod express;
mod extensions;
mod failing_api;
mod failover;
mod filter_order;
mod grants;
mod grpc_failures;
mod http3;
mod identity;
mod keys;
mod leases;
mod ledger_trouble;
mod limits;
mod logs;
mod mcp;
mod memory;
mod message_versions;
mod messages;
mod metered;
mod metrics;
mod modes;
mod mpp;
mod nominated;
mod operator;
mod operator_api;
mod operator_holds;
mod operator_page;
mod operator_shapes;
mod other_api;
mod outages;
mod paywall;
mod prices;
#[path = "../deploy/processor.rs"]
mod processor;
mod proof;
mod reconcile;
mod refund_plan;
mod refunds;
mod replicas;
mod restart;
mod rolling_restart;
mod rotate;
mod rotation;
mod rotation_under_load;
mod shipped;
mod silent_ledger;
mod spellings;
mod storms;
mod strangers;
mod streams;
mod streams_at_once;
mod stripe_calls;
mod support_case;
mod tables;
mod test_cards;
mod three_d_secure;
mod traces;
mod trial;
mod unknown_cards;
mod upstream_failures;
mod vm_death;
mod webhooks;
mod x402;

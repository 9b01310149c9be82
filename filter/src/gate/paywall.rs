//! A 402 for a person: a page that sells, pays, and then shows what was bought.
//!
//! It keeps the client id in local storage, which every script of this origin can read, as it could
//! read a cookie.

use super::Reply;
use crate::{
    config::{Discovery, Paywall},
    pricing::EncodedChallenge,
};

/// The whole page. What is filled in is base64, or of letters that need no escaping.
const PAGE: &str = include_str!("paywall.html");
/// Nobody else's page may frame this one and have its button pressed. Nothing more: what was
/// bought is shown in this page's place, and may load what it likes.
const POLICY: &str = "frame-ancestors 'none'";

pub(super) fn page(
    paywall: &Paywall,
    discovery: Option<&Discovery>,
    challenge: EncodedChallenge,
) -> Reply {
    let balance = discovery.map(|discovery| format!("{}/balance", discovery.path));
    let page = PAGE
        .replace("{{challenge}}", &challenge.header)
        .replace("{{stripe}}", &paywall.stripe_js)
        .replace("{{balance}}", &balance.unwrap_or_default());
    Reply::page(challenge, page, POLICY)
}

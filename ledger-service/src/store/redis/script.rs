//! The Lua scripts, and how one is called.

use std::sync::LazyLock;

use redis::{Cmd, Script};
use stripe402_protocol::{Units, message::MOST_LEASES};

use crate::accounting::{HOUR_MS, LOOK_AGAIN_MS, MOST_GRANTS, SPENT_KEPT_MS};

/// A script that is sent once to each server and then called by its hash.
pub(super) struct Source {
    code: String,
    hash: String,
}

impl Source {
    fn new(parts: &[&str]) -> Self {
        let code = parts.concat();
        let hash = Script::new(&code).get_hash().to_owned();
        Self { code, hash }
    }

    /// By its hash: fails with NOSCRIPT on a server that does not have it.
    pub(super) fn by_hash(&self, keys: &[String], arguments: &[Vec<u8>]) -> Cmd {
        call("EVALSHA", &self.hash, keys, arguments)
    }

    /// With its text, which the server then keeps. Unlike SCRIPT LOAD it goes to the one node of a
    /// cluster that was asked, whatever state the others are in.
    pub(super) fn by_text(&self, keys: &[String], arguments: &[Vec<u8>]) -> Cmd {
        call("EVAL", &self.code, keys, arguments)
    }
}

fn call(command: &str, script: &str, keys: &[String], arguments: &[Vec<u8>]) -> Cmd {
    let mut cmd = redis::cmd(command);
    cmd.arg(script).arg(keys.len()).arg(keys).arg(arguments);
    cmd
}

/// The numbers that the accounting in Rust and the one in Lua share.
static CONSTANTS: LazyLock<String> = LazyLock::new(|| {
    [
        ("MOST_UNITS", Units::MAX.to_string()),
        ("MOST_LEASES", MOST_LEASES.to_string()),
        ("MOST_GRANTS", MOST_GRANTS.to_string()),
        ("LOOK_AGAIN_MS", LOOK_AGAIN_MS.to_string()),
        ("SPENT_KEPT_MS", SPENT_KEPT_MS.to_string()),
        ("HOUR_MS", HOUR_MS.to_string()),
    ]
    .map(|(name, value)| format!("local {name} = {value}\n"))
    .concat()
});

const ACCOUNT: &str = include_str!("lua/account.lua");
const HOLDS: &str = include_str!("lua/holds.lua");
const CHARGES: &str = include_str!("lua/charges.lua");
const GRANTS: &str = include_str!("lua/grants.lua");
const MOVEMENT: &str = include_str!("lua/movement.lua");
const TOP_UP: &str = include_str!("lua/top_up.lua");

macro_rules! scripts {
    ($($name:ident = $($part:expr),+;)+) => {
        $(pub(super) static $name: LazyLock<Source> = LazyLock::new(|| Source::new(&[$($part),+]));)+
    };
}

scripts! {
    BATCH = &CONSTANTS, ACCOUNT, HOLDS, CHARGES, include_str!("lua/batch.lua");
    KEY_STEP = &CONSTANTS, ACCOUNT, HOLDS, CHARGES, include_str!("lua/key_step.lua");
    ROTATE = include_str!("lua/rotate.lua");
    CHANGE_KEY = include_str!("lua/change_key.lua");
    SETTLE_HOLDS = &CONSTANTS, ACCOUNT, HOLDS, include_str!("lua/settle_holds.lua");
    POST = &CONSTANTS, ACCOUNT, GRANTS, MOVEMENT, include_str!("lua/post.lua");
    POST_TOGETHER = &CONSTANTS, ACCOUNT, GRANTS, MOVEMENT, include_str!("lua/post_together.lua");
    BALANCE = &CONSTANTS, ACCOUNT, GRANTS, include_str!("lua/balance.lua");
    EXPIRE_GRANTS = &CONSTANTS, ACCOUNT, GRANTS, MOVEMENT, include_str!("lua/expire_grants.lua");
    READ = &CONSTANTS, ACCOUNT, include_str!("lua/read.lua");
    RECALL_LEASES = &CONSTANTS, ACCOUNT, include_str!("lua/recall_leases.lua");
    OPEN_TOP_UP = &CONSTANTS, ACCOUNT, TOP_UP, include_str!("lua/open_top_up.lua");
    ADVANCE_TOP_UP = &CONSTANTS, ACCOUNT, GRANTS, MOVEMENT, TOP_UP, include_str!("lua/advance_top_up.lua");
    CUSTOMER = &CONSTANTS, ACCOUNT, include_str!("lua/customer.lua");
    CARD_CHARGE = include_str!("lua/card_charge.lua");
    CARD_VOID = include_str!("lua/card_void.lua");
    APPEND_TO_AUDIT = include_str!("lua/audit.lua");
    WITHIN = include_str!("lua/within.lua");
    FORGET_TOP_UP = &CONSTANTS, ACCOUNT, TOP_UP, include_str!("lua/forget_top_up.lua");
    FORGET_NAME = include_str!("lua/forget_name.lua");
    ON_REPLICA = include_str!("lua/on_replica.lua");
    NAME_ON_REPLICA = include_str!("lua/name_on_replica.lua");
}

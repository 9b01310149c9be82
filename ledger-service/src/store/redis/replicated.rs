//! What a failover must not forget: a replica has it before Stripe hears of it.
//!
//! WAIT covers what its own connection wrote, and holds up all that comes after it there. So there
//! is a connection for it alone: it writes what must not be forgotten once more, on the node that
//! has it, and waits for the replicas of that node. Their stream is in order: with the second
//! writing they have the first one, and everything before.

use std::{collections::BTreeSet, sync::Mutex, time::Duration};

use futures_util::future::try_join_all;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, ServerErrorKind, Value};
use stripe402_protocol::ClientId;

use super::{
    super::StoreError,
    Redis,
    connection::Connection,
    keys::{self, ClientKeys, UNFINISHED},
    script::{NAME_ON_REPLICA, ON_REPLICA},
};
use crate::accounting::{AccountKey, Kind, TopUp, TopUpId};

/// So many masters that had replicas are remembered: more than a cluster can have.
const REMEMBERED: usize = 1024;
/// In place of a master's name where INFO is not allowed.
const NAMELESS: &str = "";

/// How many replicas must have what is about to be acted on at Stripe, and how long that may take.
#[derive(Clone, Copy, Debug)]
pub struct WaitOptions {
    /// `None`: one, of a master that has any or had some.
    pub replicas: Option<u32>,
    /// After that, the answer is that the store is unavailable.
    pub timeout: Duration,
}

impl WaitOptions {
    /// For as long as a transaction may take, half of it at most.
    #[must_use]
    pub fn within(replicas: Option<u32>, store_timeout: Duration) -> Self {
        let half = store_timeout.checked_div(2).unwrap_or(store_timeout);
        Self { replicas, timeout: half.min(Duration::from_millis(500)) }
    }
}

/// Waits for replicas.
pub(super) struct Replicas {
    connection: Connection,
    options: WaitOptions,
    /// Masters, by the names of their histories (`master_replid`), that had replicas. One that is
    /// promoted begins a new history, and has none at first. One that was put aside and does not know
    /// yet keeps its own, and must not be believed to have none.
    seen: Mutex<BTreeSet<String>>,
}

/// What a master says of its replicas.
struct Known {
    history: String,
    replicas: u32,
}

impl Replicas {
    pub(super) fn new(connection: Connection, options: WaitOptions) -> Self {
        Self { connection, options, seen: Mutex::default() }
    }

    /// Repeats these writings, each on its node, and waits until replicas have them. Each answers 0
    /// if what it repeats is not there.
    async fn have(&self, writings: Vec<Cmd>) -> Result<(), StoreError> {
        if self.options.replicas == Some(0) {
            return Ok(());
        }
        if !self.connection.is_cluster() {
            return self.node_has(&writings).await;
        }
        try_join_all(writings.iter().map(|one| self.node_has(core::slice::from_ref(one))))
            .await
            .map(drop)
    }

    async fn node_has(&self, writings: &[Cmd]) -> Result<(), StoreError> {
        let (needed, history) = match self.options.replicas {
            Some(needed) => (needed, None),
            None => match self.known(writings).await? {
                // It cannot fail over: there is nothing to fail over to.
                Some(known) if known.replicas == 0 && !self.had(&known.history) => return Ok(()),
                Some(known) => (1, Some(known.history)),
                None => (1, Some(NAMELESS.to_owned())),
            },
        };
        // Zero would be for ever.
        let most = u64::try_from(self.options.timeout.as_millis()).unwrap_or(u64::MAX).max(1);
        let mut wait = redis::cmd("WAIT");
        wait.arg(needed).arg(most);
        let have: u32 = self.repeat(writings, wait).await?.map_err(|error| said(&error))?;
        if have >= needed {
            self.remember(history);
            return Ok(());
        }
        if history.as_deref() == Some(NAMELESS) && !self.had(NAMELESS) {
            return Ok(());
        }
        metrics::counter!("stripe402_redis_waits_failed_total").increment(1);
        Err(StoreError::Unavailable(format!(
            "Redis: {have} of {needed} replicas had a record of a card charge within {:?}; \
             Stripe is not asked",
            self.options.timeout
        )))
    }

    /// What the master says that has these writings; `None` if INFO is not allowed there.
    async fn known(&self, writings: &[Cmd]) -> Result<Option<Known>, StoreError> {
        let mut info = redis::cmd("INFO");
        info.arg("replication");
        let said: String = match self.repeat(writings, info).await? {
            Ok(said) => said,
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) => {
                return Ok(None);
            }
            Err(error) => return Err(said(&error)),
        };
        let value = |name: &str| {
            let mut lines = said.lines().filter_map(|line| line.trim().split_once(':'));
            lines.find(|(of, _)| *of == name).map(|(_, value)| value)
        };
        let replicas = value("connected_slaves").and_then(|count| count.parse().ok());
        let (Some(replicas), Some(history)) = (replicas, value("master_replid")) else {
            return Err(StoreError::Unavailable("Redis does not tell of its replicas".to_owned()));
        };
        let known = Known { history: history.to_owned(), replicas };
        self.remember((replicas > 0).then(|| known.history.clone()));
        Ok(Some(known))
    }

    /// The writings and a command after them, on one connection to one node; the answer to the
    /// command, if all that was written is there.
    async fn repeat<T: redis::FromRedisValue>(
        &self,
        writings: &[Cmd],
        last: Cmd,
    ) -> Result<Result<T, RedisError>, StoreError> {
        let mut pipeline = Pipeline::with_capacity(writings.len().saturating_add(1));
        for writing in writings {
            pipeline.add_command(writing.clone());
        }
        pipeline.add_command(last);
        let mut answers = self.connection.pipeline(&pipeline).await?;
        let last = answers.pop().unwrap_or(Value::Nil);
        if answers.len() != writings.len() {
            return Err(StoreError::Unavailable("Redis answered too little".to_owned()));
        }
        for answer in answers {
            let answer = answer.extract_error().map_err(|error| said(&error))?;
            if answer == Value::Int(0) {
                return Err(StoreError::Unavailable(
                    "Redis forgot a record of a card charge in a failover".to_owned(),
                ));
            }
        }
        Ok(last.extract_error().and_then(|value| Ok(T::from_redis_value(value)?)))
    }

    fn had(&self, history: &str) -> bool {
        self.seen.lock().is_ok_and(|seen| seen.contains(history))
    }

    fn remember(&self, history: Option<String>) {
        if let (Some(history), Ok(mut seen)) = (history, self.seen.lock())
            && seen.insert(history)
            && seen.len() > REMEMBERED
        {
            seen.pop_first();
        }
    }
}

impl Redis {
    /// Waits until replicas have the record of a top-up, and both entries that lead to it. They may lie
    /// on three nodes. An entry that a failover has taken is written again.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: then Stripe must not hear of it.
    pub(super) async fn top_up_is_replicated(&self, top_up: &TopUp) -> Result<(), StoreError> {
        let (client, id) = (top_up.account.client, top_up.id);
        let mut index = redis::cmd("SET");
        index.arg(keys::top_up(&id)).arg(client.to_hex()).arg("KEEPTTL");
        // What does not change is not sent to replicas: so the entry is a millisecond younger.
        let mut list = redis::cmd("ZINCRBY");
        list.arg(UNFINISHED).arg(1).arg(super::top_ups::entry(&client, &id));
        let record = field(ClientKeys::of(&client).top_ups(), &id.to_string());
        self.replicas.have(vec![index, list, record]).await
    }

    /// As [`Redis::top_up_is_replicated`], for the record alone.
    pub(super) async fn record_is_replicated(
        &self,
        client: ClientId,
        id: TopUpId,
    ) -> Result<(), StoreError> {
        let record = field(ClientKeys::of(&client).top_ups(), &id.to_string());
        self.replicas.have(vec![record]).await
    }

    /// As [`Redis::top_up_is_replicated`], for the Stripe customer of a client.
    pub(super) async fn customer_is_replicated(&self, client: ClientId) -> Result<(), StoreError> {
        let customer = field(ClientKeys::of(&client).record(), "stripeCustomerId");
        self.replicas.have(vec![customer]).await
    }

    /// As [`Redis::top_up_is_replicated`], for a key that names something: a client, these books.
    pub(super) async fn name_is_replicated(&self, key: String) -> Result<(), StoreError> {
        self.replicas.have(vec![NAME_ON_REPLICA.by_text(&[key], &[])]).await
    }

    /// Waits until replicas have a movement.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: then Stripe must not hear of it.
    pub(super) async fn movement_is_replicated(
        &self,
        key: AccountKey,
        kind: Kind,
        reference: &str,
    ) -> Result<(), StoreError> {
        let name = format!("{}:{}:{reference}", key.currency, kind.as_str());
        self.replicas.have(vec![field(ClientKeys::of(&key.client).movements(), &name)]).await
    }
}

fn said(error: &RedisError) -> StoreError {
    StoreError::Unavailable(format!("Redis: {error}"))
}

fn field(key: String, name: &str) -> Cmd {
    ON_REPLICA.by_text(&[key], &[name.into()])
}

//! One connection, to a server or to a cluster, that comes back by itself.

use std::{future::Future, sync::Arc, time::Duration};

use redis::{
    Client, Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, ServerErrorKind, Value,
    aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig},
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
};
use tokio::sync::OnceCell;

use super::url::RedisUrl;
use super::{super::StoreError, script::Source};

/// Shared by every transaction: commands of many go over one socket per server, and answers come
/// back in order.
#[derive(Clone)]
pub(super) struct Connection {
    to: To,
    timeout: Duration,
}

#[derive(Clone)]
enum To {
    Server(ConnectionManager),
    /// The cluster's client must have reached a node before it has a connection.
    Cluster(Arc<ClusterClient>, Arc<OnceCell<ClusterConnection>>),
}

impl Connection {
    /// Nothing is sent yet.
    pub(super) fn new(url: &RedisUrl, timeout: Duration) -> Result<Self, StoreError> {
        // A node that swallows what it is sent must leave time to ask another.
        let connecting = timeout.checked_div(2).unwrap_or(timeout);
        let to = if url.is_cluster() {
            let client = ClusterClient::builder(url.nodes().to_vec())
                .connection_timeout(connecting)
                .response_timeout(timeout)
                .build()
                .map_err(unavailable)?;
            To::Cluster(Arc::new(client), Arc::default())
        } else {
            let node = url.nodes().first().map(String::as_str).unwrap_or_default();
            let config = ConnectionManagerConfig::new()
                .set_connection_timeout(Some(connecting))
                .set_response_timeout(Some(timeout))
                .set_min_delay(Duration::from_millis(20))
                .set_max_delay(Duration::from_secs(2));
            let client = Client::open(node).map_err(unavailable)?;
            To::Server(client.get_connection_manager_lazy(config).map_err(unavailable)?)
        };
        Ok(Self { to, timeout })
    }

    /// Whether commands go to several servers.
    pub(super) const fn is_cluster(&self) -> bool {
        matches!(self.to, To::Cluster(..))
    }

    /// Calls a script, and sends it first if the server does not have it.
    pub(super) async fn call<T: FromRedisValue>(
        &self,
        script: &Source,
        keys: &[String],
        arguments: &[Vec<u8>],
    ) -> Result<T, StoreError> {
        self.in_time(async {
            match self.send(&script.by_hash(keys, arguments)).await {
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                    self.send(&script.by_text(keys, arguments)).await
                }
                answer => answer,
            }
        })
        .await
    }

    /// One command.
    pub(super) async fn command<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        self.in_time(self.send(command)).await
    }

    /// Commands on one connection to one node, in this order, and each one's answer or error. Unlike
    /// [`Connection::command`] it does not ask again: what was written over a lost connection may not
    /// be there, and the commands after it would not know.
    pub(super) async fn pipeline(&self, pipeline: &Pipeline) -> Result<Vec<Value>, StoreError> {
        let count = pipeline.len();
        self.in_time(async {
            match &self.to {
                To::Server(manager) => {
                    manager.clone().req_packed_commands(pipeline, 0, count).await
                }
                To::Cluster(client, cell) => {
                    let connection = cell.get_or_try_init(|| client.get_async_connection()).await?;
                    connection.clone().req_packed_commands(pipeline, 0, count).await
                }
            }
        })
        .await
    }

    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        // A key, so that a cluster whose slots are not served is not taken for ready.
        let mut command = redis::cmd("EXISTS");
        command.arg(super::keys::UNFINISHED);
        self.command::<u64>(&command).await.map(drop)
    }

    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout(self.timeout, work).await {
            Ok(answer) => answer.map_err(unavailable),
            Err(_elapsed) => Err(StoreError::Unavailable("Redis did not answer in time".into())),
        }
    }

    /// Every script takes effect once however often it is called, so what a lost connection leaves
    /// in doubt is asked again over a new one.
    async fn send<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisError> {
        match self.send_once(command).await {
            Err(error) if error.is_connection_dropped() => self.send_once(command).await,
            answer => answer,
        }
    }

    async fn send_once<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisError> {
        let value = match &self.to {
            To::Server(manager) => manager.clone().req_packed_command(command).await?,
            To::Cluster(client, cell) => {
                let connection = cell.get_or_try_init(|| client.get_async_connection()).await?;
                connection.clone().req_packed_command(command).await?
            }
        };
        Ok(T::from_redis_value(value.extract_error()?)?)
    }
}

/// Servers answer with codes and command names; neither passwords nor client ids.
fn unavailable(error: RedisError) -> StoreError {
    // A key that holds something else is one client's trouble, not the server's.
    if error.code() == Some("WRONGTYPE") {
        return StoreError::Damaged("a key of Redis holds a value of another type".to_owned());
    }
    StoreError::Unavailable(format!("Redis: {error}"))
}

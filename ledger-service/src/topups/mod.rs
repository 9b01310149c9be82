//! Top-ups: a card is charged once for a block of credits, whatever dies meanwhile.

pub(crate) mod abort;
mod auto;
mod buyer;
mod charged_twice;
pub(crate) mod customer;
mod driver;
mod ownership;
mod saga;
mod settle;
pub(crate) mod under_way;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use tokio::sync::OnceCell;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

pub(crate) use self::abort::PaymentAbort;
use crate::{
    accounting::{KeyHash, TopUpId},
    clock::{Clock, Ids},
    options::PaymentOptions,
    postings::Postings,
    refunds::Refunds,
    store::Store,
    stripe::Provider,
};

/// Carries out top-ups.
pub struct TopUps {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) options: Arc<PaymentOptions>,
    pub(crate) postings: Arc<Postings>,
    pub(crate) refunds: Arc<Refunds>,
    /// Top-ups that this process is carrying out.
    pub(crate) under_way: Mutex<BTreeSet<TopUpId>>,
    /// Keys that it is seeing to.
    pub(crate) running_low: Mutex<BTreeMap<KeyHash, bool>>,
    pub(crate) tasks: TaskTracker,
    /// The name of the books, once it was asked for.
    pub(crate) books: OnceCell<Uuid>,
}

impl std::fmt::Debug for TopUps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TopUps")
    }
}

impl TopUps {
    /// Waits for every top-up that is under way here.
    pub async fn finish(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

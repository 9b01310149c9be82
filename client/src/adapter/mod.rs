//! The rules, carried out with reqwest.

mod balance;
mod body;
mod error;
mod hop;
mod max_price;
mod middleware;
mod part;
mod redirect;
mod settle;
mod trailer;
mod turn;

use std::{pin::Pin, sync::Arc};

use reqwest_middleware::ClientWithMiddleware;
use stripe402_protocol::{PaymentMethodId, Units};

use crate::{
    Policy, PolicyError, Purse, Terms,
    storage::{Memory, Storage, StorageError},
};

pub use balance::Balance;
pub use error::{WalletError, outcome, paid, payment_error};
pub use max_price::MaxPrice;
pub use part::Part;
use settle::Settled;
use turn::Turns;

/// Somebody who is asked for a card.
type Chooser =
    dyn Fn(Terms) -> Pin<Box<dyn Future<Output = Option<PaymentMethodId>> + Send>> + Send + Sync;

/// What pays: a policy, and a place where credentials and budgets are kept. Clones share both.
///
/// ```no_run
/// # async fn example() -> anyhow::Result<()> {
/// use stripe402_client::{Policy, Wallet, paid};
///
/// let wallet = Wallet::new(Policy::card("pm_1".parse()?))?;
/// let client = wallet.client(reqwest::Client::builder())?;
/// let answer = client.get("https://api.example/api/weather").send().await?;
/// println!("{:?}", paid(&answer).map(|paid| paid.credits_remaining));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Wallet {
    policy: Arc<Policy>,
    storage: Arc<dyn Storage>,
    turns: Turns,
    chooser: Option<Arc<Chooser>>,
    redirects: usize,
    asks_price: bool,
    settled: Settled,
}

impl Wallet {
    /// A wallet that remembers as long as the program runs.
    ///
    /// # Errors
    /// [`PolicyError`] where a limit is missing that has no sensible default.
    pub fn new(policy: Policy) -> Result<Self, PolicyError> {
        Self::with_storage(policy, Memory::default())
    }

    /// A wallet that remembers there.
    ///
    /// # Errors
    /// As [`Wallet::new`].
    pub fn with_storage(
        policy: Policy,
        storage: impl Storage + 'static,
    ) -> Result<Self, PolicyError> {
        Ok(Self {
            policy: Arc::new(policy.checked()?),
            storage: Arc::new(storage),
            turns: Turns::default(),
            chooser: None,
            redirects: 10,
            asks_price: false,
            settled: Settled::default(),
        })
    }

    /// Asks for a card where there is none; one call at a time per origin, and the others wait.
    #[must_use]
    pub fn on_payment_required<F>(self, choose: impl Fn(Terms) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Option<PaymentMethodId>> + Send + 'static,
    {
        let policy = Policy { can_ask_for_card: true, ..(*self.policy).clone() };
        let chooser: Arc<Chooser> = Arc::new(move |terms| Box::pin(choose(terms)));
        Self { policy: Arc::new(policy), chooser: Some(chooser), ..self }
    }

    /// How many redirects are followed; 10 unless given.
    #[must_use]
    pub fn redirects(self, most: usize) -> Self {
        Self { redirects: most, ..self }
    }

    /// Asks what a request costs before the first payment of each method and path, in a round trip of its
    /// own. Otherwise a client that is known at an origin pays at once, up to its limits. The purse then
    /// holds the price of everything that was paid for ([`Known::routes`](crate::Known::routes)).
    #[must_use]
    pub fn asks_price(self) -> Self {
        Self { asks_price: true, ..self }
    }

    /// A client that pays. Its own redirect policy is replaced: reqwest would send the `payment`
    /// header along to another origin, so redirects are followed here, without it.
    ///
    /// # Errors
    /// reqwest's, if the client cannot be set up.
    pub fn client(
        &self,
        builder: reqwest::ClientBuilder,
    ) -> Result<ClientWithMiddleware, reqwest::Error> {
        self.builder(builder).map(reqwest_middleware::ClientBuilder::build)
    }

    /// The same, for more middleware between this one and the network.
    ///
    /// # Errors
    /// As [`Wallet::client`].
    pub fn builder(
        &self,
        builder: reqwest::ClientBuilder,
    ) -> Result<reqwest_middleware::ClientBuilder, reqwest::Error> {
        let client = builder.redirect(reqwest::redirect::Policy::none()).build()?;
        self.settled.by(client.clone());
        Ok(reqwest_middleware::ClientBuilder::new(client).with(middleware::Pays(self.clone())))
    }

    /// What is remembered.
    ///
    /// # Errors
    /// The storage's.
    pub fn purse(&self) -> Result<Purse, StorageError> {
        let mut found = Purse::default();
        self.storage.change(&mut |purse| found = purse.clone())?;
        Ok(found)
    }

    /// What the last receipt of an origin (`https://api.example`) said was left.
    ///
    /// # Errors
    /// The storage's.
    pub fn balance(&self, origin: &str) -> Result<Option<Units>, StorageError> {
        let purse = self.purse()?;
        let known = purse.known(origin);
        let currency = self.policy.currency;
        Ok(known.and_then(|known| known.balances.get(currency.as_str()).copied()))
    }
}

//! What a metered request cost: from its answer's trailer, or asked for.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use reqwest::{Client, Url};
use stripe402_protocol::{ClientId, DeductionId, PAYMENT, Payment, VERSION, encode};

use super::{Wallet, WalletError};
use crate::{Error, Hold, Settlement, Settling, is_private, storage::StorageError};

/// For one answer; an address that is silent for so long is asked again, or given up.
const PATIENCE: Duration = Duration::from_secs(2);
/// A settlement is a few hundred bytes.
const MOST: usize = 65_536;
/// How many trailers are remembered: they can be asked for again.
const MOST_REMEMBERED: usize = 64;

/// What trailers said, and by what to ask where there was none.
#[derive(Clone, Default)]
pub(super) struct Settled(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    trailers: BTreeMap<DeductionId, Settlement>,
    network: Option<Client>,
}

impl Settled {
    /// Asks by this client from now on: it has the caller's proxies and certificates, and follows
    /// no redirects.
    pub(super) fn by(&self, network: Client) {
        self.lock().network = Some(network);
    }

    /// That client; before there is one, one that trusts what reqwest does by itself.
    pub(super) fn network(&self) -> Option<Client> {
        let network = self.lock().network.clone();
        let plain = || Client::builder().redirect(reqwest::redirect::Policy::none()).build().ok();
        network.or_else(plain)
    }

    /// A map and a handle are never left half changed.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wallet {
    /// What became of a hold: its answer's trailer says so if there was one, once the body was read to
    /// its end; else its origin is asked, for a few seconds while the hold is still open. A
    /// settlement that is `held` after that can be asked for again later, for as long as the
    /// origin's ledger remembers (7 days by default).
    ///
    /// ```no_run
    /// # async fn example() -> anyhow::Result<()> {
    /// # use stripe402_client::{Policy, Wallet, paid};
    /// # let wallet = Wallet::new(Policy::card("pm_1".parse()?))?;
    /// # let client = wallet.client(reqwest::Client::builder())?;
    /// let answer = client.get("https://api.example/api/chat").send().await?;
    /// let hold = paid(&answer).and_then(|paid| paid.hold.clone());
    /// println!("{}", answer.text().await?);
    /// if let Some(hold) = hold {
    ///     println!("held {}, cost {:?}", hold.amount, wallet.settle(&hold).await?.captured);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Unsettled`] where the origin does not say, or the wallet does not know any more who
    /// it is there; [`Error::NotEncrypted`] where asking would show the client id to others; the
    /// storage's. The whole hold then stays missing from the remembered balance.
    pub async fn settle(&self, hold: &Hold) -> Result<Settlement, WalletError> {
        if let Some(told) = self.settled.lock().trailers.get(&hold.id) {
            return Ok(*told);
        }
        let purse = self.purse()?;
        let client = purse.known(&hold.origin).and_then(|known| known.client_id);
        let client = client.ok_or(Error::Unsettled { status: None })?;
        if !self.policy.allow_http && !is_private(&hold.origin) {
            return Err(Error::NotEncrypted { origin: hold.origin.clone() }.into());
        }
        let began = Instant::now();
        loop {
            let told = self.ask_receipt(hold, client).await;
            let told = told.as_ref().map(|(status, body)| (*status, body.as_str()));
            let waited = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            match self.heard(hold, told, waited)? {
                Settling::Done(settlement) => return Ok(settlement),
                Settling::Again { after } => tokio::time::sleep(Duration::from_millis(after)).await,
                Settling::Fail(error) => return Err(error.into()),
            }
        }
    }

    /// What the trailer of an answer says. A storage that fails now loses no units: the hold stays
    /// open, and can be settled by asking.
    pub(super) fn trailed(&self, hold: &Hold, header: &str) {
        let mut told = None;
        let kept = self.storage.change(&mut |purse| told = hold.trailed(purse, header));
        if let (Ok(()), Some(told)) = (kept, told) {
            let mut settled = self.settled.lock();
            settled.trailers.insert(hold.id, told);
            if settled.trailers.len() > MOST_REMEMBERED {
                settled.trailers.pop_first();
            }
        }
    }

    fn heard(
        &self,
        hold: &Hold,
        told: Option<(u16, &str)>,
        waited: u64,
    ) -> Result<Settling, StorageError> {
        let mut heard = Settling::Fail(Error::OutOfOrder);
        self.storage.change(&mut |purse| heard = hold.heard(purse, told, waited))?;
        Ok(heard)
    }

    /// A status and a body; `None` where there is no answer.
    async fn ask_receipt(&self, hold: &Hold, client: ClientId) -> Option<(u16, String)> {
        let payment = Payment {
            stripe402_version: VERSION,
            client_id: Some(client.to_hex()),
            ..Payment::default()
        };
        let url: Url = hold.origin.parse().ok()?;
        let request = self.settled.network()?.get(url.join(&hold.path()).ok()?);
        let request = request.header(PAYMENT, encode(&payment)).timeout(PATIENCE);
        let mut answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.ok()? {
            if body.len().saturating_add(chunk.len()) > MOST {
                return None;
            }
            body.extend_from_slice(&chunk);
        }
        Some((status, String::from_utf8(body).unwrap_or_default()))
    }
}

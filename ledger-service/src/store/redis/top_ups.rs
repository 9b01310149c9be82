//! Card charges: in the slot of their client, with an index by id and a list of open ones.
//!
//! Index and list are written before the record and cleared after it: what a crash leaves between
//! is an entry without a record, never a record without an entry.

use redis::Cmd;
use stripe402_protocol::{ClientId, Units};

use super::{
    super::StoreError,
    Redis,
    keys::{self, ClientKeys, LATEST, UNFINISHED},
    reply::{Reply, damaged, parse, units},
    script::{ADVANCE_TOP_UP, OPEN_TOP_UP},
};
use crate::accounting::{
    AccountKey, Advance, HOUR_MS, KEY_LIFE_MS, NewTopUp, Opened, State, TopUp, TopUpId,
};

/// An entry of the list whose record is missing for so long was cut off before the record.
const CUT_OFF_MS: u64 = HOUR_MS;

impl Redis {
    /// # Errors
    /// The store's.
    pub(super) async fn open_wanted(&self, wanted: NewTopUp) -> Result<Opened, StoreError> {
        let (id, key) = (wanted.id, wanted.account);
        let entry = entry(&key.client, &id);
        let top_up = TopUp {
            id,
            account: key,
            amount: wanted.amount,
            payment_method: wanted.payment_method,
            card: wanted.card,
            idempotency_key: wanted.idempotency_key,
            created_ms: wanted.now_ms,
            state: State::opened(),
        };
        let mut index = redis::cmd("SET");
        index.arg(keys::top_up(&id)).arg(key.client.to_hex());
        let mut list = redis::cmd("ZADD");
        list.arg(UNFINISHED).arg(self.clock.now_ms()).arg(&entry);
        tokio::try_join!(
            self.connection.command::<()>(&index),
            self.connection.command::<u64>(&list),
            self.list_by_time(&top_up),
        )?;
        let arguments = [
            id.to_string(),
            key.currency.to_string(),
            top_up.amount.to_string(),
            wanted.needed.to_string(),
            top_up.payment_method.as_str().to_owned(),
            json(&top_up.idempotency_key)?,
            wanted.now_ms.to_string(),
            KEY_LIFE_MS.to_string(),
            record(&top_up)?,
        ];
        let mut reply = self.on_top_ups(&OPEN_TOP_UP, &key.client, &arguments).await?;
        let outcome = match reply.text()?.as_str() {
            "new" => {
                let opened = read(&mut reply, key.client)?;
                return self.open_for_certain(opened).await.map(Opened::New);
            }
            "enough" => Opened::Enough,
            "busy" => Opened::Busy(read(&mut reply, key.client)?),
            "repeated" => Opened::Repeated(read(&mut reply, key.client)?),
            "mismatch" => Opened::Mismatch,
            "frozen" => Opened::Frozen,
            "leased" => Opened::Leased,
            "in_debt" => Opened::InDebt(reply.units()?),
            _ => return Err(damaged(&key.client, "an unknown answer to a top-up")),
        };
        if let Opened::Busy(known) | Opened::Repeated(known) = &outcome {
            self.index_again(known).await?;
        }
        self.tidy(redis::cmd("DEL").arg(keys::top_up(&id))).await;
        self.tidy(redis::cmd("ZREM").arg(UNFINISHED).arg(&entry)).await;
        self.tidy(redis::cmd("ZREM").arg(LATEST).arg(&entry)).await;
        Ok(outcome)
    }

    /// A top-up that was just opened, once a failover cannot forget it any more. Else it is given up:
    /// Stripe has not heard of it, and its client may try again at once. If that does not reach Redis
    /// either, it lies there until a replica has it: no ledger asks Stripe before, as each takes a claim.
    async fn open_for_certain(&self, opened: TopUp) -> Result<TopUp, StoreError> {
        let Err(error) = self.top_up_is_replicated(&opened).await else { return Ok(opened) };
        let given_up = self.advance(opened.id, Some(State::opened()), State::Lapsed).await;
        if let Err(error) = given_up {
            tracing::debug!(top_up = %opened.id, %error, "a top-up without a replica stays open");
        }
        Err(error)
    }

    /// The failover of another node may have forgotten whose an unfinished top-up is: then nobody
    /// could drive it, and its account would wait for ever.
    async fn index_again(&self, top_up: &TopUp) -> Result<(), StoreError> {
        if top_up.state.is_finished() {
            return Ok(());
        }
        let mut index = redis::cmd("SET");
        index.arg(keys::top_up(&top_up.id)).arg(top_up.account.client.to_hex()).arg("NX");
        self.connection.command::<Option<String>>(&index).await.map(drop)
    }

    /// A claim is waited for, since whoever holds one asks Stripe. How a top-up ended is not: where
    /// that is forgotten, the record says `Charging` again, and is driven again with the same key, or
    /// by Stripe's list once the key is too old. A PaymentIntent is credited once. Only the list of
    /// what is open lies elsewhere and is not forgotten with it, so a top-up is crossed out there
    /// when a replica knows of its end.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn advance(
        &self,
        id: TopUpId,
        from: Option<State>,
        to: State,
    ) -> Result<Advance, StoreError> {
        let Some(client) = self.owner(&id).await? else {
            return Ok(Advance::Unknown);
        };
        let finished = if to.is_finished() { "1" } else { "0" };
        let mut arguments = vec![
            id.to_string(),
            finished.to_owned(),
            json(&to)?,
            self.uncharged_kept_ms().to_string(),
            json(&from)?,
        ];
        if let State::Credited { payment_intent, amount } = &to {
            // Perhaps it was refused before, and given a time to go.
            let mut keep = redis::cmd("PERSIST");
            self.connection.command::<u64>(keep.arg(keys::top_up(&id))).await?;
            arguments.extend([payment_intent.clone(), amount.to_string()]);
        }
        if to.is_without_charge()
            && let Some(top_up) = self.top_up_of(client, id).await?
        {
            self.list_uncharged(&top_up).await?;
        }
        if let Some(payment_intent) = to.payment_intent()
            && let Some(top_up) = self.top_up_of(client, id).await?
        {
            self.write_payer(payment_intent, top_up.account).await?;
        }
        let mut reply = self.on_top_ups(&ADVANCE_TOP_UP, &client, &arguments).await?;
        let outcome = match reply.text()?.as_str() {
            "done" => Advance::Done(read(&mut reply, client)?),
            "finished" => Advance::Finished(read(&mut reply, client)?),
            "moved" => Advance::Moved(read(&mut reply, client)?),
            "unknown" => Advance::Unknown,
            "too_large" => Advance::TooLarge,
            _ => Advance::Conflict,
        };
        // Moved there, too, if the answer to this very step was lost.
        if let Advance::Done(of) | Advance::Moved(of) = &outcome
            && matches!(of.state, State::Charging(_))
            && of.state == to
        {
            self.top_up_is_replicated(of).await?;
        }
        if matches!(&outcome, Advance::Done(of) | Advance::Finished(of) if of.state.is_finished()) {
            if self.record_is_replicated(client, id).await.is_ok() {
                self.tidy(redis::cmd("ZREM").arg(UNFINISHED).arg(entry(&client, &id))).await;
            }
            if outcome_is_refused(&outcome) {
                let kept_ms = self.uncharged_kept_ms();
                self.tidy(redis::cmd("PEXPIRE").arg(keys::top_up(&id)).arg(kept_ms)).await;
            }
        }
        Ok(outcome)
    }

    /// # Errors
    /// The store's.
    pub(super) async fn read_top_up(&self, id: TopUpId) -> Result<Option<TopUp>, StoreError> {
        match self.owner(&id).await? {
            Some(client) => self.top_up_of(client, id).await,
            None => Ok(None),
        }
    }

    /// # Errors
    /// The store's.
    pub(super) async fn list_unfinished(&self) -> Result<Vec<TopUp>, StoreError> {
        let mut command = redis::cmd("ZRANGE");
        command.arg(UNFINISHED).arg(0).arg(-1).arg("WITHSCORES");
        let entries: Vec<(String, u64)> = self.connection.command(&command).await?;
        let mut unfinished = Vec::new();
        for (name, opened_ms) in entries {
            let (client, id) = name.split_once(':').unwrap_or_default();
            let (client, id) = (parse(client, "a client id")?, parse(id, "a top-up's id")?);
            match self.top_up_of(client, id).await? {
                Some(top_up) if !top_up.state.is_finished() => {
                    self.index_again(&top_up).await?;
                    unfinished.push(top_up);
                }
                None if self.clock.now_ms().saturating_sub(opened_ms) < CUT_OFF_MS => {}
                _ => self.tidy(redis::cmd("ZREM").arg(UNFINISHED).arg(&name)).await,
            }
        }
        Ok(unfinished)
    }

    pub(super) async fn top_ups_of(&self, client: ClientId) -> Result<Vec<TopUp>, StoreError> {
        let fields = self.scan(&ClientKeys::of(&client).top_ups()).await?;
        let records = fields.iter().filter_map(|(name, stored)| Some((name.parse().ok()?, stored)));
        records.map(|(id, stored)| top_up(id, client, stored)).collect()
    }

    pub(super) async fn top_up_of(
        &self,
        client: ClientId,
        id: TopUpId,
    ) -> Result<Option<TopUp>, StoreError> {
        let mut command = redis::cmd("HGET");
        command.arg(ClientKeys::of(&client).top_ups()).arg(id.to_string());
        let stored: Option<String> = self.connection.command(&command).await?;
        stored.map(|stored| top_up(id, client, &stored)).transpose()
    }

    async fn owner(&self, id: &TopUpId) -> Result<Option<ClientId>, StoreError> {
        let mut command = redis::cmd("GET");
        command.arg(keys::top_up(id));
        let owner: Option<String> = self.connection.command(&command).await?;
        owner.map(|owner| parse(&owner, "a top-up's client")).transpose()
    }

    async fn on_top_ups(
        &self,
        script: &super::script::Source,
        client: &ClientId,
        arguments: &[String],
    ) -> Result<Reply, StoreError> {
        let keys = ClientKeys::of(client);
        let more_keys = [keys.top_ups(), keys.dated_top_ups()];
        let arguments: Vec<_> = arguments.iter().map(|text| text.clone().into_bytes()).collect();
        self.on_accounts(script, client, &more_keys, &arguments).await
    }

    /// Clears an entry that nothing depends on.
    async fn tidy(&self, command: &Cmd) {
        if let Err(error) = self.connection.command::<u64>(command).await {
            tracing::debug!(%error, "an entry of a finished top-up stays");
        }
    }
}

fn outcome_is_refused(outcome: &Advance) -> bool {
    matches!(outcome, Advance::Done(of) | Advance::Finished(of) if of.state.is_without_charge())
}

pub(super) fn entry(client: &ClientId, id: &TopUpId) -> String {
    format!("{}:{id}", client.to_hex())
}

/// An idempotency key, or nothing; a state. JSON has no line breaks.
fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    let text = serde_json::to_string(value);
    let text = text.map_err(|_| StoreError::Damaged("a top-up cannot be written".to_owned()))?;
    Ok(if text == "null" { String::new() } else { text })
}

/// The lines of `lua/top_up.lua`.
fn record(top_up: &TopUp) -> Result<String, StoreError> {
    let lines = [
        if top_up.state.is_finished() { "1" } else { "0" }.to_owned(),
        top_up.amount.to_string(),
        top_up.created_ms.to_string(),
        top_up.account.currency.to_string(),
        match &top_up.card {
            Some(card) => format!("{} {card}", top_up.payment_method.as_str()),
            None => top_up.payment_method.as_str().to_owned(),
        },
        json(&top_up.idempotency_key)?,
        json(&top_up.state)?,
    ];
    Ok(lines.join("\n"))
}

fn read(reply: &mut Reply, client: ClientId) -> Result<TopUp, StoreError> {
    let id = reply.parse("a top-up's id")?;
    top_up(id, client, &reply.text()?)
}

fn top_up(id: TopUpId, client: ClientId, stored: &str) -> Result<TopUp, StoreError> {
    let unreadable = || damaged(&client, "a top-up cannot be read");
    let mut lines = stored.splitn(7, '\n').skip(1);
    let mut line = || lines.next().ok_or_else(unreadable);
    let amount: Units = units(line()?)?;
    let created_ms = parse(line()?, "a top-up's time")?;
    let currency = parse(line()?, "a top-up's currency")?;
    let instrument = line()?;
    let (payment_method, card) = match instrument.split_once(' ') {
        Some((id, card)) => (id, Some(parse(card, "what is shown of a card")?)),
        None => (instrument, None),
    };
    let payment_method = parse(payment_method, "a top-up's card")?;
    let idempotency_key = match line()? {
        "" => None,
        key => Some(serde_json::from_str(key).map_err(|_| unreadable())?),
    };
    let state = serde_json::from_str(line()?).map_err(|_| unreadable())?;
    let account = AccountKey { client, currency };
    Ok(TopUp { id, account, amount, payment_method, card, idempotency_key, created_ms, state })
}

//! What scripts answer: a list of texts.

use std::str::FromStr;

use stripe402_protocol::{ClientId, Units};

use super::super::StoreError;
use crate::accounting::{Account, Rotation};

/// The texts of an answer, taken one by one.
pub(super) struct Reply(std::vec::IntoIter<String>);

impl Reply {
    pub(super) fn new(texts: Vec<String>) -> Self {
        Self(texts.into_iter())
    }

    /// # Errors
    /// [`StoreError::Damaged`] if there is no more.
    pub(super) fn text(&mut self) -> Result<String, StoreError> {
        self.0.next().ok_or_else(|| StoreError::Damaged("a script's answer is short".to_owned()))
    }

    /// # Errors
    /// [`StoreError::Damaged`] if the next text is missing or no such value.
    /// Of `generation oldest until name`.
    fn rotation(text: &str) -> Result<Rotation, StoreError> {
        let mut numbers = text.split(' ');
        let mut next = || numbers.next().unwrap_or_default();
        Ok(Rotation {
            generation: parse(next(), "a rotation")?,
            oldest: parse(next(), "a rotation")?,
            until_ms: parse(next(), "a rotation")?,
            name: parse(next(), "a rotation")?,
        })
    }

    pub(super) fn parse<T: FromStr>(&mut self, what: &str) -> Result<T, StoreError> {
        parse(&self.text()?, what)
    }

    pub(super) fn units(&mut self) -> Result<Units, StoreError> {
        units(&self.text()?)
    }

    /// Available, pending, debt, frozen; then, of leases: how much, how many, whether called back.
    pub(super) fn account(&mut self) -> Result<Account, StoreError> {
        Ok(Account {
            available: self.units()?,
            pending: self.units()?,
            debt: self.units()?,
            frozen: self.text()? == "1",
            leased: self.units()?,
            leases: self.parse("a number of leases")?,
            recalled: self.text()? == "1",
            rotation: Self::rotation(&self.text()?)?,
        })
    }
}

pub(super) fn parse<T: FromStr>(text: &str, what: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| StoreError::Damaged(format!("{what} cannot be read")))
}

pub(super) fn units(text: &str) -> Result<Units, StoreError> {
    let number: i64 = parse(text, "an amount")?;
    Units::new(number).map_err(|_| StoreError::Damaged("an amount is out of range".to_owned()))
}

/// Names the client as logs may: a client id is a credential.
pub(super) fn damaged(client: &ClientId, what: &str) -> StoreError {
    StoreError::Damaged(format!("stripe402:client:… of subject {}: {what}", client.subject()))
}

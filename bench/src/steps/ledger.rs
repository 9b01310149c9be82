//! Batches at the ledger, without a network and with the books in memory.

use std::{sync::Arc, time::Duration};

use stripe402_ledger::{
    accounting::{AccountKey, Kind, Posting},
    clock::SystemClock,
    store::{InMemory, Store},
};
use stripe402_protocol::{
    ClientId, Currency, Units,
    message::{self, Batch, DeductionOutcome, compact},
};

use super::BATCH;
use crate::{Result, deduction};

pub(super) fn batches(times: u32) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let store: Arc<dyn Store> = Arc::new(InMemory::new(SystemClock, Duration::from_secs(600)));
        let client = ClientId::derive(b"a secret", "a card");
        let currency: Currency = "usd".parse()?;
        let key = AccountKey { client, currency };
        let amount = Units::from_u32(u32::MAX);
        let posting =
            Posting { kind: Kind::TopUp, reference: "pi_1".to_owned(), amount, note: None };
        store.post(key, posting).await?;
        let mut done = 0;
        while done < times {
            let deductions = (0..BATCH).map(|_| deduction(key)).collect::<Result<_>>()?;
            let batch = Batch {
                version: message::VERSION,
                deductions,
                voids: Vec::new(),
                captures: vec![],
            };
            let body = compact::to_bytes(&batch);
            let batch: Batch = compact::from_bytes(&body)?;
            let answer = store.batch(batch).await?;
            let served =
                |outcome: &DeductionOutcome| matches!(outcome, DeductionOutcome::Deducted(_));
            if !answer.deductions.iter().all(|(_, outcome)| served(outcome)) {
                return Err("not every charge was made".into());
            }
            std::hint::black_box(compact::to_bytes(&answer));
            done += BATCH;
        }
        Ok(())
    })
}

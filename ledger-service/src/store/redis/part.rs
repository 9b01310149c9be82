//! One client's part of a batch: what the script is asked, and what it answers.

use stripe402_protocol::{
    ClientId, DeductionId,
    message::{
        Capture, CaptureOutcome, Deduction, DeductionOutcome, KeyRefusal, Void, VoidOutcome,
    },
};

use super::{
    super::StoreError,
    keys::ClientKeys,
    reply::{Reply, damaged, units},
};
use crate::accounting::Spender;

/// What the script has to do for one client; each with its place in the batch.
#[derive(Default)]
pub(super) struct Part<'b> {
    pub(super) voids: Vec<(usize, &'b Void)>,
    pub(super) captures: Vec<(usize, &'b Capture)>,
    pub(super) deductions: Vec<(usize, &'b Deduction)>,
}

/// What became of one client's part.
#[derive(Default)]
pub(super) struct PartAnswer {
    pub(super) voids: Vec<(usize, VoidOutcome)>,
    pub(super) captures: Vec<(usize, CaptureOutcome)>,
    pub(super) deductions: Vec<(usize, DeductionOutcome)>,
}

/// The keys and arguments of `lua/charges.lua`.
pub(super) struct Call {
    pub(super) keys: Vec<String>,
    pub(super) arguments: Vec<Vec<u8>>,
}

impl Call {
    /// For how long ids are remembered, how far clocks may be ahead and how long a bucket is, all in
    /// milliseconds.
    /// `listed`: the clients are known to be in the index of accounts.
    pub(super) fn new(
        (memory_ms, skew_ms, bucket_ms): (u64, u64, u64),
        listed: bool,
        spender: Spender,
    ) -> Self {
        let listed = if listed { "1" } else { "0" }.into();
        let spender = match spender {
            Spender::Generation(of) => number(u64::from(of)),
            Spender::Other => "-".into(),
        };
        let arguments =
            vec![number(memory_ms), number(skew_ms), number(bucket_ms), listed, spender];
        Self { keys: Vec::new(), arguments }
    }

    /// Adds a client's part.
    pub(super) fn add(&mut self, client: &ClientId, part: &Part<'_>) {
        let client_keys = ClientKeys::of(client);
        let first_key = self.keys.len();
        self.keys.extend(client_keys.accounts());
        self.keys.push(client_keys.sums());
        let plain = part.is_plain();
        if !plain {
            self.keys.extend([client_keys.holds(), client_keys.hold_ends()]);
        }
        let mut entries = Entries {
            first_bucket: self.keys.len(),
            client_keys: &client_keys,
            buckets: Vec::new(),
            arguments: Vec::new(),
        };
        for (_, void) in &part.voids {
            entries.push("v", &void.id);
        }
        for (_, capture) in &part.captures {
            entries.push("k", &capture.id);
            let count = number(u64::from(capture.count));
            entries.arguments.extend([capture.amount.to_string().into_bytes(), count]);
        }
        for (_, deduction) in &part.deductions {
            entries.push(if deduction.hold.is_some() { "h" } else { "c" }, &deduction.id);
            entries.arguments.extend([
                deduction.currency.as_str().into(),
                deduction.amount.to_string().into_bytes(),
                deduction.route.as_bytes().to_vec(),
            ]);
            if let Some(terms) = deduction.hold {
                let at_end = terms.at_end.to_string().into_bytes();
                let lease =
                    terms.lease.map_or_else(|| "-".into(), |share| number(u64::from(share)));
                entries.arguments.extend([number(terms.ends_ms), at_end, lease]);
            }
        }
        let Entries { buckets, arguments, .. } = entries;
        self.keys.extend(buckets);
        let key_count = self.keys.len().saturating_sub(first_key);
        self.arguments.push(if plain { "p" } else { "n" }.into());
        self.arguments.extend([size(key_count), size(arguments.len())]);
        self.arguments.extend(arguments);
    }
}

/// The entries of one client, as the script takes them.
struct Entries<'k> {
    /// Where in the script's keys the client's buckets begin, from 0.
    first_bucket: usize,
    client_keys: &'k ClientKeys,
    buckets: Vec<String>,
    arguments: Vec<Vec<u8>>,
}

impl Entries<'_> {
    fn push(&mut self, kind: &str, id: &DeductionId) {
        let bucket = self.client_keys.deductions(id.minted_ms());
        let known = self.buckets.iter().position(|key| *key == bucket);
        let place = known.unwrap_or_else(|| {
            self.buckets.push(bucket);
            self.buckets.len().saturating_sub(1)
        });
        // Lua counts from 1.
        let index = size(self.first_bucket.saturating_add(place).saturating_add(1));
        let id_text = id.to_string().into_bytes();
        self.arguments.extend([kind.into(), index, id_text, number(id.minted_ms())]);
    }
}

impl Part<'_> {
    /// How many entries it has.
    pub(super) const fn len(&self) -> usize {
        let others = self.voids.len().saturating_add(self.captures.len());
        others.saturating_add(self.deductions.len())
    }

    /// Whether nothing in it can touch a hold.
    fn is_plain(&self) -> bool {
        let others = self.voids.is_empty() && self.captures.is_empty();
        others && self.deductions.iter().all(|(_, deduction)| deduction.hold.is_none())
    }

    /// Takes what the script said of this part from its answer: `None` if the client must be put into the index of accounts
    /// first.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the client's record is damaged, or the answer cannot be read.
    pub(super) fn answer(
        &self,
        client: &ClientId,
        reply: &mut Reply,
    ) -> Result<Option<PartAnswer>, StoreError> {
        match reply.text()?.as_str() {
            "ok" => {}
            "damaged" => return Err(damaged(client, &reply.text()?)),
            "unlisted" => return Ok(None),
            _ => return Err(unanswered()),
        }
        // All of this client's first: what of it cannot be read is not the next one's trouble.
        let texts = (0..self.len()).map(|_| reply.text()).collect::<Result<Vec<_>, _>>()?;
        let mut texts = Reply::new(texts);
        let mut answer = PartAnswer::default();
        for (at, _) in &self.voids {
            answer.voids.push((*at, void_outcome(&texts.text()?)?));
        }
        for (at, _) in &self.captures {
            answer.captures.push((*at, capture_outcome(&texts.text()?)?));
        }
        for (at, _) in &self.deductions {
            answer.deductions.push((*at, charge_outcome(&texts.text()?)?));
        }
        Ok(Some(answer))
    }

    /// Nothing was done: the only answers to single deductions and voids that say so.
    pub(super) fn refused(&self) -> PartAnswer {
        let deductions = self.deductions.iter().map(|(at, _)| (*at, DeductionOutcome::Frozen));
        let voids = self.voids.iter().map(|(at, _)| (*at, VoidOutcome::Conflict));
        let captures = self.captures.iter().map(|(at, _)| (*at, CaptureOutcome::Conflict));
        PartAnswer {
            deductions: deductions.collect(),
            voids: voids.collect(),
            captures: captures.collect(),
        }
    }
}

fn charge_outcome(text: &str) -> Result<DeductionOutcome, StoreError> {
    match text {
        "insufficient" => Ok(DeductionOutcome::Insufficient),
        "frozen" => Ok(DeductionOutcome::Frozen),
        "voided" => Ok(DeductionOutcome::Voided),
        "conflict" => Ok(DeductionOutcome::Conflict),
        "stale" => Ok(DeductionOutcome::Stale),
        "rotated" => Ok(DeductionOutcome::KeyRefused(KeyRefusal::Rotated)),
        "leased" => Ok(DeductionOutcome::Leased),
        "lease_refused" => Ok(DeductionOutcome::LeaseRefused),
        _ => match text.split_once(' ') {
            Some(("charged", left)) => units(left).map(DeductionOutcome::Deducted),
            Some(("in_debt", owed)) => units(owed).map(DeductionOutcome::InDebt),
            _ => Err(unanswered()),
        },
    }
}

fn capture_outcome(text: &str) -> Result<CaptureOutcome, StoreError> {
    match text {
        "marked" => Ok(CaptureOutcome::Marked),
        "voided" => Ok(CaptureOutcome::Voided),
        "conflict" => Ok(CaptureOutcome::Conflict),
        "stale" => Ok(CaptureOutcome::Stale),
        _ => {
            let amounts = text.strip_prefix("captured ").and_then(|rest| rest.split_once(' '));
            let (captured, left) = amounts.ok_or_else(unanswered)?;
            Ok(CaptureOutcome::Captured { captured: units(captured)?, left: units(left)? })
        }
    }
}

pub(super) fn void_outcome(text: &str) -> Result<VoidOutcome, StoreError> {
    match text {
        "voided" => Ok(VoidOutcome::Voided),
        "marked" => Ok(VoidOutcome::Marked),
        "repeated" => Ok(VoidOutcome::Repeated),
        "stale" => Ok(VoidOutcome::Stale),
        "conflict" => Ok(VoidOutcome::Conflict),
        _ => Err(unanswered()),
    }
}

fn number(of: u64) -> Vec<u8> {
    of.to_string().into_bytes()
}

fn size(of: usize) -> Vec<u8> {
    of.to_string().into_bytes()
}

/// A script's answer is short.
pub(super) fn unanswered() -> StoreError {
    StoreError::Damaged("a script did not answer for everything it was asked".to_owned())
}

//! What a refund was asked to give back: a movement that holds nothing, and says so for ever.

use stripe402_protocol::Units;

use crate::accounting::{Kind, Posting};

/// What references of plans begin with.
const PREFIX: &str = "refund-plan:";
/// The note of a plan of all that was available.
const ALL: &str = "all";

/// That a refund was planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The name of the refund.
    pub(super) refund: String,
    /// How much was asked for; all that was available without.
    pub(super) asked: Option<Units>,
}

impl Plan {
    /// The movement that says so.
    pub(super) fn posting(&self) -> Posting {
        let note = self.asked.map_or_else(|| ALL.to_owned(), |asked| asked.to_string());
        let reference = format!("{PREFIX}{}", self.refund);
        Posting { kind: Kind::Hold, reference, amount: Units::ZERO, note: Some(note) }
    }

    /// What a movement says was planned; `None` if it is about something else.
    pub(super) fn read(posting: &Posting) -> Option<Self> {
        let refund = posting.reference.strip_prefix(PREFIX)?;
        if posting.kind != Kind::Hold {
            return None;
        }
        let asked = posting.note.as_deref().and_then(|note| note.parse().ok());
        let asked = asked.and_then(|units| Units::new(units).ok());
        Some(Self { refund: refund.to_owned(), asked })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_go_there_and_back() {
        for (asked, note) in [(None, "all"), (Some(Units::from_u32(10_050)), "10050")] {
            let plan = Plan { refund: "r-17".to_owned(), asked };
            let posting = plan.posting();
            assert_eq!(posting.reference, "refund-plan:r-17", "it is stored so");
            assert_eq!((posting.note.as_deref(), posting.amount), (Some(note), Units::ZERO));
            assert_eq!(Plan::read(&posting), Some(plan));
        }
        let posting = Plan { refund: "r".to_owned(), asked: None }.posting();
        let hold = Posting { reference: "refund:pi_1:r:0".to_owned(), ..posting.clone() };
        let capture = Posting { kind: Kind::Capture, ..posting };
        assert_eq!((Plan::read(&hold), Plan::read(&capture)), (None, None));
    }
}

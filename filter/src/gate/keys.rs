//! A client's keys: the ledger does what is asked, the gate carries it there.
//!
//! All of it is in the `payment` header, so that no body has to be waited for.

use stripe402_protocol::message::{self, KeyAction, KeyRequest};

use super::{Head, Mint, Question, Reply, Step, Stream};

/// What stands behind the address of keys: nothing, or a key's id.
pub(super) fn is_key_path(rest: &str) -> bool {
    rest.is_empty() || rest.strip_prefix('/').is_some_and(|id| !id.contains('/'))
}

impl Stream {
    pub(super) fn on_keys(&mut self, head: &Head<'_>, key: Option<&str>, mint: Mint<'_>) -> Step {
        let action = match (&*head.method, key) {
            ("OPTIONS", _) => return self.refuse(Reply::options()),
            ("GET" | "HEAD", None) => KeyAction::List,
            ("POST", None) => KeyAction::Make,
            ("POST", Some("rotate")) => KeyAction::Rotate,
            ("PATCH", Some(_)) => KeyAction::Change,
            ("DELETE", Some(_)) => KeyAction::Revoke,
            (_, None) => {
                let message = "use GET to list keys, POST to make one";
                return self.refuse(Reply::wrong_method(message, "GET, HEAD, POST, OPTIONS"));
            }
            (_, Some(_)) => {
                let message = "use PATCH to change a key, DELETE to revoke it";
                return self.refuse(Reply::wrong_method(message, "PATCH, DELETE, OPTIONS"));
            }
        };
        let limit = self.config.limits.payment_header_bytes;
        let header = head.payment.filter(|header| !head.ambiguous && header.len() <= limit);
        let header = header.and_then(|header| core::str::from_utf8(header).ok());
        let (Some(payment), Some(id)) = (header, mint()) else {
            return self.refuse(Reply::no_proof());
        };
        let request = KeyRequest {
            version: message::VERSION,
            id,
            action,
            key: key.filter(|_| action != KeyAction::Rotate).map(ToOwned::to_owned),
            payment: payment.to_owned(),
            // Fetched from the host when the message leaves.
            source: None,
            live: Some(self.config.live),
        };
        self.ask(Question::Keys(Box::new(request)), &mut || Some(id))
    }
}

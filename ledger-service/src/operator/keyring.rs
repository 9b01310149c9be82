//! Who is an operator.

use std::sync::Arc;

use secrecy::SecretString;
use tokio::sync::{Mutex, Semaphore};

use crate::net::token::Token;
use crate::{
    clock::Clock,
    operator::work::{Actor, Operations, OperatorError},
};

/// The operators' tokens, each with its holder's name.
#[derive(Clone, Debug)]
pub struct Keyring(Arc<[(Actor, Token)]>);

impl Keyring {
    /// Of these names and tokens.
    #[must_use]
    pub fn new(tokens: &[(String, SecretString)]) -> Self {
        let keys = tokens.iter().map(|(name, token)| (Actor(name.clone()), Token::new(token)));
        Self(keys.collect())
    }

    /// Whose token this is. Every one is compared, whichever it is.
    pub(crate) fn holder(&self, presented: &[u8]) -> Option<(&Actor, &Token)> {
        self.find(|token| token.is(presented))
    }

    pub(crate) fn find(&self, is: impl Fn(&Token) -> bool) -> Option<(&Actor, &Token)> {
        self.0.iter().fold(None, |found, (actor, token)| {
            let fits = is(token);
            found.or(fits.then_some((actor, token)))
        })
    }
}

/// What the handlers for operators share.
#[derive(Clone, Debug)]
pub struct Operators(pub(crate) Arc<OperatorContext>);

/// See [`Operators`].
pub(crate) struct OperatorContext {
    pub(crate) keyring: Keyring,
    pub(crate) operations: Operations,
    pub(crate) clock: Arc<dyn Clock>,
    /// Whether Stripe's key is one for real money: where its dashboard shows what.
    pub(crate) live: bool,
    /// Held by whoever looks through all the books: one at a time.
    pub(crate) checking: Mutex<()>,
    /// One for each export that runs.
    pub(crate) exports: Arc<Semaphore>,
}

/// So many exports run at once, at most: each reads the books for as long as it takes.
const EXPORTS: usize = 4;

impl std::fmt::Debug for OperatorContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OperatorContext")
    }
}

impl Operators {
    /// Those who hold these keys, with what they can do.
    #[must_use]
    pub fn new(
        keyring: Keyring,
        operations: Operations,
        clock: Arc<dyn Clock>,
        live: bool,
    ) -> Self {
        let (checking, exports) = (Mutex::default(), Arc::new(Semaphore::new(EXPORTS)));
        Self(Arc::new(OperatorContext { keyring, operations, clock, live, checking, exports }))
    }

    /// Carries out an action to its end, whether or not whoever asked for it waits.
    pub(crate) async fn carry_out<T, F>(
        &self,
        work: impl FnOnce(Arc<OperatorContext>) -> F,
    ) -> Result<T, OperatorError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, OperatorError>> + Send + 'static,
    {
        tokio::spawn(work(Arc::clone(&self.0))).await?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_one_holder_and_a_part_of_it_none() {
        let token = |name: &str, token: &str| (name.to_owned(), SecretString::from(token));
        let keyring = Keyring::new(&[token("alice", "0123456789abcdef"), token("bob", "fedcba")]);
        let holder = |token: &[u8]| keyring.holder(token).map(|(actor, _)| actor.0.as_str());
        assert_eq!(holder(b"0123456789abcdef"), Some("alice"));
        assert_eq!(holder(b"fedcba"), Some("bob"));
        for wrong in [&b""[..], b"0123456789abcde", b"0123456789abcdef0", b"alice"] {
            assert_eq!(holder(wrong), None);
        }
        assert!(!format!("{keyring:?}").contains("0123"));
    }
}

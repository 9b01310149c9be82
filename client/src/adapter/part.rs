//! What is bought at an address that sells several things.

/// Which of the things that one address sells, such as an MCP tool by its name, as an extension of a request: prices
/// are remembered for each by itself. Only where [`crate::Wallet::asks_price`] wants to know them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part(pub String);

impl Part {
    /// The path by which the price is remembered. No path of a request has a `#`.
    #[must_use]
    pub fn of(&self, path: &str) -> String {
        format!("{path}#{}", self.0)
    }
}

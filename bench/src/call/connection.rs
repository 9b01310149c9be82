//! One HTTP/2 connection to a ledger, as a worker of a gateway keeps it.

use std::net::SocketAddr;

use axum::{
    body::Bytes,
    http::{
        Method, Request, StatusCode,
        header::{AUTHORIZATION, CONTENT_TYPE},
    },
};
use h2::client::SendRequest;
use stripe402_protocol::message::{self, Batch, BatchAnswer, DeductionOutcome, compact};
use tokio::{net::TcpStream, task::JoinHandle};

use crate::{Result, accounts, deduction};

/// A connection that stays open until it is dropped.
pub(super) struct Connection {
    calls: SendRequest<Bytes>,
    url: String,
    token: String,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    pub(super) async fn open(to: SocketAddr, token: &str) -> Result<Self> {
        let tcp = TcpStream::connect(to).await?;
        tcp.set_nodelay(true)?;
        let (calls, connection) = h2::client::handshake(tcp).await?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                anstream::eprintln!("  the connection to the ledger ended: {error}");
            }
        });
        let (url, token) = (format!("http://{to}/v1/batch"), format!("Bearer {token}"));
        Ok(Self { calls, url, token, driver })
    }

    /// Sends a batch of so many deductions of one unit, and waits for its answer.
    ///
    /// # Errors
    /// The connection's, or that a deduction was refused.
    pub(super) async fn call(&self, charges: usize) -> Result<()> {
        let deductions = (0..charges).map(|_| deduction(accounts::client(0)));
        let batch = Batch {
            version: message::VERSION,
            deductions: deductions.collect::<Result<_>>()?,
            voids: Vec::new(),
            captures: Vec::new(),
        };
        let request = Request::builder()
            .method(Method::POST)
            .uri(&self.url)
            .header(AUTHORIZATION, &self.token)
            .header(CONTENT_TYPE, compact::MEDIA_TYPE)
            .body(())?;
        let mut calls = self.calls.clone().ready().await?;
        let (answer, mut body) = calls.send_request(request, false)?;
        body.send_data(compact::to_bytes(&batch).into(), true)?;
        let (head, mut body) = answer.await?.into_parts();
        let mut whole = Vec::new();
        while let Some(piece) = body.data().await {
            let piece = piece?;
            body.flow_control().release_capacity(piece.len())?;
            whole.extend_from_slice(&piece);
        }
        if head.status != StatusCode::OK {
            return Err(format!("{}: {}", head.status, String::from_utf8_lossy(&whole)).into());
        }
        let answer: BatchAnswer = compact::from_bytes(&whole)?;
        let deducted = |(_, outcome): &&(_, DeductionOutcome)| {
            matches!(outcome, DeductionOutcome::Deducted(_))
        };
        match answer.deductions.iter().filter(deducted).count() {
            made if made == charges => Ok(()),
            made => Err(format!("{made} of {charges} deductions were made").into()),
        }
    }
}

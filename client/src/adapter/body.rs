//! Bodies of answers, as far as the rules have to see them.

use reqwest::{Response, ResponseBuilderExt as _, header::HeaderName};

use crate::Answer;

/// A challenge or refusal is far shorter.
const MOST: usize = 65_536;

/// What the rules have to know of an answer; its body too where it may be about payment.
pub(super) async fn look(response: Response) -> reqwest::Result<(Answer, Response)> {
    let status = response.status().as_u16();
    let mut answer = Answer {
        status,
        payment_required: header(&response, stripe402_protocol::PAYMENT_REQUIRED),
        payment_response: header(&response, stripe402_protocol::PAYMENT_RESPONSE),
        retry_after: header(&response, "retry-after").and_then(|text| text.trim().parse().ok()),
        body: None,
    };
    // A 503 may be the API's own, and long: it is left alone unless it is known to be short.
    let short = response.content_length().is_some_and(|length| length <= 65_536);
    if status != 402 && !(status == 503 && short) {
        return Ok((answer, response));
    }
    let url = response.url().clone();
    let mut parts = http::Response::builder().status(response.status()).url(url);
    if let Some(headers) = parts.headers_mut() {
        *headers = response.headers().clone();
    }
    let bytes = read(response).await?;
    answer.body = String::from_utf8(bytes.clone()).ok();
    let whole = parts.body(bytes).map(Response::from);
    // Parts of a response that was one already cannot be wrong.
    Ok((answer, whole.unwrap_or_else(|_| Response::from(http::Response::new(Vec::new())))))
}

/// The value; several are joined, as they might have been on the way.
fn header(response: &Response, name: impl TryInto<HeaderName>) -> Option<String> {
    let name = name.try_into().ok()?;
    let values = response.headers().get_all(name);
    let values: Option<Vec<&str>> = values.iter().map(|value| value.to_str().ok()).collect();
    values.filter(|values| !values.is_empty()).map(|values| values.join(", "))
}

async fn read(mut response: Response) -> reqwest::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len().saturating_add(chunk.len()) > MOST {
            // Too long to be about payment: not read to its end, and so not understood.
            return Ok(Vec::new());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

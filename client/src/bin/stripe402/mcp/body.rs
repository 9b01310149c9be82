//! An answer's body, as much of it as an agent gets.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::Response;
use serde_json::{Map, Value, json};

use super::secrets::Secrets;

/// The beginning of a body, and whether that is all of it.
pub(super) struct Body {
    bytes: Vec<u8>,
    whole: bool,
}

impl Body {
    /// Reads up to `most` bytes; to the end where a hold is settled after it, because a trailer may say what
    /// the request cost. Credentials in it are hidden, one that is cut off at the end as well.
    pub(super) async fn read(
        mut response: Response,
        most: usize,
        to_its_end: bool,
        secrets: &Secrets,
    ) -> reqwest::Result<Self> {
        let enough = most.saturating_add(secrets.longest());
        let (mut bytes, mut whole) = (Vec::new(), true);
        while let Some(chunk) = response.chunk().await? {
            let room = enough.saturating_sub(bytes.len());
            bytes.extend(chunk.iter().take(room));
            if chunk.len() > room {
                whole = false;
                if !to_its_end {
                    break;
                }
            }
        }
        whole &= bytes.len() <= most;
        let mut bytes = secrets.hide(&bytes, most);
        whole &= bytes.len() <= most;
        bytes.truncate(most);
        Ok(Self { bytes, whole })
    }

    /// As text, if it is some, else in base64.
    pub(super) fn tell(self, fields: &mut Map<String, Value>) {
        let Self { bytes, whole } = self;
        let (encoding, body) = match std::str::from_utf8(&bytes) {
            Ok(text) => ("text", text.to_owned()),
            // Cut off within a character.
            Err(error) if !whole && error.error_len().is_none() => {
                let text = bytes.get(..error.valid_up_to()).unwrap_or_default();
                ("text", String::from_utf8_lossy(text).into_owned())
            }
            Err(_) => ("base64", STANDARD.encode(&bytes)),
        };
        fields.insert("body".to_owned(), json!(body));
        fields.insert("bodyEncoding".to_owned(), json!(encoding));
        fields.insert("bodyTruncated".to_owned(), json!(!whole));
    }
}

#[cfg(test)]
mod tests {
    use stripe402_client::{Policy, Purse};

    use super::*;

    async fn told(body: &[u8], most: usize) -> Value {
        let secrets =
            Secrets::new(&Policy::card("pm_1234".parse().unwrap()), &Purse::default(), &[]);
        let response = Response::from(http::Response::new(body.to_vec()));
        let mut fields = Map::new();
        Body::read(response, most, false, &secrets).await.unwrap().tell(&mut fields);
        Value::Object(fields)
    }

    #[tokio::test]
    async fn a_body_is_text_or_base64_and_cut_off_at_the_limit() {
        for (body, most, expected, encoding, truncated) in [
            (b"sunny".as_slice(), 5, "sunny", "text", false),
            (b"sunny", 4, "sunn", "text", true),
            (b"", 0, "", "text", false),
            ("día".as_bytes(), 2, "d", "text", true),
            (b"\xff\xfe", 10, "//4=", "base64", false),
            // Not even a part of a credential, wherever the end is.
            (b"of pm_1234", 8, "of (hidd", "text", true),
            (b"of pm_1234!", 100, "of (hidden by stripe402)!", "text", false),
        ] {
            let said = told(body, most).await;
            let wanted =
                json!({"body": expected, "bodyEncoding": encoding, "bodyTruncated": truncated});
            assert_eq!(said, wanted, "{body:?} {most}");
        }
    }
}

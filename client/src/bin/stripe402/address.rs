//! URLs as people type them.

use reqwest::Url;

/// A URL of http or https; else what to write instead.
pub(crate) fn address(text: &str) -> Result<Url, String> {
    match text.parse::<Url>() {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
        _ => Err(match meant(text) {
            Some(url) => format!("a URL begins with http:// or https://: write {url}"),
            None => "a URL begins with http:// or https://".to_owned(),
        }),
    }
}

/// `localhost:10000/api` is a URL of the scheme `localhost`.
fn meant(text: &str) -> Option<Url> {
    let host = text.split(['/', ':', '?']).next()?;
    let here = host == "localhost" || host.starts_with("127.");
    let scheme = if here { "http" } else { "https" };
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-.".contains(letter);
    let named = !host.is_empty() && host.chars().all(plain) && !text.contains("://");
    format!("{scheme}://{text}").parse().ok().filter(|_| named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_written_out() {
        for (text, meant) in [
            ("localhost:10000/api/joke", Some("http://localhost:10000/api/joke")),
            ("127.0.0.1:8080", Some("http://127.0.0.1:8080/")),
            ("api.example.com/v1?q=1", Some("https://api.example.com/v1?q=1")),
            ("ftp://api.example.com", None),
            ("", None),
            ("/api/joke", None),
        ] {
            let error = address(text).unwrap_err();
            assert_eq!(error.strip_prefix("a URL begins with http:// or https://: write "), meant);
        }
        assert!(address("HTTPS://api.example.com/").is_ok());
    }
}

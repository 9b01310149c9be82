//! Which route a path means, read as Express reads it by default.
//!
//! The laxness is the point: the gateway must price every spelling that an API like this one serves.

use axum::http::Method;

/// What the demo API has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// A joke.
    Joke,
    /// The weather.
    Weather,
    /// Whether it runs.
    Health,
    /// A failure, always.
    Fail,
    /// Words, as many as are asked for.
    Chat,
    /// The same, as Anthropic has it.
    Messages,
    /// What says itself what it costs.
    Metered,
    /// Tools for agents.
    Mcp,
    /// What was received.
    Echo,
}

/// Finds the route: letter case does not matter, nor does one slash at the end.
pub(super) fn find(method: &Method, path: &str) -> Option<Route> {
    let lower = path.to_ascii_lowercase();
    let reads = method == Method::GET || method == Method::HEAD;
    match lower.strip_suffix('/').unwrap_or(&lower) {
        "/api/echo" => Some(Route::Echo),
        "/mcp" => Some(Route::Mcp),
        // The second is where clients of OpenAI look for it.
        "/api/chat" | "/v1/chat/completions" if method == Method::POST => Some(Route::Chat),
        "/v1/messages" if method == Method::POST => Some(Route::Messages),
        "/api/metered" if reads => Some(Route::Metered),
        "/api/joke" if reads => Some(Route::Joke),
        "/api/weather" if reads => Some(Route::Weather),
        "/api/health" if reads => Some(Route::Health),
        "/api/fail" if reads => Some(Route::Fail),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_that_express_takes() {
        let rows = [
            ("/api/joke", Some(Route::Joke)),
            ("/API/Joke", Some(Route::Joke)),
            ("/api/joke/", Some(Route::Joke)),
            ("/Api/JOKE/", Some(Route::Joke)),
            ("/api/weather", Some(Route::Weather)),
            ("/api/health", Some(Route::Health)),
            ("/api/fail/", Some(Route::Fail)),
            ("/api/metered", Some(Route::Metered)),
            ("/api/ECHO", Some(Route::Echo)),
            ("/Mcp/", Some(Route::Mcp)),
            ("/api/joke//", None),
            ("//api/joke", None),
            ("/api//joke", None),
            ("/api/jok%65", None),
            ("/api/./joke", None),
            ("/api/jokes", None),
            ("/api/joke/1", None),
            ("/api", None),
            ("/", None),
        ];
        for (path, route) in rows {
            assert_eq!(find(&Method::GET, path), route, "{path}");
            assert_eq!(find(&Method::HEAD, path), route, "HEAD {path}");
        }
    }

    #[test]
    fn only_the_echo_takes_every_method() {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            assert_eq!(find(&method, "/api/joke"), None, "{method}");
            assert_eq!(find(&method, "/api/echo"), Some(Route::Echo), "{method}");
        }
        assert_eq!(find(&Method::POST, "/api/Chat/"), Some(Route::Chat));
        assert_eq!(find(&Method::GET, "/api/chat"), None);
    }
}

//! Which price applies to a request.
//!
//! A price that covers one spelling of a path and not another is a bypass. So paths are compared
//! after what Envoy and lax APIs do to them: the query is cut off, percent-encodings are decoded,
//! doubled slashes merged, parameters (`;x=1`) and spaces at the end dropped, and, unless the route
//! is strict, letter case and trailing slashes ignored.

use std::{borrow::Cow, collections::HashMap, rc::Rc};

use crate::config::Route;

/// The priced routes, by canonical path.
#[derive(Debug)]
pub struct Table {
    lax: HashMap<String, Vec<Rc<Route>>>,
    strict: HashMap<String, Vec<Rc<Route>>>,
}

/// Two routes that price the same requests, by their place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clash {
    /// The one that comes first.
    pub earlier: usize,
    /// The one that comes second.
    pub later: usize,
}

impl Table {
    /// A table of these routes.
    ///
    /// # Errors
    /// [`Clash`] if two of them match the same path and method: neither should win by chance.
    pub fn new(routes: Vec<Rc<Route>>) -> Result<Self, Clash> {
        let mut table = Self { lax: HashMap::new(), strict: HashMap::new() };
        let mut seen: HashMap<String, Vec<(usize, Rc<Route>)>> = HashMap::new();
        for (later, route) in routes.into_iter().enumerate() {
            let lax = canonical(&route.path).to_ascii_lowercase();
            let others =
                seen.entry(lax.trim_end_matches(['/', ' ', '.', '\t']).to_owned()).or_default();
            if let Some((earlier, _)) = others.iter().find(|(_, other)| overlap(other, &route)) {
                return Err(Clash { earlier: *earlier, later });
            }
            others.push((later, Rc::clone(&route)));
            let (map, key) = if route.strict {
                (&mut table.strict, canonical(&route.path).into_owned())
            } else {
                (&mut table.lax, lax.trim_end_matches(['/', ' ', '.', '\t']).to_owned())
            };
            map.entry(key).or_default().push(route);
        }
        Ok(table)
    }

    /// Whether a path is priced for any method.
    #[must_use]
    pub fn has_path(&self, path: &str) -> bool {
        let canonical = canonical(path);
        let lax = canonical.trim_end_matches(['/', ' ', '.', '\t']).to_ascii_lowercase();
        self.strict.contains_key(canonical.as_ref()) || self.lax.contains_key(&lax)
    }

    /// The price of a request, if it has one. An exact spelling of a strict route comes first.
    #[must_use]
    pub fn find(&self, method: &str, path: &str) -> Option<&Rc<Route>> {
        let canonical = canonical(path);
        if !self.strict.is_empty()
            && let Some(route) = pick(self.strict.get(canonical.as_ref()), method)
        {
            return Some(route);
        }
        let trimmed = canonical.trim_end_matches(['/', ' ', '.', '\t']);
        if trimmed.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return pick(self.lax.get(&trimmed.to_ascii_lowercase()), method);
        }
        pick(self.lax.get(trimmed), method)
    }
}

fn pick<'t>(routes: Option<&'t Vec<Rc<Route>>>, method: &str) -> Option<&'t Rc<Route>> {
    // A preflight carries no payment and is answered by the CORS filter.
    if method.eq_ignore_ascii_case("OPTIONS") {
        return None;
    }
    routes?.iter().find(|route| route.has_method(method))
}

fn overlap(one: &Route, other: &Route) -> bool {
    let exact = one.strict && other.strict && canonical(&one.path) != canonical(&other.path);
    // A strict route may stand beside a lax one of the same path: the exact spelling wins.
    if exact || one.strict != other.strict {
        return false;
    }
    one.methods.is_empty()
        || other.methods.is_empty()
        || one.methods.iter().any(|method| other.has_method(method))
}

impl Route {
    /// Whether this route prices a method. HEAD costs what GET costs; case does not matter, as
    /// some servers take `get` for GET.
    fn has_method(&self, method: &str) -> bool {
        let method = if method.eq_ignore_ascii_case("HEAD") { "GET" } else { method };
        let same = |own: &String| {
            let own = if own == "HEAD" { "GET" } else { own };
            own.eq_ignore_ascii_case(method)
        };
        self.methods.is_empty() || self.methods.iter().any(same)
    }
}

/// The path without its query and fragment, decoded once, with single slashes and without the
/// parameters of its segments. Borrowed if it is written that way already.
fn canonical(path: &str) -> Cow<'_, str> {
    let end = path.find(['?', '#']).unwrap_or(path.len());
    let path = path.get(..end).unwrap_or(path);
    if !path.contains(['%', ';', ' ']) && !path.contains("//") {
        return Cow::Borrowed(path);
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    let mut in_parameters = false;
    while let Some((&first, tail)) = rest.split_first() {
        let (byte, after) = match (first, tail) {
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => ((high << 4) | low, after),
                _ => (first, tail),
            },
            _ => (first, tail),
        };
        // Some servers take `/a;x=1/b` for `/a/b` (RFC 3986, section 3.3).
        in_parameters = byte == b';' || (in_parameters && byte != b'/');
        if !(in_parameters || byte == b'/' && bytes.last() == Some(&b'/')) {
            bytes.push(byte);
        }
        rest = after;
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

fn digit(character: u8) -> Option<u8> {
    char::from(character).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn table(routes: &str) -> super::Table {
        let config = format!(
            r#"{{"publishable_key":"pk_test_x","ledger":{{"cluster":"l"}},"routes":{routes}}}"#
        );
        Config::parse(config.as_bytes()).unwrap().routes
    }

    fn name<'t>(table: &'t super::Table, method: &str, path: &str) -> &'t str {
        table.find(method, path).map_or("free", |route| &route.name)
    }

    #[test]
    fn every_spelling_that_a_lax_api_serves_is_priced() {
        let table = table(r#"[{"name":"joke","path":"/api/joke","methods":["GET"],"price":1}]"#);
        for path in [
            "/api/joke",
            "/api/joke/",
            "/API/Joke",
            "/api/joke?x=1",
            "/api/joke/?x=/",
            "/api/joke#f",
            "//api//joke//",
            "/api/%6aoke",
            "/api/%6Aoke",
            "/api%2fjoke",
            "/%61%70%69/joke%2F",
            "/api/joke;x=1",
            "/api;v=2/joke;x=/?y",
            "/api/joke%3Bx",
            "/api/joke%20",
            "/api/joke%20/",
            "/api/joke.",
            "/api/joke%09",
        ] {
            assert_eq!(name(&table, "GET", path), "joke", "{path}");
        }
        for path in ["/api/jokes", "/api", "/", "", "/api/joke/1", "/api/jok%", "/api/%zzjoke"] {
            assert_eq!(name(&table, "GET", path), "free", "{path}");
        }
    }

    #[test]
    fn methods() {
        let table = table(
            r#"[{"name":"get","path":"/a","methods":["GET"],"price":1},
                {"name":"post","path":"/a","methods":["POST","PUT"],"price":2},
                {"name":"all","path":"/b","price":3}]"#,
        );
        for (method, path, expected) in [
            ("GET", "/a", "get"),
            ("HEAD", "/a", "get"),
            ("get", "/a", "get"),
            ("POST", "/a", "post"),
            ("PUT", "/a", "post"),
            ("DELETE", "/a", "free"),
            ("DELETE", "/b", "all"),
            ("BREW", "/b", "all"),
            ("OPTIONS", "/b", "free"),
        ] {
            assert_eq!(name(&table, method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn strict_routes_tell_spellings_apart() {
        let table = table(
            r#"[{"name":"lax","path":"/a","price":1},
                {"name":"A","path":"/A","strict":true,"price":2},
                {"name":"slash","path":"/a/","strict":true,"price":3}]"#,
        );
        for (path, expected) in [("/a", "lax"), ("/A", "A"), ("/a/", "slash"), ("/A/", "lax")] {
            assert_eq!(name(&table, "GET", path), expected, "{path}");
        }
    }
}

//! How routers that are in use read a path: what the gate's price is compared with.
//!
//! Written as each router's own source or manual says, with nothing of the filter's. A reading is
//! looked up as it stands, in rules that are written down here a second time.

/// What a request costs that no rule is about, where that is denied.
pub(crate) const DENIED: i64 = i64::MAX;

/// The rules, as the filter is configured with them: how they match, their path and their price in
/// units.
pub(crate) const RULES: [(&str, &str, i64); 14] = [
    ("path", "/api/joke", 100),
    ("path", "/users/{id}", 5),
    ("path", "/users/me", 0),
    ("path", "/users/{id}/orders:cancel", 9),
    ("path", "/users/{id}/Parts/{part}", 11),
    ("path", "/items/abc", 0),
    ("path", "/items/{id}", 50),
    ("path", "/caf\u{e9}", 13),
    ("path", "/\u{416}/x", 17),
    ("prefix", "/docs/", 0),
    ("prefix", "/docs/a/", 1),
    ("prefix", "/v1/", 3),
    ("prefix", "/v1/Big", 30),
    ("prefix", "/a/docs", 7),
];

/// A path as one router reads it: its segments, and whether it takes no regard to letter case, and
/// to a slash at the end.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) router: &'static str,
    segments: Vec<String>,
    folds: bool,
    slash: bool,
}

/// All routers' readings of what stands in `:path`.
pub(crate) fn readings(path: &str) -> Vec<Reading> {
    let path = path.split('?').next().unwrap_or_default();
    let reading = |router, segments, folds, slash| Reading { router, segments, folds, slash };
    let mut readings = vec![
        reading("express", express(path), true, true),
        reading("spring", spring(path), false, false),
        reading("go", go(path), false, false),
        reading("tomcat", tomcat(path), false, false),
        reading("nginx", nginx(path), false, false),
        reading("kestrel", kestrel(path), true, true),
    ];
    if let Some(segments) = rails(path) {
        readings.push(reading("rails", segments, false, true));
    }
    readings
}

/// Express: the path as it is written, without regard to letter case and to one slash at its end.
/// (A rule's letters beyond ASCII are written encoded.)
fn express(path: &str) -> Vec<String> {
    let path = &decode_if(path, |byte| !byte.is_ascii());
    split(path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(path))
}

/// Spring's `PathPattern`: splits at the slashes that are written, drops the parameters of each
/// segment, and decodes the rest of it.
fn spring(path: &str) -> Vec<String> {
    let segment = |segment: &str| decode(segment.split(';').next().unwrap_or_default());
    split(path).iter().map(|written| segment(written)).collect()
}

/// Go's `ServeMux`: cleans the path as it is written (and redirects to that), then splits it and
/// decodes each segment.
fn go(path: &str) -> Vec<String> {
    clean(&split(path), true).iter().map(|segment| decode(segment)).collect()
}

/// Tomcat, allowed to decode slashes: drops parameters, decodes, takes backslashes for slashes,
/// and resolves dots.
fn tomcat(path: &str) -> Vec<String> {
    let bare: Vec<_> =
        split(path).iter().map(|part| part.split(';').next().unwrap_or_default().into()).collect();
    clean(&split(&decode(&join(&bare)).replace('\\', "/")), true)
}

/// nginx before an application: decodes once, merges slashes, and resolves dots.
fn nginx(path: &str) -> Vec<String> {
    clean(&split(&decode(path)), true)
}

/// ASP.NET's Kestrel: decodes all but slashes, resolves dots, leaves empty segments; its routing
/// takes no regard to letter case and to a slash at the end.
fn kestrel(path: &str) -> Vec<String> {
    let kept = path.replace("%2f", "\u{1}").replace("%2F", "\u{1}");
    let decoded = decode(&kept);
    let mut segments = clean(&split(&decoded), false);
    if segments.len() > 1 && segments.last().is_some_and(String::is_empty) {
        segments.pop();
    }
    segments.iter().map(|segment| segment.replace('\u{1}', "%2F")).collect()
}

/// Rails on Rack: squeezes slashes, drops one at the end, and decodes each segment. It answers 400
/// to what is no UTF-8.
fn rails(path: &str) -> Option<Vec<String>> {
    let mut squeezed: Vec<_> = split(path).into_iter().filter(|part| !part.is_empty()).collect();
    if squeezed.is_empty() {
        squeezed.push(String::new());
    }
    let decoded: Vec<_> = squeezed.iter().map(|segment| decode(segment)).collect();
    (!decoded.iter().any(|segment| segment.contains('\u{fffd}'))).then_some(decoded)
}

fn split(path: &str) -> Vec<String> {
    path.strip_prefix('/').unwrap_or(path).split('/').map(ToOwned::to_owned).collect()
}

fn join(segments: &[String]) -> String {
    format!("/{}", segments.join("/"))
}

/// Resolves dots, and drops empty segments if that is asked for. A slash at the end stays.
fn clean(segments: &[String], merge: bool) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let last = segments.len().saturating_sub(1);
    for (at, segment) in segments.iter().enumerate() {
        match segment.as_str() {
            ".." => drop(out.pop()),
            "." => {}
            "" if merge || at == last => {}
            _ => {
                out.push(segment.clone());
                continue;
            }
        }
        if at == last {
            out.push(String::new());
        }
    }
    out
}

fn decode(text: &str) -> String {
    decode_if(text, |_| true)
}

fn decode_if(text: &str, which: fn(u8) -> bool) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let pair = tail.get(..2).filter(|pair| *first == b'%' && pair.is_ascii());
        let pair = pair.filter(|pair| pair.iter().all(u8::is_ascii_hexdigit));
        let byte = pair.and_then(|pair| {
            u8::from_str_radix(core::str::from_utf8(pair).unwrap_or_default(), 16).ok()
        });
        let byte = byte.filter(|byte| which(*byte));
        out.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8_lossy(&out).into_owned()
}

impl Reading {
    /// What the most exact rule about this reading costs: 0 if it is free, [`DENIED`] if there is
    /// none and that is denied.
    pub(crate) fn price(&self, deny: bool) -> i64 {
        let fold = |text: &str| if self.folds { text.to_lowercase() } else { text.to_owned() };
        let own: Vec<String> = self.segments.iter().map(|segment| fold(segment)).collect();
        let literal = |rule: &str| own == split(&fold(rule));
        // The more segments from the left are literal, the more exact; a letter above all digits.
        let template = |rule: &str| {
            let wanted = split(rule);
            let fits = own.len() == wanted.len()
                && own.iter().zip(&wanted).all(|(segment, wanted)| match wanted.starts_with('{') {
                    true => !segment.is_empty(),
                    false => *segment == fold(wanted),
                });
            let rank = wanted.iter().map(|part| if part.starts_with('{') { '0' } else { '1' });
            fits.then(|| rank.collect::<String>())
        };
        let whole = join(&own.iter().map(|part| part.replace('/', "%2f")).collect::<Vec<_>>());
        // To those who do not tell a slash at the end apart, `/docs/` is what `/docs` is.
        let whole = if self.slash { format!("{whole}/") } else { whole };
        let rules = RULES.iter();
        let exact = rules.clone().find(|(kind, rule, _)| *kind == "path" && literal(rule));
        let templates =
            rules.clone().filter(|(kind, rule, _)| *kind == "path" && rule.contains('{'));
        let best = templates
            .filter_map(|rule| Some((template(rule.1)?, rule)))
            .max_by(|(one, _), (other, _)| one.cmp(other))
            .map(|(_, rule)| rule);
        let prefix = rules
            .filter(|(kind, rule, _)| *kind == "prefix" && whole.starts_with(&fold(rule)))
            .max_by_key(|(_, rule, _)| rule.len());
        let found = exact.or(best).or(prefix).map(|(_, _, price)| *price);
        found.unwrap_or(if deny { DENIED } else { 0 })
    }
}

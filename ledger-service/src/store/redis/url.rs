//! The address of a Redis, or of some nodes of a Redis Cluster.

use std::{fmt, str::FromStr};

use redis::IntoConnectionInfo as _;

/// `redis://[USER:PASSWORD@]HOST[:PORT][/DB]`, `rediss://…` for TLS, and `redis+cluster://` or
/// `rediss+cluster://[USER:PASSWORD@]HOST[:PORT],HOST[:PORT]…` for a cluster, of which a few nodes
/// are enough. It does not print its password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    /// One address for a server, any for a cluster; each parses as the client's.
    nodes: Vec<String>,
    cluster: bool,
}

impl RedisUrl {
    /// The servers to ask first, each as a `redis://` or `rediss://` URL.
    #[must_use]
    pub fn nodes(&self) -> &[String] {
        &self.nodes
    }

    /// Whether it is a cluster.
    #[must_use]
    pub const fn is_cluster(&self) -> bool {
        self.cluster
    }
}

impl FromStr for RedisUrl {
    type Err = String;

    /// # Errors
    /// What is wrong, without the URL: it may hold a password.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!("{why}; write redis://[USER:PASSWORD@]HOST:PORT or redis+cluster://H1,H2")
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("no Redis URL"))?;
        let (scheme, cluster) = match scheme.strip_suffix("+cluster") {
            Some(scheme) => (scheme, true),
            None => (scheme, false),
        };
        if !matches!(scheme, "redis" | "rediss") {
            return Err(wrong("no Redis URL"));
        }
        let nodes: Vec<String> = if cluster {
            let (user, hosts) = match rest.rsplit_once('@') {
                Some((user, hosts)) => (format!("{user}@"), hosts),
                None => (String::new(), rest),
            };
            hosts
                .trim_end_matches('/')
                .split(',')
                .map(|h| format!("{scheme}://{user}{h}"))
                .collect()
        } else {
            vec![text.to_owned()]
        };
        for node in &nodes {
            node.as_str().into_connection_info().map_err(|_| wrong("no address of a Redis"))?;
        }
        Ok(Self { nodes, cluster })
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = self.nodes.iter().map(|node| {
            let rest = node.split_once("://").map_or(node.as_str(), |(_, rest)| rest);
            rest.rsplit_once('@').map_or(rest, |(_, host)| host)
        });
        let hosts: Vec<_> = hosts.collect();
        f.debug_struct("RedisUrl").field("hosts", &hosts).field("cluster", &self.cluster).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_and_clusters() {
        let cases: [(&str, &[&str], bool); 4] = [
            ("redis://localhost", &["redis://localhost"], false),
            ("rediss://u:p@h:7000/2", &["rediss://u:p@h:7000/2"], false),
            ("redis+cluster://a:1,b:2", &["redis://a:1", "redis://b:2"], true),
            ("rediss+cluster://u:p@a,b/", &["rediss://u:p@a", "rediss://u:p@b"], true),
        ];
        for (text, nodes, cluster) in cases {
            let url: RedisUrl = text.parse().unwrap();
            assert_eq!((url.nodes(), url.is_cluster()), (&*strings(nodes), cluster));
        }
    }

    fn strings(of: &[&str]) -> Vec<String> {
        of.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn neither_errors_nor_debug_show_the_password() {
        for wrong in ["redis:hunter2", "redis://:hunter2@host:port", "redis+cluster://a:hunter2"] {
            let error = wrong.parse::<RedisUrl>().unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
        let url: RedisUrl = "redis+cluster://u:hunter2@a,b".parse().unwrap();
        assert_eq!(format!("{url:?}"), r#"RedisUrl { hosts: ["a", "b"], cluster: true }"#);
    }
}

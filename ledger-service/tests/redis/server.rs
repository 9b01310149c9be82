//! A Redis of a test's own: a real server on a free port, in a folder that goes with it.

use std::{
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use stripe402_tests::ports;
use tempfile::TempDir;

/// Killed when it is dropped.
pub struct Server {
    child: Child,
    pub port: u16,
    folder: TempDir,
    arguments: Vec<String>,
}

fn binary(name: &str) -> String {
    let folder = std::env::var("REDIS_BIN").ok();
    folder.map_or_else(|| name.to_owned(), |folder| format!("{folder}/{name}"))
}

/// A port that nobody listens on. Low, since a cluster's nodes also take the port 10,000 above.
pub fn free_port() -> u16 {
    static NEXT: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);
    let base = 12_000 + u16::try_from(std::process::id() % 8_000).unwrap();
    loop {
        let port = base + NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if ports::is_free(port) && ports::is_free(port + 10_000) {
            return port;
        }
    }
}

impl Server {
    /// With an append-only file that is synced before every answer, and these settings.
    pub fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arguments = arguments.iter().map(ToString::to_string).collect();
        let port = free_port();
        let child = spawn(port, &folder, &arguments);
        let server = Self { child, port, folder, arguments };
        server.wait();
        server
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// As `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn start_again(&mut self) {
        self.child = spawn(self.port, &self.folder, &self.arguments);
        self.wait();
    }

    fn wait(&self) {
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < until, "redis-server does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What `redis-cli` answers.
    pub fn cli(&self, arguments: &[&str]) -> String {
        cli(self.port, arguments)
    }
}

fn spawn(port: u16, folder: &TempDir, arguments: &Vec<String>) -> Child {
    Command::new(binary("redis-server"))
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(["--appendonly", "yes", "--appendfsync", "always"])
        .args(arguments)
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server runs: see scripts/setup-redis.sh")
}

pub fn cli(port: u16, arguments: &[&str]) -> String {
    let output = Command::new(binary("redis-cli"))
        .args(["-p", &port.to_string()])
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{arguments:?}: {text}");
    text.trim_end().to_owned()
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Three nodes, a third of the slots each.
pub struct Cluster {
    pub nodes: Vec<Server>,
}

impl Cluster {
    pub fn start() -> Self {
        let settings = [
            "--cluster-enabled",
            "yes",
            "--appendfsync",
            "everysec",
            "--cluster-node-timeout",
            "2000",
        ];
        let nodes: Vec<_> = (0..3).map(|_| Server::start(&settings)).collect();
        let addresses: Vec<_> = nodes.iter().map(|n| format!("127.0.0.1:{}", n.port)).collect();
        let mut create = vec!["--cluster", "create"];
        create.extend(addresses.iter().map(String::as_str));
        create.push("--cluster-yes");
        nodes[0].cli(&create);
        let until = Instant::now() + Duration::from_secs(30);
        let ready = |node: &Server| node.cli(&["cluster", "info"]).contains("cluster_state:ok");
        while !nodes.iter().all(ready) {
            assert!(Instant::now() < until, "the cluster does not form");
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { nodes }
    }

    pub fn url(&self) -> String {
        let nodes: Vec<_> = self.nodes.iter().map(|n| format!("127.0.0.1:{}", n.port)).collect();
        format!("redis+cluster://{}", nodes.join(","))
    }
}

//! Those who send too slowly, too much, or no HTTP at all: they are cut off at the named limits, and
//! honest clients are served meanwhile.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use stripe402_tests::{
    http,
    stack::{Stack, StackOptions},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
};

/// Until a connection is gone: the limit, the time to take an answer, and a margin for a busy machine.
const GONE_WITHIN: Duration = Duration::from_secs(6);
/// Connections to one listener.
const MOST: usize = 40;
/// Honest clients wait for no more than this, even where somebody holds every connection.
const SERVED_WITHIN: Duration = Duration::from_secs(8);

fn options() -> StackOptions {
    // The shipped ones are ten times as long.
    let one = "1s";
    StackOptions::new()
        .ledger_env("LEDGER_HEADER_TIMEOUT", one)
        .ledger_env("LEDGER_BODY_TIMEOUT", one)
        .ledger_env("LEDGER_IDLE_TIMEOUT", one)
        .ledger_env("LEDGER_MAX_HEADERS", "16384")
        .ledger_env("LEDGER_MAX_BODY", "65536")
        .ledger_env("LEDGER_MAX_CONNECTIONS", &MOST.to_string())
        .config(|config| {
            let manager = config.connection_manager()?;
            manager["request_headers_timeout"] = json!("1s");
            manager["drain_timeout"] = json!("1s");
            manager["common_http_protocol_options"] = json!({"idle_timeout": "1s"});
            Ok(())
        })
}

/// What is sent, in one go and then byte by byte.
struct Attack {
    name: &'static str,
    start: Vec<u8>,
    drip: &'static [u8],
    /// What is answered, if anything must be.
    expected: Option<&'static str>,
}

/// What came of it.
struct Fate {
    answer: String,
    closed_after: Duration,
}

async fn suffer(address: SocketAddr, attack: &Attack) -> Fate {
    let began = Instant::now();
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let (start, drip) = (attack.start.clone(), attack.drip);
    let sending = tokio::spawn(async move {
        // The other side may close whenever it has enough.
        let mut open = writer.write_all(&start).await.is_ok();
        while open && !drip.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
            open = writer.write_all(drip).await.is_ok();
        }
        // Whoever holds a connection does not hang up.
        tokio::time::sleep(GONE_WITHIN * 2).await;
    });
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(GONE_WITHIN, async {
        let mut piece = [0; 4096];
        while let Ok(count @ 1..) = reader.read(&mut piece).await {
            answer.extend_from_slice(&piece[..count]);
        }
    });
    let closed = closed.await.is_ok();
    sending.abort();
    let text = String::from_utf8_lossy(&answer);
    let answer = match text.strip_prefix("HTTP/1.1 ") {
        Some(rest) => rest.chars().take(3).collect(),
        None if answer.is_empty() => "nothing".to_owned(),
        None => "frames".to_owned(),
    };
    assert!(closed, "{}: still open after {GONE_WITHIN:?}, answered {answer}", attack.name);
    Fate { answer, closed_after: began.elapsed() }
}

/// Asks one thing again and again, each time over a connection of its own.
struct Honest {
    stop: Arc<AtomicBool>,
    slowest_ms: Arc<AtomicU64>,
    task: JoinHandle<u64>,
}

impl Honest {
    fn start(request: reqwest::Request, expected: u16) -> Self {
        let (stop, slowest_ms) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, slowest) = (Arc::clone(&stop), Arc::clone(&slowest_ms));
        let task = tokio::spawn(async move {
            let mut served = 0;
            while !stopped.load(Ordering::SeqCst) {
                let client = http::client().unwrap();
                let began = Instant::now();
                let answer = client.execute(request.try_clone().unwrap()).await.unwrap();
                assert_eq!(answer.status().as_u16(), expected, "an honest client");
                let took = u64::try_from(began.elapsed().as_millis()).unwrap();
                slowest.fetch_max(took, Ordering::SeqCst);
                assert!(began.elapsed() < SERVED_WITHIN, "an honest client waits for {took} ms");
                served += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            served
        });
        Self { stop, slowest_ms, task }
    }

    /// How many were served, and how long the slowest took.
    async fn stop(self) -> (u64, u64) {
        self.stop.store(true, Ordering::SeqCst);
        let served = self.task.await.unwrap();
        assert!(served > 0);
        (served, self.slowest_ms.load(Ordering::SeqCst))
    }
}

fn head(method: &str, path: &str, headers: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nhost: a\r\n{headers}\r\n").into_bytes()
}

/// `post` is an address that takes bodies, with the headers that let one in.
fn attacks(post: (&str, &str), slow_body: Option<&'static str>) -> Vec<Attack> {
    let (path, headers) = post;
    let long =
        |name: &str, size: usize| head("GET", "/", &format!("{name}: {}\r\n", "x".repeat(size)));
    let many = (0..20_000).map(|number| format!("x-{number}: y\r\n")).collect::<String>();
    let mut noise = vec![0_u8; 4096];
    let mut seed = 402_u32;
    for byte in &mut noise {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = seed.to_be_bytes()[0];
    }
    // Enough of one for what listens for it: a TLS record with the beginning of a ClientHello.
    let hello =
        [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(), &noise[..505]].concat();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
    // HEADERS without END_HEADERS, then CONTINUATION without an end, 16 KB each.
    let endless = |kind: u8| [&[0, 0x40, 0, kind, 0, 0, 0, 0, 1][..], &[0; 0x4000]].concat();
    let flood = [preface.as_slice(), &endless(1), &endless(9).repeat(64)].concat();
    let attack = |name, start, drip, expected| Attack { name, start, drip, expected };
    let mut attacks = vec![
        attack("nothing at all", vec![], b"", None),
        attack("a head, byte by byte", b"GET / HTTP/1.1\r\nhost: a\r\nx: ".to_vec(), b"y", None),
        attack("headers, one by one", b"GET / HTTP/1.1\r\nhost: a\r\n".to_vec(), b"x: y\r\n", None),
        attack("an HTTP/2 preface, then silence", preface.to_vec(), b"", None),
        attack("HTTP/2 headers without an end", flood, b"", None),
        attack("a header of 200 KB", long("x", 200_000), b"", Some("431")),
        attack("20,000 headers", head("GET", "/", &many), b"", Some("431")),
        attack("a line that does not end", vec![b'G'; 500_000], b"", None),
        attack("noise", noise, b"", None),
        attack("a TLS hello", hello, b"", None),
        attack(
            "two lengths",
            head("POST", path, &format!("{headers}content-length: 1\r\ncontent-length: 2\r\n")),
            b"",
            Some("400"),
        ),
        attack(
            "a chunk of no length",
            [
                head("POST", path, &format!("{headers}transfer-encoding: chunked\r\n")),
                b"zz\r\n".to_vec(),
            ]
            .concat(),
            b"",
            None,
        ),
    ];
    if let Some(expected) = slow_body {
        let declared =
            |size: usize| head("POST", path, &format!("{headers}content-length: {size}\r\n"));
        attacks.push(attack("a body, byte by byte", declared(1000), b" ", Some(expected)));
        attacks.push(attack(
            "a body of 10 MB",
            [declared(10_000_000), vec![b' '; 1_000_000]].concat(),
            b"",
            Some("413"),
        ));
        let chunked = head("POST", path, &format!("{headers}transfer-encoding: chunked\r\n"));
        let chunks =
            b"4000\r\n".iter().copied().chain([b' '; 0x4000]).chain(*b"\r\n").collect::<Vec<u8>>();
        attacks.push(attack(
            "a body of chunks without an end",
            [chunked, chunks.repeat(16)].concat(),
            b"1\r\n \r\n",
            Some("413"),
        ));
    }
    attacks
}

#[expect(clippy::print_stdout, reason = "what came of it, for people")]
async fn attack_all(name: &str, address: SocketAddr, attacks: &[Attack], honest: Honest) {
    println!("\n{name}\n  {:34}{:>10}{:>12}", "sent", "answer", "closed");
    let fates = attacks.iter().map(|attack| suffer(address, attack));
    let fates = futures_util::future::join_all(fates).await;
    let mut wrong = Vec::new();
    for (attack, fate) in attacks.iter().zip(fates) {
        let seconds = fate.closed_after.as_millis();
        println!("  {:34}{:>10}{:>9} ms", attack.name, fate.answer, seconds);
        let server_error = fate.answer.starts_with('5');
        if attack.expected.is_some_and(|expected| expected != fate.answer) || server_error {
            wrong.push((attack.name, fate.answer));
        }
    }
    let (served, slowest) = honest.stop().await;
    println!("  {served} honest requests meanwhile, the slowest in {slowest} ms");
    assert!(wrong.is_empty(), "{name}: {wrong:?}");
}

/// More connections than there may be, held for nothing, and made again when they are cut off.
#[expect(clippy::print_stdout, reason = "what came of it, for people")]
async fn flood(name: &str, address: SocketAddr, honest: Honest) {
    let began = Instant::now();
    let held = (0..MOST * 2).map(|_| async {
        while began.elapsed() < Duration::from_secs(4) {
            let Ok(mut stream) = TcpStream::connect(address).await else { continue };
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nx: ").await;
            let _ = tokio::time::timeout(GONE_WITHIN, stream.read(&mut [0; 64])).await;
        }
    });
    futures_util::future::join_all(held).await;
    let (served, slowest) = honest.stop().await;
    println!(
        "  {} connections held against {MOST} on {name}: {served} honest requests, the slowest in {slowest} ms",
        MOST * 2
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_slow_or_sends_too_much_is_cut_off_and_others_are_served() {
    let stack = Stack::start(options()).await.unwrap();
    let ledger = &stack.ledgers[0];
    let address = |url: String| url.trim_start_matches("http://").parse::<SocketAddr>().unwrap();
    let get = |url: String| stack.client.get(url).build().unwrap();
    let token = format!("authorization: Bearer {}\r\n", stack.secrets.ledger_token);
    let admin = format!(
        "authorization: Bearer {}\r\ncontent-type: application/json\r\n",
        ledger.admin_token()
    );

    let honest = || Honest::start(get(ledger.url("/healthz")), 200);
    let all = attacks(("/v1/batch", &token), Some("408"));
    attack_all("for gateways", address(ledger.url("")), &all, honest()).await;
    flood("it", address(ledger.url("")), honest()).await;

    let freeze = "/admin/v1/clients/0123456789abcdef/freeze";
    let honest = || Honest::start(get(ledger.admin_url("/metrics")), 200);
    let all = attacks((freeze, &admin), Some("408"));
    attack_all("for operators", address(ledger.admin_url("")), &all, honest()).await;
    flood("it", address(ledger.admin_url("")), honest()).await;

    // Unsigned: refused as such, which is an answer.
    let event =
        || stack.client.post(ledger.webhook_url("/webhooks/stripe")).body("{}").build().unwrap();
    let all = attacks(("/webhooks/stripe", ""), Some("408"));
    let listener = address(ledger.webhook_url(""));
    attack_all("for webhooks", listener, &all, Honest::start(event(), 400)).await;
    flood("it", listener, Honest::start(event(), 400)).await;

    // At the gateway Envoy reads heads; a payment is asked for before any body is read.
    let honest = Honest::start(get(stack.url("/api/joke")), 402);
    attack_all("the gateway", stack.envoy.address(), &attacks(("/api/nothing", ""), None), honest)
        .await;
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 0);
}

/// What is said to be longest is what is kept.
#[tokio::test]
async fn what_is_within_the_limits_is_served() {
    let stack = Stack::start(options()).await.unwrap();
    let ledger = &stack.ledgers[0];
    let headers = "x".repeat(12_000);
    let answer =
        stack.client.get(ledger.url("/healthz")).header("x", headers).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let batch = |size: usize| {
        let question = r#"{"version":3,"clientId":"CLIENT","currency":"usd"}"#;
        let question = question.replace("CLIENT", &"0".repeat(64));
        let body = format!("{question}{}", " ".repeat(size - question.len()));
        let request = stack.client.post(ledger.url("/v1/balance")).body(body);
        request.bearer_auth(&stack.secrets.ledger_token).send()
    };
    assert_eq!(batch(65_536).await.unwrap().status(), 200);
    assert_eq!(batch(65_537).await.unwrap().status(), 413);
    // A connection on which something is under way is not idle: a card that Stripe is slow with.
    stack
        .sim
        .fault(&json!({"path": "/v1/payment_intents", "method": "POST", "action": "latency", "ms": 2_500}))
        .await
        .unwrap();
    let client = crate::answer::paid_client(&stack).await;
    assert_eq!(crate::answer::left_before(&stack, &client).await, 49_500);
}

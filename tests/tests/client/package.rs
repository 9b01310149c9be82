//! What `npm pack` makes, in a project that has nothing else: from ES modules, CommonJS,
//! TypeScript, and a page in a browser.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use serde_json::{Value, json};
use stripe402_tests::{
    binary, card,
    process::{Process, Spec},
    wire,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, process::Command, sync::mpsc};

use crate::world::World;

/// Says what a program of each kind says: what was served, how it was paid for, and the balance.
const PROGRAM: &str = "
const url = process.argv[2];
const fetch = createStripe402Fetch({ paymentMethodId: process.argv[3], maxPrice: '0.05usd' });
const answer = await fetch(url);
const paid = receiptOf(answer);
const balance = await fetch.balance(url);
console.log(JSON.stringify({ weather: await answer.json(), charged: paid?.charged, left: balance?.creditsRemaining }));
";

pub(crate) struct Project {
    dir: TempDir,
    world: World,
}

impl Project {
    /// An empty project, with the package from its archive and without a network.
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let package = binary::workspace().join("client/js");
        let to = dir.path().to_str().unwrap();
        let packed = run(&package, "npm", &["pack", "--silent", "--pack-destination", to]).await;
        let archive = dir.path().join(packed.trim());
        let manifest = r#"{"name": "empty", "private": true}"#;
        std::fs::write(dir.path().join("package.json"), manifest).unwrap();
        let archive = archive.to_str().unwrap();
        run(dir.path(), "npm", &["install", "--offline", "--silent", "--ignore-scripts", archive])
            .await;
        let installed: Vec<_> =
            std::fs::read_dir(dir.path().join("node_modules")).unwrap().collect();
        let names = installed.into_iter().map(|entry| entry.unwrap().file_name());
        let names: Vec<_> = names.filter(|name| name != ".package-lock.json").collect();
        assert_eq!(names, ["stripe402-client"], "it needs nothing else");
        Self { dir, world: World::start().await }
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    async fn card(&self) -> String {
        self.world.stack.sim.payment_method(&card::fresh().unwrap(), "123").await.unwrap()
    }

    /// Runs a program with Node, and sees that it was served and paid.
    async fn serves(&self, program: &str) {
        let (url, card) = (self.world.stack.url("/api/weather"), self.card().await);
        let said = run(self.dir.path(), "node", &[program, &url, &card]).await;
        let said: Value =
            serde_json::from_str(&said).unwrap_or_else(|_| panic!("{program}: {said}"));
        assert_eq!(said["weather"]["conditions"], "Sunny", "{program}");
        assert_eq!(said["charged"], 50_000, "{program}");
        assert_eq!(said["left"], 49_500, "{program}");
    }
}

async fn run(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(folder).output().await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, error) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}\n{out}\n{error}");
    out
}

#[tokio::test]
async fn an_empty_project_can_use_it_in_four_ways() {
    let project = Project::new().await;
    let import = "import { createStripe402Fetch, receiptOf } from 'stripe402-client';";
    project.write("esm.mjs", &format!("{import}\n{PROGRAM}"));
    project.serves("esm.mjs").await;

    let require = "const { createStripe402Fetch, receiptOf } = require('stripe402-client');\n\
                   if (!require('stripe402-client/node').fileStorage) throw new Error('no file storage');";
    project.write("cjs.cjs", &format!("{require}\n(async () => {{{PROGRAM}}})();"));
    project.serves("cjs.cjs").await;

    types(&project, import).await;
    page(&project).await;
}

/// Compiled by tsc with everything strict, in both of its ways to resolve; a mistake is one.
async fn types(project: &Project, import: &str) {
    let declared = "declare const process: { argv: string[] };\ndeclare const console: { log(text: string): void };";
    let program = PROGRAM
        .replace("process.argv[3]", "process.argv[3] ?? ''")
        .replace("const url = process.argv[2];", "const url: string = process.argv[2] ?? '';");
    project.write("typed.ts", &format!("{import}\n{declared}\n{program}\nexport {{}};"));
    let tsc = binary::workspace().join("client/js/node_modules/typescript/bin/tsc");
    let tsc = tsc.to_str().unwrap();
    let strict = ["--strict", "--target", "es2022", "--lib", "es2022,dom", "--outDir", "out"];
    for resolution in [["--module", "nodenext"], ["--module", "esnext"]] {
        let more =
            if resolution[1] == "esnext" { vec!["--moduleResolution", "bundler"] } else { vec![] };
        // nodenext decides by the extension.
        let file = if resolution[1] == "nodenext" { "typed.mts" } else { "typed.ts" };
        std::fs::copy(project.dir.path().join("typed.ts"), project.dir.path().join("typed.mts"))
            .unwrap();
        run(project.dir.path(), "node", &[&[tsc, file], &strict[..], &resolution, &more].concat())
            .await;
    }
    project.serves("out/typed.mjs").await;

    let wrong = "import { createStripe402Fetch } from 'stripe402-client';\n\
                 createStripe402Fetch({ maxPrize: 5 });\n";
    project.write("wrong.mts", wrong);
    let arguments =
        [&[tsc, "wrong.mts", "--noEmit", "--module", "nodenext"], &strict[..5]].concat();
    let output = Command::new("node").args(arguments).current_dir(project.dir.path()).output();
    let said = String::from_utf8_lossy(&output.await.unwrap().stdout).into_owned();
    assert!(said.contains("maxPrize"), "a misspelt limit is an error when compiled: {said}");
}

/// Serves the project's files, and takes what the page has to say.
#[derive(Clone)]
struct Site {
    root: Arc<PathBuf>,
    said: Arc<Mutex<mpsc::Sender<String>>>,
}

async fn serve(State(site): State<Site>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    if path == "/said" {
        let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
        let said = site.said.lock().unwrap().clone();
        said.send(String::from_utf8_lossy(&body).into_owned()).await.unwrap();
        return StatusCode::NO_CONTENT.into_response();
    }
    if path == "/sold" && !request.headers().contains_key(wire::PAYMENT) {
        let challenge = json!({"price": 5, "minTopUp": 50_000});
        let header = [(wire::PAYMENT_REQUIRED, wire::encode(&challenge))];
        return (StatusCode::PAYMENT_REQUIRED, header).into_response();
    }
    if path == "/hop" || path == "/sold" {
        return Redirect::temporary("/page.html").into_response();
    }
    let Ok(bytes) = std::fs::read(site.root.join(path.trim_start_matches('/'))) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let kind = if path.ends_with(".html") { "text/html" } else { "text/javascript" };
    ([(header::CONTENT_TYPE, kind)], bytes).into_response()
}

/// A page of another origin than the gateway's; twice, to see what `localStorage` keeps.
async fn page(project: &Project) {
    let url = project.world.stack.url("/api/weather");
    let card = project.card().await;
    let html = format!(
        "<!doctype html><script type=module>
        import {{ createStripe402Fetch, receiptOf }} from '/node_modules/stripe402-client/dist/esm/index.js';
        const say = (what) => fetch('/said', {{ method: 'POST', body: JSON.stringify(what) }});
        try {{
            let asked = 0;
            const onPaymentRequired = async (terms) => {{ asked += terms.price / 500; return '{card}'; }};
            const options = {{ onPaymentRequired, storage: 'localStorage' }};
            const lefts = [];
            for (const pay of [createStripe402Fetch(options), createStripe402Fetch(options)]) {{
                const answers = await Promise.all([pay('{url}'), pay('{url}'), pay(new Request('{url}'))]);
                for (const answer of answers) lefts.push(receiptOf(answer).creditsRemaining);
            }}
            lefts.sort();
            const careful = createStripe402Fetch({{ paymentMethodId: '{card}', maxPrice: 499 }});
            const refused = await careful('{url}').catch((error) => error.code);
            const led = createStripe402Fetch({{ paymentMethodId: 'pm_page' }});
            const redirected = await led('/sold').catch((error) => error.code);
            const unpaid = (await createStripe402Fetch()('/hop')).status;
            await say({{ lefts, asked, refused, redirected, unpaid, kept: localStorage.getItem('stripe402').length > 64 }});
        }} catch (error) {{ await say({{ error: String(error?.stack ?? error) }}); }}
        </script>"
    );
    project.write("page.html", &html);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (said, mut heard) = mpsc::channel(4);
    let root = Arc::new(project.dir.path().to_path_buf());
    let site = Site { root, said: Arc::new(Mutex::new(said)) };
    let service = Router::new().fallback(serve).with_state(site);
    tokio::spawn(async move { axum::serve(listener, service).await });

    let profile = project.dir.path().join("profile");
    let log = project.world.stack.dir().join("chromium.log");
    let mut spec = Spec::new("Chromium", "chromium", log);
    for flag in [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-quic",
        "--no-proxy-server",
    ] {
        spec = spec.arg(flag);
    }
    let spec = spec
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("http://{address}/page.html"));
    let _browser = Process::spawn(spec).unwrap();
    let patience = std::time::Duration::from_secs(60);
    let said = tokio::time::timeout(patience, heard.recv()).await.expect("the page is silent");
    let said: Value = serde_json::from_str(&said.unwrap()).unwrap();
    let expected = [47_000, 47_500, 48_000, 48_500, 49_000, 49_500];
    assert_eq!(said["lefts"], json!(expected), "{said}");
    assert_eq!(said["asked"], 1, "one card for all calls");
    assert_eq!(said["refused"], "price_too_high");
    assert_eq!(said["redirected"], "redirect_unseen", "not followed with the payment");
    assert_eq!(said["unpaid"], 200, "followed without");
    assert_eq!(said["kept"], true);
    let calls = project.world.stack.sim.calls("/v1/payment_intents").await.unwrap();
    let charges = calls
        .iter()
        .filter(|call| call.method == "POST" && call.params["payment_method"] == card.as_str());
    assert_eq!(charges.count(), 1);
}

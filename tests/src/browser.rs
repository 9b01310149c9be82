//! Chromium without a screen, by the WebDriver protocol (w3.org/TR/webdriver2).

use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::ports::{self, local};
use crate::process::{Probe, Process, Spec};
use crate::{Error, Result, binary, http};

const STARTS_WITHIN: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(15);
/// The key under which the protocol hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A running browser with one window and a profile of its own.
#[derive(Debug)]
pub struct Browser {
    session: String,
    /// Chromium itself, which would outlive its driver.
    chromium: Option<Pid>,
    _driver: Process,
    _profile: TempDir,
}

impl Browser {
    /// Starts one.
    ///
    /// # Errors
    /// If Chromium or its driver is missing or does not start.
    pub async fn start(log: &Path) -> Result<Self> {
        let profile = tempfile::Builder::new()
            .prefix("stripe402-browser-")
            .tempdir()
            .map_err(Error::io("cannot make a folder for the browser's profile"))?;
        let port = ports::free()?;
        let spec =
            Spec::new("chromedriver", binary::chromedriver()?, log).arg(format!("--port={port}"));
        let mut driver = Process::spawn(spec)?;
        let base = format!("http://{}", local(port));
        driver.wait_ready(&Probe::ok(format!("{base}/status")), STARTS_WITHIN).await?;
        let arguments = [
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-quic".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let started = post(&format!("{base}/session"), &wanted).await?;
        let id = started.get("sessionId").and_then(Value::as_str).unwrap_or_default();
        let chromium = started.pointer("/capabilities/goog:processID").and_then(Value::as_i64);
        let chromium = chromium.and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let session = format!("{base}/session/{id}");
        Ok(Self { session, chromium, _driver: driver, _profile: profile })
    }

    /// Opens an address, and waits until its page is loaded.
    ///
    /// # Errors
    /// If the browser does not answer.
    pub async fn open(&self, url: &str) -> Result<()> {
        post(&format!("{}/url", self.session), &json!({"url": url})).await.map(drop)
    }

    /// The size of the window as a page sees it, in CSS pixels.
    ///
    /// # Errors
    /// If the browser does not answer.
    pub async fn size(&self, width: u32, height: u32) -> Result<()> {
        let metrics = json!({
            "cmd": "Emulation.setDeviceMetricsOverride",
            "params": {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
        });
        post(&format!("{}/goog/cdp/execute", self.session), &metrics).await.map(drop)
    }

    /// Whether pages are told that their reader prefers dark ones.
    ///
    /// # Errors
    /// If the browser does not answer.
    pub async fn dark(&self, dark: bool) -> Result<()> {
        let value = if dark { "dark" } else { "light" };
        let media = json!({
            "cmd": "Emulation.setEmulatedMedia",
            "params": {"features": [{"name": "prefers-color-scheme", "value": value}]},
        });
        post(&format!("{}/goog/cdp/execute", self.session), &media).await.map(drop)
    }

    /// The languages that pages and servers are told of, such as `de-DE`.
    ///
    /// # Errors
    /// If the browser does not answer.
    pub async fn language(&self, tags: &str) -> Result<()> {
        let agent = self.run("return navigator.userAgent").await?;
        let told = json!({
            "cmd": "Emulation.setUserAgentOverride",
            "params": {"userAgent": agent, "acceptLanguage": tags},
        });
        post(&format!("{}/goog/cdp/execute", self.session), &told).await.map(drop)
    }

    /// What a script returns.
    ///
    /// # Errors
    /// If it throws, or the browser does not answer.
    pub async fn run(&self, script: &str) -> Result<Value> {
        let asked = json!({"script": script, "args": []});
        post(&format!("{}/execute/sync", self.session), &asked).await
    }

    /// Waits until an expression is true, and no text of the page has to be guessed at.
    ///
    /// # Errors
    /// If it does not become true; the error shows what the page says.
    pub async fn until(&self, expression: &str) -> Result<()> {
        let start = Instant::now();
        while self.run(&format!("return !!({expression})")).await? != json!(true) {
            if start.elapsed() > PATIENCE {
                let text = self.run("return document.documentElement.innerText").await?;
                return Err(Error::Invalid(format!("{expression} is not true on: {text}")));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Types into an element, as a person does.
    ///
    /// # Errors
    /// If there is no such element.
    pub async fn type_into(&self, selector: &str, text: &str) -> Result<()> {
        let element = self.element(selector).await?;
        post(&format!("{element}/value"), &json!({"text": text})).await.map(drop)
    }

    /// Clicks an element, as a person does: it must be visible and not covered.
    ///
    /// # Errors
    /// If there is no such element, or it cannot be clicked.
    pub async fn click(&self, selector: &str) -> Result<()> {
        let element = self.element(selector).await?;
        post(&format!("{element}/click"), &json!({})).await.map(drop)
    }

    /// What the window shows, as PNG.
    ///
    /// # Errors
    /// If the browser does not answer, or the file cannot be written.
    pub async fn screenshot(&self, file: &Path) -> Result<()> {
        let shot = get(&format!("{}/screenshot", self.session)).await?;
        let png = STANDARD
            .decode(shot.as_str().unwrap_or_default())
            .map_err(|error| Error::Invalid(format!("no screenshot: {error}")))?;
        std::fs::write(file, png).map_err(Error::io(format!("cannot write {}", file.display())))
    }

    /// What the page has complained of so far.
    ///
    /// # Errors
    /// If the browser does not answer.
    pub async fn complaints(&self) -> Result<Vec<String>> {
        let log = post(&format!("{}/se/log", self.session), &json!({"type": "browser"})).await?;
        let entries = log.as_array().cloned().unwrap_or_default();
        let severe = entries.iter().filter(|entry| entry.get("level") == Some(&json!("SEVERE")));
        Ok(severe
            .map(|entry| entry.get("message").map(ToString::to_string).unwrap_or_default())
            .collect())
    }

    async fn element(&self, selector: &str) -> Result<String> {
        let asked = json!({"using": "css selector", "value": selector});
        let found = post(&format!("{}/element", self.session), &asked).await?;
        let id = found.get(ELEMENT).and_then(Value::as_str);
        let id = id.ok_or_else(|| Error::Invalid(format!("the page has no {selector}")))?;
        Ok(format!("{}/element/{id}", self.session))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(chromium) = self.chromium.take() {
            // Its driver, which is still there, is its parent: the id is nobody else's yet.
            let _gone = kill_process(chromium, Signal::KILL);
            // Its helpers notice, and leave the profile alone, before the folder is removed.
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

async fn post(url: &str, body: &Value) -> Result<Value> {
    value(url, http::client()?.post(url).json(body)).await
}

async fn get(url: &str) -> Result<Value> {
    value(url, http::client()?.get(url)).await
}

async fn value(url: &str, request: reqwest::RequestBuilder) -> Result<Value> {
    let failed = || Error::http(format!("WebDriver {url}"));
    let answer = request.timeout(STARTS_WITHIN).send().await.map_err(failed())?;
    let good = answer.status().is_success();
    let mut answer: Value = answer.json().await.map_err(failed())?;
    let value = answer.get_mut("value").map(Value::take).unwrap_or_default();
    if good { Ok(value) } else { Err(Error::Invalid(format!("WebDriver {url}: {value}"))) }
}

//! A person in a browser: sees the price, pays by card, and gets what was bought.

use std::path::PathBuf;

use serde_json::json;
use stripe402_tests::{
    browser::Browser,
    stack::{Stack, StackOptions},
};

use crate::answer::send;

async fn pay_by(browser: &Browser, number: &str) {
    browser.until("document.querySelector('[name=number]')").await.unwrap();
    for (name, text) in [("number", number), ("expiry", "12 / 40"), ("cvc", "123")] {
        let selector = format!("[name={name}]");
        browser.run(&format!("document.querySelector('{selector}').value = ''")).await.unwrap();
        browser.type_into(&selector, text).await.unwrap();
    }
    browser.click("#buy").await.unwrap();
}

/// Where the screenshots are kept, for people to look at.
fn screenshots() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

async fn look(browser: &Browser, name: &str) {
    for (kind, width, height) in [("desktop", 1280, 800), ("phone", 390, 844)] {
        browser.size(width, height).await.unwrap();
        let fits = format!("document.documentElement.scrollWidth <= {width}");
        browser.until(&fits).await.unwrap();
        let file = screenshots().join(format!("{name}-{kind}.png"));
        browser.screenshot(&file).await.unwrap();
        assert!(std::fs::metadata(&file).unwrap().len() > 5_000, "nothing is on {name} {kind}");
    }
}

#[tokio::test]
async fn a_person_pays_in_a_browser_and_sees_what_was_bought() {
    // As `make run` has it: Stripe.js comes from the stand-in.
    let stack = Stack::start(StackOptions::new().stand_in_stripe_js()).await.unwrap();
    let browser = Browser::start(&stack.dir().join("chromedriver.log")).await.unwrap();
    browser.open(&stack.url("/api/weather")).await.unwrap();
    browser
        .until("document.querySelector('#pay') && !document.querySelector('#pay').hidden")
        .await
        .unwrap();
    let text = browser.run("return document.body.innerText").await.unwrap();
    let text = text.as_str().unwrap();
    for shown in ["Current weather for one city", "/api/weather", "$0.05", "Pay $5.00"] {
        assert!(text.contains(shown), "{shown} is not on the page: {text}");
    }
    assert!(!text.contains("free"), "no trial is offered: {text}");
    look(&browser, "paywall").await;

    // A card that is declined says why, and the next one pays.
    pay_by(&browser, "4000000000000002").await;
    browser
        .until("document.querySelector('#said').textContent.includes('declined')")
        .await
        .unwrap();
    look(&browser, "declined").await;
    pay_by(&browser, "4242424242424242").await;
    browser.until("document.body.innerText.includes('Sunny')").await.unwrap();
    look(&browser, "bought").await;
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 500);

    // The client id is kept: the next visit shows what is left, and needs no card.
    browser.open(&stack.url("/api/weather?again")).await.unwrap();
    browser.until("document.body.innerText.includes('You have $4.95 left.')").await.unwrap();
    look(&browser, "balance").await;
    browser.click("#spend").await.unwrap();
    browser.until("document.body.innerText.includes('Sunny')").await.unwrap();
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 500, "no second charge");
    browser.open(&stack.url("/api/joke")).await.unwrap();
    browser.until("document.body.innerText.includes('You have $4.90 left.')").await.unwrap();

    // Another card, whose bank asks: no is an error, yes pays.
    browser.click("#forget").await.unwrap();
    pay_by(&browser, "4000002760003184").await;
    browser.until("document.querySelector('#stripe-fail')").await.unwrap();
    browser.click("#stripe-fail").await.unwrap();
    browser
        .until("document.querySelector('#said').textContent.includes('authenticate')")
        .await
        .unwrap();
    pay_by(&browser, "4000002760003184").await;
    browser.until("document.querySelector('#stripe-confirm')").await.unwrap();
    browser.click("#stripe-confirm").await.unwrap();
    browser.until("document.body.innerText.includes('402')").await.unwrap();
    browser.until("document.querySelector('#paid')").await.unwrap();

    // The 402s themselves are all that the console tells.
    let complaints = browser.complaints().await.unwrap();
    let others: Vec<_> = complaints
        .iter()
        .filter(|text| !text.contains("402") && !text.contains("favicon"))
        .collect();
    assert!(others.is_empty(), "{others:?}");
    println!("screenshots: {}", screenshots().display());
}

/// The page says what is free and for whom, and a new card is not charged.
#[tokio::test]
async fn a_person_tries_for_free() {
    let options = StackOptions::new().stand_in_stripe_js();
    let options = options.filter(|filter| filter["trial"] = json!({"units": 2_000}));
    let stack = Stack::start(options).await.unwrap();
    let browser = Browser::start(&stack.dir().join("chromedriver.log")).await.unwrap();
    for (path, line) in [
        ("/api/joke", "First 20 requests free, no charge"),
        ("/api/weather", "First 4 requests free, no charge"),
    ] {
        browser.open(&stack.url(path)).await.unwrap();
        browser.until("!document.querySelector('#pay').hidden").await.unwrap();
        let text = browser.run("return document.body.innerText").await.unwrap();
        let text = text.as_str().unwrap();
        let terms = "A card that is new here is verified and not charged. Any other card is charged $5.00 \
                     once.";
        for shown in [line, terms, "Continue"] {
            assert!(text.contains(shown), "{shown} is not on the page: {text}");
        }
    }
    look(&browser, "trial").await;
    pay_by(&browser, "4242424242424242").await;
    browser.until("document.body.innerText.includes('Sunny')").await.unwrap();
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 0);
    browser.open(&stack.url("/api/weather?again")).await.unwrap();
    browser.until("document.body.innerText.includes('You have $0.15 left.')").await.unwrap();
}

/// Everybody else gets JSON, and a page that is switched off is off.
#[tokio::test]
async fn only_browsers_get_the_page() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let page = send(stack.get("/api/joke").header("accept", "text/html,*/*;q=0.8")).await;
    assert_eq!(page.status, 402);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("vary"), Some("accept"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(page.header("content-security-policy"), Some("frame-ancestors 'none'"));
    assert!(page.header("payment-required").is_some());
    for accept in ["*/*", "application/json", "text/plain", ""] {
        send(stack.get("/api/joke").header("accept", accept)).await.challenge();
    }
    let post = stack.client.post(stack.url("/api/joke")).header("accept", "text/html");
    assert_eq!(send(post).await.status, 404, "not for sale by this method");
    let off = StackOptions::new().filter(|filter| filter["paywall"] = json!({"enabled": false}));
    let stack = Stack::start(off).await.unwrap();
    send(stack.get("/api/joke").header("accept", "text/html")).await.challenge();
}

/// A page of another origin reads prices and receipts, and its preflights are free.
#[tokio::test]
async fn a_page_of_another_origin_pays() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let client = crate::answer::paid_client(&stack).await;
    let browser = Browser::start(&stack.dir().join("chromedriver.log")).await.unwrap();
    browser.open(&format!("http://{}/api/health", stack.upstream.address())).await.unwrap();
    stack.upstream.recorder().clear();
    let script = format!(
        "const url = '{}';
         const unpaid = await fetch(url);
         const payment = btoa(JSON.stringify({{clientId: '{client}'}}));
         const paid = await fetch(url, {{headers: {{payment}}}});
         const read = (answer, name) => JSON.parse(atob(answer.headers.get(name)));
         return [unpaid.status, read(unpaid, 'payment-required').price,
                 paid.status, read(paid, 'payment-response').creditsRemaining];",
        stack.url("/api/joke")
    );
    let script = format!("return (async () => {{ {script} }})()");
    assert_eq!(browser.run(&script).await.unwrap(), json!([402, 100, 200, 49_400]));
    let received = stack.upstream.recorder().requests();
    let jokes = received.iter().filter(|request| request.path == "/api/joke").count();
    assert_eq!(jokes, 1, "the preflight went no further");
}

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
    browser.until("!document.querySelector('#buy').disabled").await.unwrap();
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
    let button = "Add $5.00 of credit, about 100 requests";
    for shown in ["Current weather for one city", "/api/weather", "$0.05", button, "Test mode"] {
        assert!(text.contains(shown), "{shown} is not on the page: {text}");
    }
    assert!(!text.contains("free"), "no trial is offered: {text}");
    look(&browser, "paywall").await;

    // A field that is missing is told by Stripe.js.
    browser.click("#buy").await.unwrap();
    browser
        .until("document.querySelector('#said').textContent.includes('incomplete')")
        .await
        .unwrap();
    // A card that is declined says what to do, the button has the focus again, and the next card pays.
    pay_by(&browser, "4000000000000002").await;
    browser
        .until("document.querySelector('#said').textContent.includes('declined. Ask your bank')")
        .await
        .unwrap();
    browser.until("document.activeElement.id === 'buy'").await.unwrap();
    look(&browser, "declined").await;
    pay_by(&browser, "4242424242424242").await;
    browser.until("document.body.innerText.includes('Sunny')").await.unwrap();
    let bar = bar(&browser).await;
    assert!(bar.starts_with("Paid $0.05 · $4.95 left · Card charged $5.00: pi_"), "{bar}");
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

/// The line above what was bought.
async fn bar(browser: &Browser) -> String {
    let text = "return document.querySelector('#stripe402-receipt').shadowRoot.textContent";
    browser.run(text).await.unwrap().as_str().unwrap().to_owned()
}

async fn text(browser: &Browser) -> String {
    let text = browser.run("return document.body.innerText").await.unwrap();
    text.as_str().unwrap().to_owned()
}

/// Who sells is the operator's to say; in which language is the reader's.
#[tokio::test]
async fn the_page_says_who_sells_in_the_readers_language() {
    let options = StackOptions::new().stand_in_stripe_js().filter(|filter| {
        filter["paywall"] = json!({
            "seller": "Wetter & <b>Söhne</b>", "logo": "/api/health", "accent": "#ffd400",
            "support": "mailto:help@example.com", "terms": "https://example.com/terms", "privacy": "/privacy",
        });
    });
    let stack = Stack::start(options).await.unwrap();
    let browser = Browser::start(&stack.dir().join("chromedriver.log")).await.unwrap();
    let wanted = "document.querySelector('#pay') && !document.querySelector('#pay').hidden";
    for (tags, lang, shown) in [
        (
            "de-DE",
            "de",
            ["Verkauft von Wetter & <b>Söhne</b>", "0,05 $", "etwa 100 Anfragen", "AGB"],
        ),
        ("fr-FR", "fr", ["Vendu par Wetter", "0,05 $US", "environ 100 requêtes", "Conditions"]),
        ("pt-BR", "pt", ["Vendido por Wetter", "US$ 0,05", "cerca de 100 pedidos", "Termos"]),
        ("es-ES", "es", ["Vendido por Wetter", "0,05 US$", "unas 100 solicitudes", "Condiciones"]),
        ("ja", "ja", ["販売者：Wetter", "$0.05", "約100リクエスト", "利用規約"]),
        ("nl-NL", "en", ["Sold by Wetter", "$0.05", "about 100 requests", "Terms"]),
    ] {
        browser.language(tags).await.unwrap();
        browser.open(&stack.url("/api/weather")).await.unwrap();
        browser.until(wanted).await.unwrap();
        let text = text(&browser).await.replace(['\u{a0}', '\u{202f}'], " ");
        for shown in shown {
            assert!(text.contains(shown), "{tags}: {shown} is not on the page: {text}");
        }
        let told = browser.run("return document.documentElement.lang").await.unwrap();
        assert_eq!(told, json!(lang));
        look(&browser, &format!("seller-{lang}")).await;
    }
    let links =
        "return [...document.querySelectorAll('#links a')].map(link => link.getAttribute('href'))";
    let links = browser.run(links).await.unwrap();
    let addresses = ["mailto:help@example.com", "https://example.com/terms", "/privacy"];
    assert_eq!(links, json!(addresses));
    // A light colour has dark letters.
    let style = "const of = getComputedStyle(document.querySelector('#buy')); return [of.backgroundColor, of.color]";
    assert_eq!(browser.run(style).await.unwrap(), json!(["rgb(255, 212, 0)", "rgb(13, 18, 32)"]));
    browser.dark(true).await.unwrap();
    browser.open(&stack.url("/api/weather")).await.unwrap();
    browser.until(wanted).await.unwrap();
    look(&browser, "seller-dark").await;
}

/// Stripe is slow, the page hears nothing: it asks again under the same key, also after a reload.
#[tokio::test]
async fn a_payment_without_an_answer_is_finished_and_charges_once() {
    let options = StackOptions::new().stand_in_stripe_js();
    let stack = Stack::start(options.ledger_env("LEDGER_PAYMENT_DEADLINE", "1s")).await.unwrap();
    let browser = Browser::start(&stack.dir().join("chromedriver.log")).await.unwrap();
    let slow = json!({"path": "/v1/payment_intents", "action": "latency", "ms": 2_500});
    stack.sim.fault(&slow).await.unwrap();
    browser.open(&stack.url("/api/weather")).await.unwrap();
    pay_by(&browser, "4242424242424242").await;
    let unsure = "document.querySelector('#spend').textContent === 'Finish this payment' \
                  && !document.querySelector('#kept').hidden && !document.querySelector('#spend').disabled";
    browser.until(unsure).await.unwrap();
    assert!(text(&browser).await.contains("your card is charged once at most"));
    look(&browser, "unsure").await;
    browser.open(&stack.url("/api/weather?again")).await.unwrap();
    browser.until(unsure).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    browser.click("#spend").await.unwrap();
    browser.until("document.body.innerText.includes('Sunny')").await.unwrap();
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 500);
    browser.open(&stack.url("/api/weather")).await.unwrap();
    browser.until("document.body.innerText.includes('You have $4.95 left.')").await.unwrap();
}

/// A request that fails is given back, and the page says so.
#[tokio::test]
async fn a_person_is_told_that_a_failed_request_costs_nothing() {
    let stack = Stack::start(StackOptions::new().stand_in_stripe_js()).await.unwrap();
    let browser = Browser::start(&stack.dir().join("chromedriver.log")).await.unwrap();
    browser.open(&stack.url("/api/fail")).await.unwrap();
    pay_by(&browser, "4242424242424242").await;
    browser.until("document.querySelector('#stripe402-receipt')").await.unwrap();
    let bar = bar(&browser).await;
    assert!(bar.contains("failed, and you were not charged for it"), "{bar}");
    look(&browser, "failed").await;
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
    // What a reader without JavaScript sees.
    let page = stack.get("/api/joke").header("accept", "text/html").send().await.unwrap();
    let page = page.text().await.unwrap();
    assert!(page.contains("<p>This costs 0.01 USD per request. To pay"), "{page}");
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

//! The operators' page in a browser: empty, busy, on a phone, in the dark; and what strangers send it.

use std::path::PathBuf;

use serde_json::json;
use stripe402_protocol::{
    Currency, DeductionId, Units,
    message::{Deduction, DeductionOutcome},
};
use stripe402_tests::{
    browser::Browser,
    stack::{Stack, StackOptions},
};

use crate::{
    answer::{pay, send},
    operator::{batch, get, hold, now_ms, send_batch, subject},
};

/// A text that a page must not believe.
const EVIL: &str = "</td><script>document.title='owned'</script><img src=x onerror=alert(1)>";

fn screenshots() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Looks at the page in every size, light and dark; it never has to be pushed sideways.
pub(crate) async fn look(browser: &Browser, name: &str) {
    for (kind, width, height, dark) in [
        ("desktop", 1280, 1400, false),
        ("desktop-dark", 1280, 1400, true),
        ("phone", 390, 844, false),
        ("phone-dark", 390, 844, true),
    ] {
        browser.dark(dark).await.unwrap();
        browser.size(width, height).await.unwrap();
        browser.until(&format!("innerWidth == {width}")).await.unwrap();
        let widest =
            "return Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)";
        let widest = browser.run(widest).await.unwrap();
        assert!(widest.as_u64().unwrap() <= u64::from(width), "{name} {kind}: {widest}");
        let file = screenshots().join(format!("operator-{name}-{kind}.png"));
        browser.screenshot(&file).await.unwrap();
        assert!(std::fs::metadata(&file).unwrap().len() > 5_000, "nothing is on {name} {kind}");
    }
    browser.dark(false).await.unwrap();
    browser.size(1280, 1400).await.unwrap();
}

pub(crate) async fn text(browser: &Browser) -> String {
    browser.run("return document.body.innerText").await.unwrap().as_str().unwrap().to_owned()
}

pub(crate) async fn sign_in(stack: &Stack, browser: &Browser) {
    browser.open(&stack.ledgers[0].admin_url("/admin/")).await.unwrap();
    browser.until("location.pathname == '/admin/login'").await.unwrap();
    browser.type_into("#token", stack.ledgers[0].admin_token()).await.unwrap();
    browser.click("button").await.unwrap();
    browser.until("location.pathname == '/admin/'").await.unwrap();
}

/// Charges of the last two days, as a gateway would have sent them then.
async fn two_days(stack: &Stack, clients: &[String]) {
    let now_ms = now_ms();
    let routes: [(&str, u32); 5] = [
        ("weather", 500),
        ("joke", 100),
        ("GET /v1/reports/{id}/export.json", 2_500),
        ("translate", 60),
        (EVIL, 10),
    ];
    let mut charges = Vec::new();
    for hour in 0..46_u64 {
        // More by day than by night.
        let wave = 2 + (hour + 7) % 24 / 3 + hour % 5;
        for number in 0..wave {
            let at = usize::try_from(hour + number * number).unwrap();
            let (route, price) = routes[at % routes.len()];
            let mut random = [7; 10];
            random[0] = u8::try_from(number).unwrap();
            charges.push(Deduction {
                id: DeductionId::mint(now_ms - hour * 3_600_000 - number * 60_000, random),
                client_id: clients[at % clients.len()].parse().unwrap(),
                currency: Currency::USD,
                amount: Units::from_u32(price),
                route: route.to_owned(),
                hold: None,
            });
        }
    }
    let answer = send_batch(stack, batch(charges)).await;
    assert!(answer.deductions.iter().all(|of| matches!(of.1, DeductionOutcome::Deducted(_))));
}

#[tokio::test]
async fn an_operator_looks_and_acts_in_a_browser() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let browser = Browser::start(&stack.dir().join("chromedriver.log")).await.unwrap();
    browser.size(1280, 1400).await.unwrap();
    browser.open(&stack.ledgers[0].admin_url("/admin/login")).await.unwrap();
    look(&browser, "sign-in").await;
    browser.type_into("#token", "not-the-operators-token").await.unwrap();
    browser.click("button").await.unwrap();
    browser.until("document.querySelector('[role=alert]')").await.unwrap();
    sign_in(&stack, &browser).await;
    let shown = text(&browser).await;
    for expected in ["Store answers", "Stripe answers", "Nothing has been paid for", "0.00 usd"] {
        assert!(shown.contains(expected), "{expected} is not on the empty page: {shown}");
    }
    look(&browser, "empty").await;

    // Six clients, two days, a decline, a cardholder who is asked, a dispute.
    let mut clients = Vec::new();
    let mut disputed = String::new();
    for number in 0..6 {
        let card = stack.sim.fresh_card().await.unwrap();
        let wanted = json!({"paymentMethodId": card, "topUpAmount": 600_000 + number * 50_000});
        let receipt = pay(&stack, "/api/weather", wanted).await.receipt();
        clients.push(receipt["clientId"].as_str().unwrap().to_owned());
        disputed = receipt["chargeId"].as_str().unwrap().to_owned();
    }
    two_days(&stack, &clients[..5]).await;
    let declined = stack.sim.payment_method("4000000000000002", "123").await.unwrap();
    pay(&stack, "/api/weather", json!({"paymentMethodId": declined})).await.refused();
    let asks = stack.sim.payment_method("4000002760003184", "123").await.unwrap();
    pay(&stack, "/api/weather", json!({"paymentMethodId": asks})).await.refused();
    // Another attempt of that card takes the first one's place, which nobody declined.
    let asks = stack.sim.payment_method("4000002760003184", "123").await.unwrap();
    pay(&stack, "/api/weather", json!({"paymentMethodId": asks})).await.refused();
    stack.sim.control("disputes", &json!({"payment_intent": disputed})).await.unwrap();
    for _ in 0..100 {
        let opened = get(&stack, "/transfers?kind=dispute_opened").await;
        if opened["movements"] != json!([]) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    // The overview is kept for a few seconds.
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    browser.open(&stack.ledgers[0].admin_url("/admin/")).await.unwrap();
    let shown = text(&browser).await;
    for expected in [
        "weather",
        "export.json",
        "credited",
        "card declined",
        "waiting for 3D Secure",
        "opened",
        EVIL,
    ] {
        assert!(shown.contains(expected), "{expected} is not on the busy page: {shown}");
    }
    let tile = "return [...document.querySelectorAll('.tiles div')].map(tile => tile.innerText)";
    let tiles = browser.run(tile).await.unwrap();
    assert!(tiles.to_string().contains("Declined\\n1\\nof 7 card charges"), "{tiles}");
    let bars = browser.run("return document.querySelectorAll('rect.bar').length").await.unwrap();
    assert!(bars.as_u64().unwrap() >= 90, "46 hours with revenue and requests: {bars}");
    look(&browser, "busy").await;
    browser.open(&stack.ledgers[0].admin_url("/admin/?by=day")).await.unwrap();
    look(&browser, "days").await;
    browser.open(&stack.ledgers[0].admin_url("/admin/clients")).await.unwrap();
    look(&browser, "clients").await;
    look_at_holds(&stack, &browser, &clients).await;

    // Found by the client's id, which leaves no trace in an address.
    browser.type_into("#search", &clients[0]).await.unwrap();
    browser.click(".search button").await.unwrap();
    let path = format!("/admin/clients/{}", subject(&clients[0]));
    browser.until(&format!("location.pathname == '{path}'")).await.unwrap();
    let html = browser.run("return document.documentElement.outerHTML").await.unwrap();
    assert!(!html.as_str().unwrap().contains(&clients[0]), "the id is a credential");

    // A correction whose reason is an attack.
    browser.type_into("#adjust-amount", "-1.25").await.unwrap();
    browser.type_into("#adjust-reason", EVIL).await.unwrap();
    browser.click("form[action$=adjust] button").await.unwrap();
    browser.until("document.querySelector('h1').innerText.startsWith('Take')").await.unwrap();
    let shown = text(&browser).await;
    assert!(shown.contains("Take 1.25 usd from the balance") && shown.contains(EVIL), "{shown}");
    look(&browser, "correction-asked").await;
    browser.click("form[action$=adjust] button").await.unwrap();
    browser.until("document.querySelector('[role=status]')").await.unwrap();
    let shown = text(&browser).await;
    assert!(shown.contains(EVIL) && shown.contains("adjustment down"), "{shown}");
    // Too much is refused, and what was typed is still there.
    browser.type_into("#adjust-amount", "-1000000").await.unwrap();
    browser.type_into("#adjust-reason", "all of it").await.unwrap();
    browser.click("form[action$=adjust] button").await.unwrap();
    browser.until("document.querySelector('h1').innerText.startsWith('Take')").await.unwrap();
    browser.click("form[action$=adjust] button").await.unwrap();
    browser.until("document.querySelector('[role=alert]')").await.unwrap();
    assert!(text(&browser).await.contains("the balance is below this amount"));
    browser.until("document.querySelector('#adjust-reason').value == 'all of it'").await.unwrap();
    // A present: it is shown, and what can be refunded is what was paid for.
    browser.type_into("#grant-amount", "0.75").await.unwrap();
    browser.type_into("#grant-days", "30").await.unwrap();
    browser.type_into("#grant-reason", "a trial").await.unwrap();
    browser.click("form[action$='/grant'] button").await.unwrap();
    browser.until("document.querySelector('h1').innerText.startsWith('Give')").await.unwrap();
    browser.click("form[action$='/grant'] button").await.unwrap();
    browser.until("document.querySelector('[role=status]')").await.unwrap();
    let shown = text(&browser).await;
    for expected in ["The credit is in the books.", "Credit that was given", "Of that, paid for"] {
        assert!(shown.contains(expected), "{expected} is not there: {shown}");
    }
    // How much is to be refunded must be said.
    browser.click("form[action$='/refund'] button").await.unwrap();
    browser.until("document.querySelector('[role=alert]')").await.unwrap();
    assert!(text(&browser).await.contains("a mark at all that was paid for"));
    look(&browser, "granted").await;
    refund_some(&browser).await;
    browser.type_into("#freeze-reason", "looks odd").await.unwrap();
    browser.click("form[action$='/freeze'] button").await.unwrap();
    browser.until("document.querySelector('[role=status]')").await.unwrap();
    let refused = pay(&stack, "/api/joke", json!({"clientId": clients[0]})).await;
    assert_eq!(refused.status, 402, "frozen");
    look(&browser, "client").await;
    browser.type_into("#rotate-reason", "seen in a log").await.unwrap();
    browser.click("form[action$='/rotate'] button").await.unwrap();
    browser
        .until("document.querySelector('[role=status]')?.innerText.includes('Rotated')")
        .await
        .unwrap();
    assert!(text(&browser).await.contains("id 1"));
    let refused = pay(&stack, "/api/joke", json!({"clientId": clients[0]})).await;
    assert_eq!(refused.challenge()["reason"], "id_rotated");
    browser.open(&stack.ledgers[0].admin_url("/admin/audit")).await.unwrap();
    let shown = text(&browser).await;
    assert!(shown.contains(EVIL) && shown.contains("looks odd"), "{shown}");
    look(&browser, "audit").await;

    // Nothing was ever run, nothing loaded from elsewhere, and the policy had nothing to stop.
    assert_ne!(browser.run("return document.title").await.unwrap(), json!("owned"));
    let scripts = "return document.querySelectorAll('script, img, iframe').length";
    assert_eq!(browser.run(scripts).await.unwrap(), json!(0));
    let complaints = browser.complaints().await.unwrap();
    let others: Vec<_> = complaints
        .iter()
        .filter(|of| !["400", "401", "409"].iter().any(|it| of.contains(it)))
        .collect();
    assert!(others.is_empty(), "{others:?}");
    browser.click(".who button").await.unwrap();
    browser.until("location.pathname == '/admin/login'").await.unwrap();
    println!("screenshots: {}", screenshots().display());
}

/// A refund is shown before it is made, and is what was shown.
async fn refund_some(browser: &Browser) {
    browser.type_into("#refund-amount", "12.50").await.unwrap();
    browser.type_into("#refund-reason", "asked by phone").await.unwrap();
    browser.click("form[action$='/refund'] button").await.unwrap();
    browser.until("document.querySelector('h1').innerText.startsWith('Refund')").await.unwrap();
    let shown = text(browser).await;
    for expected in [
        "Refund 12.50 usd?",
        "goes back to the card charge that paid for it",
        "pi_",
        "0.75 usd of that was granted, and stays.",
        "Cancel",
    ] {
        assert!(shown.contains(expected), "{expected} is not there: {shown}");
    }
    look(browser, "refund-asked").await;
    browser.click("form[action$='/refund'] button").await.unwrap();
    browser.until("document.querySelector('[role=status]')").await.unwrap();
    assert!(text(browser).await.contains("The refund is on its way to the card."));
}

/// Empty; then with one that ends soon before one that ends tomorrow, and on their client's page, too.
async fn look_at_holds(stack: &Stack, browser: &Browser, clients: &[String]) {
    let page = stack.ledgers[0].admin_url("/admin/holds");
    browser.open(&page).await.unwrap();
    assert!(text(browser).await.contains("Nothing is held."));
    look(browser, "holds-empty").await;
    hold(stack, &clients[0], (EVIL, 20_000), (65, 12_059)).await;
    hold(stack, &clients[1], ("GET /v1/chat/completions", 12_300), (7, 630)).await;
    browser.open(&page).await.unwrap();
    let shown = text(browser).await;
    let first = shown.find("completions").expect("the earliest end first");
    assert!(first < shown.find(EVIL).unwrap(), "{shown}");
    for expected in
        ["1.23 usd", "0.1230 usd", "10 min", "2.00 usd", "0.20 usd", "1 min", "3 h 20 min"]
    {
        assert!(shown.contains(expected), "{expected} is not among the holds: {shown}");
    }
    look(browser, "holds").await;
    browser.click(&format!("a[href$='{}']", subject(&clients[0]))).await.unwrap();
    let path = format!("/admin/clients/{}", subject(&clients[0]));
    browser.until(&format!("location.pathname == '{path}'")).await.unwrap();
    let shown = text(browser).await;
    assert!(shown.contains("Open holds") && shown.contains("0.20 usd"), "{shown}");
    look(browser, "client-with-a-hold").await;
    browser.open(&stack.ledgers[0].admin_url("/admin/clients")).await.unwrap();
}

/// What is not a form of our own pages does nothing, whoever's cookie comes with it.
#[tokio::test]
async fn forms_of_other_pages_are_refused() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let ledger = &stack.ledgers[0];
    let (origin, host) = (ledger.admin_url(""), ledger.admin_url("").replace("http://", ""));
    let sign_in = |origin: &str| {
        let form = stack.client.post(ledger.admin_url("/admin/login")).header("origin", origin);
        form.form(&[("token", ledger.admin_token())]).header("host", &host)
    };
    assert_eq!(send(sign_in("http://evil.example")).await.status, 403);
    let signed = send(sign_in(&origin)).await;
    let cookie = signed.header("set-cookie").unwrap().to_owned();
    assert!(signed.status == 303 && cookie.contains("HttpOnly; SameSite=Strict"), "{cookie}");
    assert!(!cookie.contains(ledger.admin_token()) && !cookie.contains("Secure"));
    assert!(
        send(sign_in(&origin.replace("http:", "https:")))
            .await
            .header("set-cookie")
            .unwrap()
            .ends_with("; Secure")
    );
    let cookie = cookie.split(';').next().unwrap().to_owned();

    let client = crate::answer::paid_client(&stack).await;
    let url = ledger.admin_url(&format!("/admin/clients/{}/freeze", subject(&client)));
    let freeze =
        |cookie: &str| stack.client.post(&url).header("cookie", cookie).form(&[("reason", "x")]);
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        // Another port of the same machine: the cookie is sent, the form is not taken.
        ("sec-fetch-site", "same-site"),
        ("origin", "http://127.0.0.1:1"),
        ("origin", "null"),
        ("x-nothing", "at all"),
    ] {
        let answer = send(freeze(&cookie).header(name, value)).await;
        assert_eq!(answer.status, 403, "{name}: {value}");
    }
    // A cookie that somebody made up, or that has ended, is none.
    let (until, mac) = cookie.split_once('=').unwrap().1.split_once('.').unwrap();
    let later = format!("stripe402_operator={}9.{mac}", until);
    let past = format!("stripe402_operator=1.{mac}");
    for wrong in ["", "stripe402_operator=", later.as_str(), past.as_str()] {
        let answer = send(freeze(wrong).header("sec-fetch-site", "same-origin")).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, Some("/admin/login")),
            "{wrong}"
        );
    }
    assert_eq!(get(&stack, "/audit").await["entries"], json!([]), "nobody did anything");
    let ours = send(freeze(&cookie).header("sec-fetch-site", "same-origin")).await;
    assert_eq!(ours.status, 303);
    assert!(ours.header("location").unwrap().ends_with("?done=freeze"));
    let headers = send(stack.client.get(ledger.admin_url("/admin/login"))).await;
    assert!(headers.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    // The API takes no cookie, so no page can make a browser use it.
    let api = ledger.admin_url("/admin/v1/audit");
    assert_eq!(send(stack.client.get(api).header("cookie", &cookie)).await.status, 401);
}

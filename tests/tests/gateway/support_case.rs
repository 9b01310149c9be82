//! "My card was charged twice": from the last four digits to the refund and the files for the bookkeeper,
//! in a browser.

use serde_json::json;
use stripe402_tests::{
    browser::Browser,
    stack::{Stack, StackOptions},
};

use crate::{
    answer::{pay, send},
    command::ends_sound,
    operator::{get, subject},
    operator_page::{look, sign_in, text},
};

/// What axe-core (npm, unmodified) has to say of a page, other than what is minor or moderate.
async fn complaints(browser: &Browser) -> String {
    let axe = concat!(env!("CARGO_MANIFEST_DIR"), "/sdks/node_modules/axe-core/axe.min.js");
    let axe = std::fs::read_to_string(axe).unwrap();
    browser.run(&axe).await.unwrap();
    let ask = "window.found = null; axe.run(document).then(found => { window.found = found })";
    browser.run(ask).await.unwrap();
    browser.until("window.found").await.unwrap();
    let read = "return JSON.stringify(window.found.violations
        .filter(of => ['serious', 'critical'].includes(of.impact))
        .map(of => of.id + ': ' + of.nodes.map(node => node.html).join(' ')))";
    let passed = browser.run("return window.found.passes.length").await.unwrap();
    assert!(passed.as_u64().unwrap() > 10, "it looked at nothing");
    browser.run(read).await.unwrap().as_str().unwrap().to_owned()
}

async fn sound(browser: &Browser) {
    for dark in [false, true] {
        browser.dark(dark).await.unwrap();
        assert_eq!(complaints(browser).await, "[]");
    }
    browser.dark(false).await.unwrap();
}

async fn find(browser: &Browser, what: &str, path: &str) {
    browser.type_into("#find", what).await.unwrap();
    browser.run("document.querySelector('.find').requestSubmit()").await.unwrap();
    browser.until(&format!("location.pathname == '{path}'")).await.unwrap();
}

/// A card that was charged twice: the balance was used up in between.
async fn charged_twice(stack: &Stack) -> (String, String) {
    let card = stack.sim.payment_method("4242424242424242", "123").await.unwrap();
    let mut intents = Vec::new();
    let mut client = String::new();
    for _ in 0..2 {
        let wanted = json!({"paymentMethodId": card, "topUpAmount": 50_000});
        let receipt = pay(stack, "/api/weather", wanted).await.receipt();
        client = receipt["clientId"].as_str().unwrap().to_owned();
        intents.push(receipt["chargeId"].as_str().unwrap().to_owned());
        let path = format!("/clients/{}/adjustments", subject(&client));
        let left = get(stack, &format!("/clients/{}", subject(&client))).await;
        let left = left["accounts"][0]["available"].as_i64().unwrap();
        if intents.len() == 1 {
            let used =
                json!({"units": -left, "currency": "usd", "reference": "u", "reason": "used"});
            assert_eq!(crate::operator::post(stack, &path, used).await.status, 200);
        }
    }
    (client, intents.pop().unwrap())
}

#[tokio::test]
async fn a_card_that_was_charged_twice_is_found_and_refunded() {
    let mut stack = Stack::start(StackOptions::new()).await.unwrap();
    let (client, intent) = charged_twice(&stack).await;
    for _ in 0..3 {
        crate::answer::paid_client(&stack).await;
    }
    let subject = subject(&client);
    let browser = Browser::start(&stack.dir().join("chromedriver.log")).await.unwrap();
    browser.size(1280, 1400).await.unwrap();
    sign_in(&stack, &browser).await;
    sound(&browser).await;

    // Two charges of this card; the address is the question.
    find(&browser, "4242", "/admin/card-charges").await;
    let rows = "return document.querySelectorAll('tbody tr').length";
    assert_eq!(browser.run(rows).await.unwrap(), json!(2));
    assert_eq!(browser.run("return location.search").await.unwrap(), json!("?card=4242"));
    let shown = text(&browser).await;
    assert!(shown.contains("visa 4242") && shown.contains(&intent), "{shown}");
    let at_stripe = format!("a[href='https://dashboard.stripe.com/test/payments/{intent}']");
    browser.until(&format!("document.querySelector(\"{at_stripe}\")")).await.unwrap();
    look(&browser, "card-charges").await;
    sound(&browser).await;
    // The same by its PaymentIntent, which leads to the client's movements.
    find(&browser, &intent, "/admin/movements").await;
    assert!(text(&browser).await.contains("top up"));
    sound(&browser).await;

    // To the client, and back to the card.
    browser.click(&format!("tbody a[href='/admin/clients/{subject}']")).await.unwrap();
    browser.until(&format!("location.pathname == '/admin/clients/{subject}'")).await.unwrap();
    sound(&browser).await;
    browser.type_into("#refund-amount", "4.95").await.unwrap();
    browser.type_into("#refund-reason", "charged twice on 3 May").await.unwrap();
    browser.click("form[action$='/refund'] button").await.unwrap();
    browser.until("document.querySelector('h1').innerText.startsWith('Refund')").await.unwrap();
    assert!(text(&browser).await.contains(&intent));
    sound(&browser).await;
    browser.click("form[action$='/refund'] button").await.unwrap();
    browser.until("document.querySelector('[role=status]')").await.unwrap();

    // It is among the refunds, and on record.
    let refunds = stack.ledgers[0].admin_url("/admin/movements?kind=refunds");
    browser.open(&refunds).await.unwrap();
    let shown = text(&browser).await;
    assert!(shown.contains("capture") && shown.contains(&intent), "{shown}");
    look(&browser, "refunds").await;
    browser.open(&stack.ledgers[0].admin_url("/admin/audit?kind=refund")).await.unwrap();
    let shown = text(&browser).await;
    assert!(shown.contains("charged twice on 3 May") && shown.contains("done"), "{shown}");
    sound(&browser).await;

    // The file for the bookkeeper is what the page shows.
    browser.open(&refunds).await.unwrap();
    let link = "return [...document.querySelectorAll('.pages a')].pop().getAttribute('href')";
    let link = browser.run(link).await.unwrap();
    assert_eq!(link, json!("/admin/exports/movements?kind=refunds"));
    let url = stack.ledgers[0].admin_url(link.as_str().unwrap());
    let cookie = crate::operator::signed_in(&stack).await;
    let file = stack.client.get(&url).header("cookie", cookie).send().await.unwrap();
    let name = "attachment; filename=\"movements.csv\"";
    assert_eq!(file.headers()["content-disposition"], name);
    let file = file.text().await.unwrap();
    assert_eq!(file.lines().count(), 2, "{file}");
    assert!(file.contains("49500") && file.contains(&intent) && file.contains(&subject), "{file}");
    let stranger = send(stack.client.get(&url)).await;
    assert_ne!(stranger.status, 200, "a stranger gets no file");

    // What cannot be meant is said, and what was typed stays.
    let wrong = stack.ledgers[0].admin_url("/admin/card-charges?from=yesterday");
    browser.open(&wrong).await.unwrap();
    browser.until("document.querySelector('[role=alert]')").await.unwrap();
    assert!(text(&browser).await.contains("From: must be a day such as 2026-11-30"));
    // Nothing that is not understood means all rows.
    for wrong in
        ["card-charges?frm=2026-11-01", "movements?kind=bogus", "exports/clients?from=2026-11-01"]
    {
        let cookie = crate::operator::signed_in(&stack).await;
        let url = stack.ledgers[0].admin_url(&format!("/admin/{wrong}"));
        let answer = send(stack.client.get(url).header("cookie", cookie)).await;
        assert_eq!(answer.status, 400, "{wrong}");
    }
    // What pays comes into no address, whatever is around it.
    find(&browser, &format!("Bearer \"{client}\","), &format!("/admin/clients/{subject}")).await;
    let (one, other) = client.split_at(30);
    for pays in [format!("{one} {other}"), "pm_1Abc".to_owned()] {
        find(&browser, &pays, "/admin/search").await;
        assert!(text(&browser).await.contains("what pays is not looked for"));
    }
    browser.open(&wrong).await.unwrap();
    // A client id spends: a browser does not send it in an address.
    browser.type_into("#choose-client", &client).await.unwrap();
    let typed = browser.run("return document.querySelector('#choose-client').value").await.unwrap();
    assert_eq!(typed, json!(&client[..16]));
    assert_eq!(stack.sim.totals("usd").await.unwrap().refunded, 495);
    drop(browser);
    ends_sound(&mut stack, None, "after the case");
}

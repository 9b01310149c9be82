//! The commands beside `curl`, and what is said of mistakes.

use serde_json::Value;

use crate::program::Terminal;

#[tokio::test]
async fn an_address_without_its_scheme_is_written_out() {
    let here = Terminal::new().await;
    let joke = here.stack.url("/api/joke");
    let bare = joke.strip_prefix("http://").unwrap();
    for command in [vec!["curl", bare], vec!["balance", bare], vec!["card", "remove", bare]] {
        let said = here.run(&command).await;
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.error.contains(&format!("write {joke}")), "{said:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_one_plain_line() {
    let here = Terminal::new().await;
    let said = here.run(&["curl", "http://127.0.0.1:1/api"]).await;
    assert_eq!(said.code, 1);
    let expected = "stripe402: no connection to http://127.0.0.1:1: Connection refused";
    assert!(said.error.starts_with(expected), "{said:?}");
    assert_eq!(said.error.lines().count(), 1, "{said:?}");
}

/// What asks for nothing by itself may sell tools one by one.
#[tokio::test]
async fn an_mcp_server_is_explained_tool_by_tool() {
    let here = Terminal::new().await;
    let url = here.stack.url("/mcp");
    let said = here.run(&["explain", &url]).await;
    assert_eq!(said.code, 0, "{said:?}");
    for line in
        ["sells the tools of an MCP server:", "echo", "Free.", "search", "Costs $0.01 a call."]
    {
        assert!(said.out.contains(line), "{line}: {said:?}");
    }
    let told: Value =
        serde_json::from_str(&here.run(&["explain", "--json", &url]).await.out).unwrap();
    assert_eq!(
        (&told["free"], &told["tools"]["report"]),
        (&false.into(), &"Costs $0.25 a call.".into())
    );
    let free = here.run(&["explain", &here.stack.url("/api/health")]).await;
    assert!(free.out.contains("answers 200 without payment."), "{free:?}");
}

#[tokio::test]
async fn help_knows_commands_and_exit_codes() {
    let here = Terminal::new().await;
    for (topic, shown) in [
        (vec!["help"], "Usage: stripe402 <COMMAND>"),
        (vec!["help", "curl"], "Usage: stripe402 curl [OPTIONS] <URL>"),
        (vec!["help", "card", "remove"], "Usage: stripe402 card remove [OPTIONS] <URL>"),
        (vec!["help", "exit-codes"], "  25  unknown outcome of a card charge"),
        (vec!["curl", "--help"], "Exit codes: stripe402 help exit-codes"),
        (vec!["--version"], "stripe402 "),
    ] {
        let said = here.run(&topic).await;
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.out.contains(shown), "{topic:?}: {}", said.out);
    }
    let page = here.run(&["man", "card", "add"]).await;
    assert!(page.out.contains(".TH ") && page.out.contains("STRIPE_API_BASE"), "{page:?}");
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = here.run(&["completion", shell]).await;
        assert!(script.out.contains("budget-per-day"), "{shell}: {script:?}");
    }
    completes_in_bash(&here).await;
    let said = here.run(&["help", "paint"]).await;
    assert_eq!(said.code, 2);
    assert!(said.error.contains("there is no command or topic paint"), "{said:?}");
}

#[tokio::test]
async fn cards_are_listed_and_removed() {
    let here = Terminal::new().await;
    let joke = here.stack.url("/api/joke");
    let origin = joke.strip_suffix("/api/joke").unwrap();
    let none = here.run(&["card", "list"]).await;
    assert_eq!((none.code, none.out.contains("There is no card")), (0, true), "{none:?}");
    let base = here.stack.sim.url("/");
    here.run(&["card", "add", &joke, "--stripe-api-base", &base]).await;
    let said = here.run(&["card", "list", "--json"]).await;
    let told: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(told["cards"][0]["origin"], origin, "{told}");
    let card = told["cards"][0]["paymentMethodId"].as_str().unwrap();
    let removed = here.run(&["card", "remove", &joke]).await;
    let expected = format!("{origin} is not paid with {card} any more.");
    assert_eq!(removed.out.trim(), expected);
    assert_eq!(here.run(&["curl", &joke]).await.code, 10, "nothing to pay with");
    let again = here.run(&["card", "remove", &joke]).await;
    assert_eq!(again.code, 2);
    assert!(again.error.contains(&format!("there is no card for {origin}")), "{again:?}");
}

#[tokio::test]
async fn a_budget_is_shown_and_begun_anew() {
    let here = Terminal::new().await;
    let weather = here.stack.url("/api/weather");
    let none = here.run(&["budget", "show"]).await;
    assert!(none.out.contains("No card was charged yet."), "{none:?}");
    let card = here.card().await;
    let pay = ["curl", &weather, "--payment-method", &card, "--budget", "5usd"];
    assert_eq!(here.run(&pay).await.code, 0);
    let shown = here.run(&["budget", "show"]).await;
    assert!(shown.out.contains("$5.00 in total"), "{shown:?}");
    let json = here.run(&["budget", "show", "--json"]).await;
    let told: Value = serde_json::from_str(&json.out).unwrap();
    let usd = &told["budgets"][0];
    assert_eq!((&usd["charged"], &usd["unconfirmed"]), (&50_000.into(), &0.into()), "{told}");

    // Another card would be over the budget, until it is begun anew.
    let other = here.card().await;
    let pay = ["curl", &weather, "--payment-method", &other, "--client-id", &"0".repeat(64)];
    let pay = [&pay[..], &["--budget", "5usd"]].concat();
    assert_eq!(here.run(&pay).await.code, 21);
    let reset = here.run(&["budget", "reset"]).await;
    assert_eq!(reset.out.trim(), "Budgets count from now on.");
    assert_eq!(here.run(&pay).await.code, 0);
}

/// A first attempt that waits for its cardholder is replaced: what may yet be confirmed is told apart.
#[tokio::test]
async fn what_waits_for_its_cardholder_is_told_apart() {
    let here = Terminal::new().await;
    let weather = here.stack.url("/api/weather");
    let asks = here.stack.sim.payment_method("4000002760003184", "123").await.unwrap();
    assert_eq!(here.run(&["curl", &weather, "--payment-method", &asks]).await.code, 16);
    let card = here.card().await;
    assert_eq!(here.run(&["curl", &weather, "--payment-method", &card]).await.code, 0);
    let balance = here.run(&["balance", &weather]).await;
    assert!(balance.out.contains("$5.00 in total, everywhere, $5.00 unconfirmed"), "{balance:?}");
}

/// As a shell does when its user presses the tab key.
async fn completes_in_bash(here: &Terminal) {
    let script = here.run(&["completion", "bash"]).await.out;
    let press = "COMP_WORDS=(stripe402 bud); COMP_CWORD=1; _stripe402 stripe402 bud stripe402; \
        echo \"${COMPREPLY[*]}\"";
    let mut bash = tokio::process::Command::new("bash");
    let bash = bash.arg("-c").arg(format!("{script}\n{press}")).output().await.unwrap();
    assert_eq!(String::from_utf8_lossy(&bash.stdout).trim(), "budget", "{bash:?}");
}

//! What is shown once everything runs: what is where, and lines to paste.

use std::fmt::Write as _;

use owo_colors::OwoColorize as _;

use super::settings::{Settings, Stripe};

/// The whole text, in colour; who prints it drops the colours where they are not wanted.
pub(super) fn banner(settings: &Settings) -> String {
    let mut text = String::new();
    title(&mut text, "stripe402 is running", "Ctrl-C stops everything");
    places(&mut text, settings);
    paste(&mut text, settings);
    text
}

fn title(text: &mut String, title: &str, aside: &str) {
    line(text, format_args!("\n  {}  {}\n", title.bold().green(), aside.dimmed()));
}

fn places(text: &mut String, settings: &Settings) {
    let workers = match settings.workers {
        1 => "Envoy, 1 worker".to_owned(),
        many => format!("Envoy, {many} workers"),
    };
    let ledger = match settings.replicas {
        1 => "balances, charges".to_owned(),
        many => format!("balances, charges; {many} replicas"),
    };
    place(text, "gateway", settings.gateway.number, &workers);
    line(
        text,
        format_args!(
            "  {:<12}{:<25}{}\n",
            "  HTTPS",
            format!("https://127.0.0.1:{}", settings.gateway_tls.number).cyan(),
            "its certificate is signed by ca.pem in state".dimmed()
        ),
    );
    place(text, "  admin", settings.envoy_admin.number, "Envoy's counters, configuration");
    place(text, "ledger", settings.ledger.number, &ledger);
    place(
        text,
        "  operator",
        settings.admin.number,
        "/admin/ (its token: secrets.env in state), /metrics",
    );
    place(text, "  webhooks", settings.webhook.number, "/webhooks/stripe");
    place(text, "demo API", settings.upstream.number, "what is sold, and MCP tools at /mcp");
    match &settings.stripe {
        Stripe::StandIn => place(
            text,
            "Stripe",
            settings.stripe_sim.number,
            "a stand-in: no account, no real money",
        ),
        Stripe::Real { secret_key, api_base, .. } => {
            let base = api_base.as_deref().unwrap_or("https://api.stripe.com");
            line(text, format_args!("  {:<12}{base}\n", "Stripe"));
            if secret_key.contains("_live_") {
                line(
                    text,
                    format_args!(
                        "  {:<12}{}\n",
                        "",
                        "LIVE key: real cards are charged".bold().red()
                    ),
                );
            }
        }
    }
    let dir = shown(settings);
    line(
        text,
        format_args!("  {:<12}{dir}  {}\n", "state", "kept between runs; logs in logs/".dimmed()),
    );
}

/// Relative to where the reader is, if it is below.
fn shown(settings: &Settings) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    settings.state_dir.strip_prefix(here).unwrap_or(&settings.state_dir).display().to_string()
}

fn place(text: &mut String, name: &str, port: u16, what: &str) {
    let url = format!("http://127.0.0.1:{port}");
    line(text, format_args!("  {name:<12}{:<25}{}\n", url.cyan(), what.dimmed()));
}

fn paste(text: &mut String, settings: &Settings) {
    let gateway = format!("http://127.0.0.1:{}", settings.gateway.number);
    heading(text, "See a price");
    line(text, format_args!("    curl -i {gateway}/api/weather\n"));
    match &settings.stripe {
        Stripe::StandIn => {
            heading(
                text,
                "Make a PaymentMethod (what Stripe.js does for a browser), and pay with it",
            );
            let sim = format!("http://127.0.0.1:{}", settings.stripe_sim.number);
            line(
                text,
                format_args!(
                    "    PM=$(curl -s {sim}/v1/payment_methods -u {key}: -d type=card \\\n\
                     \x20     -d 'card[number]=4242424242424242' -d 'card[exp_month]=12' -d 'card[exp_year]=2040' \\\n\
                     \x20     -d 'card[cvc]=123' | grep -o 'pm_[A-Za-z0-9_]*' | head -n 1)\n",
                    key = settings.publishable_key(),
                ),
            );
        }
        Stripe::Real { .. } => {
            heading(
                text,
                "Pay with a PaymentMethod that your page or agent made with the publishable key",
            );
            line(text, format_args!("    PM=pm_…\n"));
        }
    }
    line(
        text,
        format_args!(
            "    curl -i {gateway}/api/weather \\\n\
             \x20     -H \"payment: $(printf '{{\"paymentMethodId\":\"%s\"}}' \"$PM\" | base64 | tr -d '\\n')\"\n"
        ),
    );
    if settings.stripe == Stripe::StandIn {
        heading(text, "Or step by step, in a second terminal");
        line(text, format_args!("    {}make demo\n\n", other_ports(settings)));
    } else {
        heading(
            text,
            "Let the ledger hear of refunds and disputes (STRIPE_WEBHOOK_SECRET is what this prints)",
        );
        let webhook = settings.webhook.number;
        line(
            text,
            format_args!("    stripe listen --forward-to 127.0.0.1:{webhook}/webhooks/stripe\n\n"),
        );
    }
}

/// The demo finds the parts on their usual ports, or has to be told.
fn other_ports(settings: &Settings) -> String {
    let asked = [settings.gateway, settings.stripe_sim];
    let moved = asked.iter().filter(|port| port.number != port.usual);
    moved.map(|port| format!("{}={} ", port.variable, port.number)).collect()
}

fn heading(text: &mut String, heading: &str) {
    line(text, format_args!("\n  {}\n", heading.bold()));
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    let _ok = text.write_fmt(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown_for(pairs: &[(&str, &str)]) -> String {
        let find = |name: &str| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        let text = banner(&Settings::from_environment(find).unwrap());
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn fits_a_hundred_columns_and_names_every_port_that_is_served() {
        let text = shown_for(&[]);
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
        for port in ["10000", "9901", "8402", "8403", "8404", "8405", "8406"] {
            assert!(text.contains(&format!("http://127.0.0.1:{port}")), "{port}\n{text}");
        }
        assert!(text.contains("https://127.0.0.1:10443 "), "{text}");
        assert!(text.contains("\n    make demo\n"), "{text}");
    }

    #[test]
    fn the_lines_to_paste_know_other_ports() {
        let text = shown_for(&[("GATEWAY_PORT", "7000"), ("STRIPE_SIM_PORT", "7001")]);
        assert!(text.contains("curl -i http://127.0.0.1:7000/api/weather"), "{text}");
        assert!(text.contains("curl -s http://127.0.0.1:7001/v1/payment_methods"), "{text}");
        assert!(text.contains("    GATEWAY_PORT=7000 STRIPE_SIM_PORT=7001 make demo\n"), "{text}");
    }

    #[test]
    fn real_money_is_said_aloud_and_no_key_is_shown() {
        let text = shown_for(&[
            ("STRIPE_SECRET_KEY", "sk_live_x"),
            ("STRIPE_PUBLISHABLE_KEY", "pk_live_x"),
        ]);
        assert!(text.contains("LIVE key: real cards are charged"), "{text}");
        assert!(!text.contains("sk_live_x") && !text.contains("8405"), "{text}");
    }

    #[test]
    fn what_is_pasted_is_valid_shell() {
        let text = shown_for(&[]);
        let (_places, lines) = text.split_once("See a price").unwrap();
        let script: String = lines
            .lines()
            .filter(|line| line.starts_with("    "))
            .map(|line| format!("{line}\n"))
            .collect();
        let checked =
            std::process::Command::new("sh").arg("-n").arg("-c").arg(&script).status().unwrap();
        assert!(checked.success(), "{script}");
    }
}

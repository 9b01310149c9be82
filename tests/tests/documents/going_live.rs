//! `docs/going-live.md`: its numbers come out, its command is there, and what it says of a charge is so.

use std::process::Command;

use serde_json::json;
use stripe402_tests::{
    binary,
    stack::{Stack, StackOptions},
};

use super::read;

/// The cells of the table with this head.
fn table(document: &str, head: &str) -> Vec<Vec<String>> {
    let (_, rest) = document.split_once(head).unwrap_or_else(|| panic!("no table {head}"));
    let rows = rest.lines().skip(2).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()
    };
    rows.map(cells).collect()
}

/// Whole numbers: cents of a dollar, tenths of a percent.
fn number(cell: &str) -> u64 {
    cell.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap()
}

#[test]
fn what_is_kept_of_a_top_up_is_what_the_table_says() {
    let document = read("docs/going-live.md");
    let rows = table(&document, "| `min_top_up` | charge | fee | you keep |");
    assert_eq!(rows.len(), 6);
    for row in rows {
        let [units, charge, fee, kept] = [0, 1, 2, 3].map(|cell| number(&row[cell]));
        let cents = units / 100;
        assert_eq!(charge, cents, "{row:?}");
        // 2.9 % and 30 cents, in thousandths of a cent; rounded as people round.
        let exact = cents * 29 + 30_000;
        assert_eq!(fee, (exact + 500) / 1_000, "{row:?}");
        let share = ((cents * 1_000 - exact) * 10 / cents + 5) / 10;
        assert_eq!(kept, share, "{row:?}");
    }
    // To keep 90 %: 30 cents / 0.071.
    assert!(document.contains("0.30 / (1 − 0.029 − 0.90) = $4.23"));
    assert_eq!((30_000 + 35) / 71, 423);
}

#[test]
fn the_command_is_there_and_its_checks_are_listed() {
    let help = Command::new(binary::ledger().unwrap()).args(["doctor", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("--json") && help.contains("STRIPE_SECRET_KEY"), "{help}");
    let document = read("docs/going-live.md");
    let named: Vec<String> = table(&document, "| check | fails | is worth a look |")
        .into_iter()
        .flat_map(|row| row[0].split(", ").map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let folder = binary::workspace().join("ledger-service/src/operator/cli/doctor");
    let mut source = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        source.push_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    for name in &named {
        assert!(source.contains(&format!("\"{name}\"")), "doctor has no check {name}");
    }
    for rest in source.split(": &str = \"").skip(1) {
        let name = rest.split('"').next().unwrap();
        let is_check = !name.starts_with(['/', 's']) || name == "store";
        assert!(!is_check || named.iter().any(|known| known == name), "{name} is not listed");
    }
}

/// What buyers should be told: the card is saved, and the account's own descriptor is on their statement.
#[tokio::test]
async fn a_charge_saves_the_card_and_names_no_descriptor() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let card = stack.sim.fresh_card().await.unwrap();
    let paid = stack.pay("/api/weather", &json!({"paymentMethodId": card})).send().await.unwrap();
    assert_eq!(paid.status(), 200);
    let calls = stack.sim.calls("/v1/payment_intents").await.unwrap();
    let charge = calls.iter().find(|call| call.method == "POST").unwrap();
    let params = charge.params.to_string();
    assert!(params.contains("setup_future_usage") && params.contains("off_session"), "{params}");
    assert!(!params.contains("statement_descriptor"), "{params}");
}

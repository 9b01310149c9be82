//! Whether the ports can be had, before anything is started.

use std::collections::BTreeSet;

use super::settings::{Port, Settings};
use crate::{Error, Result, ports};

/// All ports are free and differ; else says which is not, who has it, and what to type instead.
pub(super) fn check(settings: &Settings) -> Result<()> {
    let wanted = settings.ports();
    let mut taken: BTreeSet<u16> = wanted.iter().map(|port| port.number).collect();
    let mut seen = BTreeSet::new();
    let mut problems = Vec::new();
    let mut instead = Vec::new();
    for port in wanted {
        let Some(problem) = problem(&port, !seen.insert(port.number)) else {
            continue;
        };
        problems.push(problem);
        let free = next_free(port.number, &mut taken)?;
        instead.push(format!("{}={free}", port.variable));
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "{}\n\nUse another:\n\n  {} make run",
        problems.join("\n"),
        instead.join(" ")
    )))
}

fn problem(port: &Port, named_twice: bool) -> Option<String> {
    let Port { variable, owner, number, .. } = port;
    if named_twice {
        return Some(format!(
            "Port {number} is named twice: {owner} ({variable}) needs one of its own."
        ));
    }
    if ports::is_free(*number) {
        return None;
    }
    let holder = ports::holder(*number).map(|holder| format!(" by {holder}")).unwrap_or_default();
    Some(format!("Port {number} is in use{holder}; {owner} ({variable}) needs it."))
}

/// The next free port after this one that is not taken; it is taken then.
pub(super) fn next_free(after: u16, taken: &mut BTreeSet<u16>) -> Result<u16> {
    let free = (after.saturating_add(1)..u16::MAX)
        .find(|port| !taken.contains(port) && ports::is_free(*port));
    let free = free.ok_or_else(|| Error::Invalid(format!("no free port after {after}")))?;
    taken.insert(free);
    Ok(free)
}

#[cfg(test)]
mod tests {
    use super::{super::port_variables, *};
    use crate::ports::{free, local};
    use std::net::TcpListener;

    /// Settings with these ports, in the order of [`port_variables`].
    fn settings(numbers: &[u16; 8]) -> Settings {
        let find = |name: &str| {
            let place = port_variables().iter().position(|variable| *variable == name)?;
            Some(numbers[place].to_string())
        };
        Settings::from_environment(find).unwrap()
    }

    #[test]
    fn free_ports_pass() {
        let numbers = std::array::from_fn(|_| free().unwrap());
        assert!(check(&settings(&numbers)).is_ok());
    }

    #[test]
    fn busy_ports_are_named_with_their_holder_and_a_way_out() {
        let mut numbers = std::array::from_fn(|_| free().unwrap());
        let gateway = TcpListener::bind(local(0)).unwrap();
        let webhook = TcpListener::bind(local(0)).unwrap();
        numbers[0] = gateway.local_addr().unwrap().port();
        numbers[7] = webhook.local_addr().unwrap().port();
        let error = check(&settings(&numbers)).unwrap_err().to_string();
        let us = format!("(process {})", std::process::id());
        assert!(error.contains(&format!("Port {} is in use by ", numbers[0])), "{error}");
        assert!(
            error.contains(&us) && error.contains("the gateway (GATEWAY_PORT) needs it"),
            "{error}"
        );
        let line = error.lines().last().unwrap();
        assert!(line.starts_with("  GATEWAY_PORT=") && line.ends_with(" make run"), "{error}");
        assert!(line.contains(" WEBHOOK_PORT="), "{error}");
        for pair in line.split_whitespace().filter_map(|word| word.split_once('=')) {
            assert!(ports::is_free(pair.1.parse().unwrap()), "{pair:?}");
        }
    }

    #[test]
    fn one_port_for_two_parts_is_refused() {
        let mut numbers = std::array::from_fn(|_| free().unwrap());
        numbers[3] = numbers[2];
        let error = check(&settings(&numbers)).unwrap_err().to_string();
        assert!(error.contains("is named twice: the ledger (LEDGER_PORT)"), "{error}");
        assert!(error.contains("  LEDGER_PORT="), "{error}");
    }
}

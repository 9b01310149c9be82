//! What the documents say is true: examples run, files that are named exist.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "all of this file is tests, their helpers too"
)]

#[path = "documents/express.rs"]
mod express;
#[path = "documents/going_live.rs"]
mod going_live;
#[path = "documents/index.rs"]
mod index;
#[path = "documents/packages.rs"]
mod packages;
#[path = "documents/threats.rs"]
mod threats;
#[path = "documents/workflows.rs"]
mod workflows;

use std::path::PathBuf;
use std::process::Command;

use stripe402_protocol::{Code, Reason};
use stripe402_tests::{
    binary,
    stack::{Stack, StackOptions},
};

fn read(path: &str) -> String {
    std::fs::read_to_string(binary::workspace().join(path)).unwrap()
}

/// The fenced blocks of a document, each with its language.
fn blocks(document: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = document;
    while let Some((_, after)) = rest.split_once("\n```") {
        let (language, after) = after.split_once('\n').unwrap();
        let (block, after) = after.split_once("```").unwrap();
        found.push((language, block));
        rest = after;
    }
    found
}

/// Whether a line is as a document shows it; `…` stands for anything.
fn is_shown(line: &str, shown: &str) -> bool {
    let mut rest = line;
    let parts: Vec<&str> = shown.split('…').collect();
    parts.iter().enumerate().all(|(at, part)| match rest.find(part) {
        Some(start) if at > 0 || start == 0 => {
            rest = &rest[start + part.len()..];
            at + 1 < parts.len() || rest.is_empty() || part.is_empty()
        }
        _ => false,
    })
}

#[tokio::test]
async fn the_readmes_examples_do_what_it_says() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let readme = read("README.md");
    let examples: Vec<_> = blocks(&readme)
        .windows(2)
        .filter(|pair| pair[0].0 == "bash" && pair[1].0 == "text")
        .map(|pair| (pair[0].1.to_owned(), pair[1].1.to_owned()))
        .collect();
    assert_eq!(examples.len(), 3, "every example is followed by what it prints");
    // One session, as a reader has it.
    let script = examples.iter().map(|(command, _)| format!("{command}\necho\necho '=== next'\n"));
    let script = script
        .collect::<String>()
        .replace("http://localhost:10000", &stack.url(""))
        .replace("http://localhost:8405", &stack.sim.url(""));
    let output = tokio::task::spawn_blocking(move || {
        Command::new("bash").args(["-euo", "pipefail", "-c", &script]).output().unwrap()
    })
    .await
    .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    for ((command, shown), said) in examples.iter().zip(said.split("=== next")) {
        let mut lines = said.lines();
        for shown in shown.lines() {
            let found = lines.any(|line| is_shown(line, shown));
            assert!(found, "{command}\nprinted\n{said}\nwithout, in its place,\n{shown}");
        }
    }
}

#[test]
fn the_readmes_configuration_is_the_shipped_one() {
    let readme = read("README.md");
    let shown = blocks(&readme).into_iter().find(|(language, _)| *language == "yaml").unwrap().1;
    let shipped: Vec<String> =
        read("envoy/envoy.yaml").lines().map(|line| line.trim().to_owned()).collect();
    let shown: Vec<&str> = shown.lines().map(str::trim).collect();
    let found = shipped.windows(shown.len()).any(|lines| lines == shown);
    assert!(found, "README.md shows another configuration than envoy/envoy.yaml");
}

/// Each code and reason that a client can meet, with its status.
#[test]
fn every_code_is_explained() {
    let document = read("docs/errors.md");
    let codes = Code::ALL.iter().map(|code| code.as_str());
    let reasons = Reason::ALL.iter().map(|reason| reason.as_str());
    for word in codes.chain(reasons) {
        assert!(document.contains(&format!("\n| `{word}`")), "{word} is not explained");
    }
    let source = read("filter/src/gate/reply.rs");
    let source = source.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut checked = 0;
    for call in ["Self::error(", "Self::unreadable("] {
        for rest in source.split(call).skip(1) {
            let arguments: Vec<&str> = rest.split(", ").take(2).collect();
            let [status, code] = arguments[..] else { panic!("{rest}") };
            if status.parse::<u16>().is_ok() {
                let row = format!("\n| `{}` | {status} |", code.trim_matches('"'));
                assert!(document.contains(&row), "{code} is not explained with {status}");
                checked += 1;
            }
        }
    }
    assert!(checked >= 17, "{checked}");
    let problems = read("filter/src/gate/mpp.rs");
    for rest in problems.split("Self::new(\"").skip(1) {
        let name = rest.split('"').next().unwrap();
        assert!(document.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn every_file_that_a_document_names_is_there() {
    let mut documents = vec![
        "README.md".to_owned(),
        "SECURITY.md".to_owned(),
        "CONTRIBUTING.md".to_owned(),
        "client/README.md".to_owned(),
        "images/README.md".to_owned(),
        "charts/stripe402/README.md".to_owned(),
    ];
    for example in ["ecds", "minimal", "llm", "mcp", "full", "istio", "envoy-gateway", "kubernetes"]
    {
        documents.push(format!("envoy/{example}/README.md"));
    }
    for folder in ["docs", "docs/decisions"] {
        for entry in std::fs::read_dir(binary::workspace().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".md") {
                documents.push(format!("{folder}/{name}"));
            }
        }
    }
    let mut checked = 0;
    for document in documents {
        let text = read(&document);
        let folder = PathBuf::from(&document).parent().unwrap().to_path_buf();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let links = links.filter(|link| !link.contains("://")).map(|link| folder.join(link));
        let named = text.split('`').skip(1).step_by(2).filter(|word| {
            let file = [".rs", ".md", ".yaml", ".toml", ".lock", ".sql", ".lua", ".sh"]
                .iter()
                .any(|end| word.ends_with(end));
            word.contains('/')
                && !word.contains("://")
                && !word.contains([' ', '{', '*', '\n'])
                && (file || word.ends_with('/'))
        });
        for path in links.chain(named.map(PathBuf::from)) {
            // What is made is not there in a fresh clone.
            if !path.starts_with(".tools") && !path.starts_with("dist") {
                let there = binary::workspace().join(&path).exists();
                assert!(there, "{document} names {}", path.display());
                checked += 1;
            }
        }
    }
    assert!(checked > 60, "only {checked} names were found: is this test looking?");
}

#[test]
fn the_readme_is_short_and_its_commands_exist() {
    let readme = read("README.md");
    assert!(readme.lines().count() < 250);
    let makefile = read("Makefile");
    let word = |rest: &str| rest.split(['`', ' ', '\n']).next().unwrap().to_owned();
    let mut targets: Vec<String> = readme.split("`make ").skip(1).map(word).collect();
    targets.extend(readme.split("\nmake ").skip(1).map(word));
    assert!(targets.len() >= 6, "{targets:?}");
    for target in targets {
        assert!(makefile.contains(&format!("\n{target}:")), "make {target}");
    }
    let help = Command::new(binary::ledger().unwrap()).args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    for variable in ["LEDGER_TOKEN", "SERVER_SECRET", "STRIPE_SECRET_KEY", "LEDGER_STORE"] {
        assert!(readme.contains(variable) && help.contains(variable), "{variable}");
    }
}

/// Every field that the filter takes is in its document, and what is documented is taken.
#[test]
fn every_field_of_the_filter_is_documented() {
    let document = read("docs/configuration.md");
    let lists =
        ["by", "check", "price", "route"].map(|file| format!("filter/src/config/{file}.rs"));
    let mut fields = Vec::new();
    for file in &lists {
        let source = read(file);
        for list in source.split("; ").skip(1).filter(|rest| rest.split(']').count() > 2) {
            let Some((size, rest)) = list.split_once("] = [") else { continue };
            if size.bytes().all(|byte| byte.is_ascii_digit()) {
                let names = rest.split(']').next().unwrap().split('"').skip(1).step_by(2);
                fields.extend(names.map(ToOwned::to_owned));
            }
        }
    }
    assert!(fields.len() > 40, "{fields:?}");
    for field in fields {
        let words = document.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        assert!(words.clone().any(|word| word == field), "docs/configuration.md has no {field}");
    }
    for metric in ["stripe402_challenges", "stripe402_ledger_calls", "stripe402_batch_charges"] {
        assert!(document.contains(metric), "{metric}");
    }
}

#[test]
fn wildcards_match_what_they_should() {
    for (line, shown, expected) in [
        ("abc", "abc", true),
        ("abcd", "abc", false),
        ("xabc", "abc", false),
        ("abcd", "abc…", true),
        ("a-b-c", "a…c", true),
        ("a-b-cd", "a…c", false),
    ] {
        assert_eq!(is_shown(line, shown), expected, "{line} {shown}");
    }
}

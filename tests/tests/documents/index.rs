//! `docs/README.md` answers with sentences that its pages have; `docs/troubleshooting.md` and `CONTRIBUTING.md` name what
//! there is.

use std::{collections::BTreeSet, path::Path, process::Command};

use stripe402_tests::binary;

use super::read;

/// Words with one blank between them.
fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The rows of the tables under a heading, as cells.
fn rows(document: &str, heading: &str) -> Vec<Vec<String>> {
    let start = document.find(&format!("\n## {heading}")).unwrap_or_else(|| panic!("{heading}"));
    let section = &document[start + 4..];
    let section = section.split("\n## ").next().unwrap();
    let lines = section.lines().filter(|line| line.starts_with("| ")).skip(1);
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()
    };
    lines.map(cells).collect()
}

#[test]
fn each_answer_is_a_sentence_of_its_page() {
    let index = read("docs/README.md");
    for reader in ["seller", "operator", "payer"] {
        let rows = rows(
            &index,
            &format!(
                "Ten questions of a{}",
                match reader {
                    "operator" => "n operator",
                    "seller" => " seller",
                    _ => " payer",
                }
            ),
        );
        assert_eq!(rows.len(), 10, "{reader}");
        let questions: BTreeSet<&String> = rows.iter().map(|row| &row[0]).collect();
        assert_eq!(questions.len(), 10, "{reader}");
        for row in &rows {
            let [_, answer, page] = &row[..] else { panic!("{row:?}") };
            let link = page.split("](").nth(1).unwrap().trim_end_matches(')');
            let text = plain(&read(&Path::new("docs").join(link).display().to_string()));
            assert!(text.contains(answer), "{page} does not say: {answer}");
        }
    }
}

#[test]
fn every_document_is_in_the_index_or_behind_it() {
    let linked = |text: &str| -> BTreeSet<String> {
        let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        links.map(|link| link.trim_start_matches("docs/").to_owned()).collect()
    };
    let mut found = linked(&read("docs/README.md"));
    for page in ["operations.md", "troubleshooting.md", "configuration.md", "going-live.md"] {
        assert!(found.contains(page), "{page} is not in docs/README.md");
        found.extend(linked(&read(&format!("docs/{page}"))));
    }
    found.extend(linked(&read("README.md")));
    for entry in std::fs::read_dir(binary::workspace().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") && name != "README.md" {
            assert!(found.contains(&name), "nothing leads to docs/{name}");
        }
    }
}

#[test]
fn troubles_name_codes_and_commands_that_are_there() {
    let document = read("docs/troubleshooting.md");
    let (errors, client) = (read("docs/errors.md"), binary::client().unwrap());
    let (mut codes, mut commands) = (0, 0);
    for reader in ["You sell", "You pay", "You operate"] {
        let rows = rows(&document, reader);
        assert!(rows.len() >= 9, "{reader}: {}", rows.len());
        for row in rows {
            assert_eq!(row.len(), 3, "{row:?}");
            for word in row[0].split('`').skip(1).step_by(2) {
                let is_code =
                    word.contains('_') && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
                if is_code && !word.starts_with("stripe402_") {
                    assert!(errors.contains(&format!("`{word}`")), "{word}");
                    codes += 1;
                }
            }
            for command in row.iter().flat_map(|cell| cell.split('`').skip(1).step_by(2)) {
                let mut words = command.split(' ');
                let program = match words.next() {
                    Some("stripe402-ledger") => binary::ledger().unwrap(),
                    Some("stripe402") => client.clone(),
                    _ => continue,
                };
                let name = words.next().unwrap();
                let output = Command::new(&program).args([name, "--help"]).output().unwrap();
                assert!(output.status.success(), "{command}");
                commands += 1;
            }
        }
    }
    assert!(codes >= 6 && commands >= 8, "{codes} codes, {commands} commands");
}

#[test]
fn contributors_find_what_they_are_told_to_use() {
    let makefile = read("Makefile");
    for file in ["CONTRIBUTING.md", ".github/PULL_REQUEST_TEMPLATE.md"] {
        let text = read(file);
        let targets = text.split("make ").skip(1).map(|rest| {
            rest.split(|c: char| !(c.is_ascii_lowercase() || c == '-')).next().unwrap()
        });
        for target in targets.filter(|target| !target.is_empty()) {
            assert!(makefile.contains(&format!("\n{target}:")), "{file}: make {target}");
        }
    }
    // Quick means that nothing is started: no Envoy, no database, no browser.
    let (_, quick) = makefile.split_once("\ntest-quick:").unwrap();
    let recipe = quick.split("\n\n").next().unwrap();
    assert!(recipe.contains("stripe402-ledger") && !recipe.contains("stripe402-tests"), "{recipe}");
}

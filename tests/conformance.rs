//! The page on conformance names tests: each of them exists, and nothing stands there without a test or a reason.

use std::{collections::BTreeSet, fs, path::Path};

const PAGE: &str = include_str!("../docs/conformance.md");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All that is called a test in this folder and below.
fn collect_tests(folder: &Path, tests: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect_tests(&path, tests);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source file");
            let mut is_test = false;
            for line in text.lines().map(str::trim) {
                match line.strip_prefix("fn ").and_then(|rest| rest.split_once('(')) {
                    Some((name, _)) if is_test => drop(tests.insert(name.to_owned())),
                    _ => is_test = is_test && line.starts_with('#'),
                }
                is_test |= line == "#[test]";
            }
        }
    }
}

/// The rows of its tables: a behaviour, and what is said of it.
fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let rows = rows.filter(|row| !row.starts_with("behaviour |") && !row.starts_with("---"));
    rows.map(|row| row.split_once(" | ").expect("two columns"))
}

fn in_code_type(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Whether it is a sentence, as the names of tests are, and no name of the API.
fn is_sentence(name: &str) -> bool {
    name.matches('_').count() >= 2 && !name.contains(|letter: char| letter.is_ascii_uppercase())
}

#[test]
fn every_test_that_the_page_on_conformance_names_exists() {
    let mut tests = BTreeSet::new();
    collect_tests(&root().join("src"), &mut tests);
    collect_tests(&root().join("tests"), &mut tests);
    let named: BTreeSet<_> = rows()
        .flat_map(|(_, shown_by)| in_code_type(shown_by))
        .filter(|name| is_sentence(name))
        .collect();
    assert!(named.len() > 100, "{} are not all", named.len());
    let missing: Vec<_> = named.iter().filter(|&&name| !tests.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_behaviour_on_the_page_on_conformance_has_a_test_or_a_reason() {
    let mut rows = rows().peekable();
    assert!(rows.peek().is_some(), "there are no tables");
    for (behaviour, shown_by) in rows {
        let has_test = in_code_type(shown_by).any(is_sentence);
        assert!(has_test || shown_by.contains("*Differs*"), "{behaviour}: {shown_by}");
    }
}

//! The documents lead where they say, also from the packed crate.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All Markdown at the root and in `docs`.
fn documents() -> Vec<PathBuf> {
    let folders = [root().to_path_buf(), root().join("docs")];
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let paths = files.map(|file| file.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

/// The text without its programs.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_program = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        in_program ^= is_fence;
        !in_program && !is_fence
    })
}

fn links(text: &str) -> Vec<&str> {
    let after = prose(text).flat_map(|line| line.split("](").skip(1));
    after.filter_map(|rest| rest.split_once(')')).map(|(link, _)| link).collect()
}

/// What a link to each heading of the text is called.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let kept = heading.trim_start_matches('#').trim().chars().filter_map(|char| match char {
            ' ' | '-' => Some('-'),
            '_' => Some('_'),
            _ if char.is_alphanumeric() => Some(char),
            _ => None,
        });
        kept.collect::<String>().to_lowercase()
    };
    headings.map(anchor).collect()
}

/// The paths that the manifest puts into the packed crate.
fn packed() -> Vec<PathBuf> {
    let manifest = read(&root().join("Cargo.toml"));
    let (_, from) = manifest.split_once("include = [").expect("the manifest says what is packed");
    let (list, _) = from.split_once(']').unwrap();
    let paths = list.split('"').skip(1).step_by(2);
    paths.map(|path| root().join(path.trim_start_matches('/'))).collect()
}

#[test]
fn every_link_leads_somewhere_and_none_leads_out_of_the_packed_crate() {
    let packed = packed();
    let is_packed = |path: &Path| packed.iter().any(|packed| path.starts_with(packed));
    let mut broken = Vec::new();
    for document in documents() {
        let text = read(&document);
        for link in links(&text).into_iter().filter(|link| !link.contains("://")) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => document.clone(),
                _ => document.parent().unwrap().join(path),
            };
            let leads = target.exists()
                && (anchor.is_empty() || anchors(&read(&target)).contains(anchor))
                && (is_packed(&target) || !is_packed(&document));
            if !leads {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

//! The public interface of the crate as a list, `public-api.txt`, so that a change of it is seen in review. It takes a nightly
//! toolchain:
//!
//! ```sh
//! cargo test --manifest-path tests/public-api/Cargo.toml             # compares
//! UPDATE=1 cargo test --manifest-path tests/public-api/Cargo.toml    # writes it anew
//! ```

#![cfg(test)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What the version of `public-api` in `Cargo.toml` reads.
const FORMAT: &str = "\"format_version\":57";

/// The description of the crate that a nightly rustdoc writes.
fn description(crate_root: &Path) -> PathBuf {
    let target = crate_root.join("target/nightly");
    let rustdoc = Command::new("cargo")
        .args(["+nightly", "rustdoc", "--lib", "--all-features", "--target-dir"])
        .arg(&target)
        .args(["--", "-Zunstable-options", "--output-format", "json", "--cap-lints", "allow"])
        .current_dir(crate_root)
        .env_remove("RUSTDOCFLAGS")
        .status();
    assert!(rustdoc.expect("cargo is there").success(), "rustdoc needs a nightly toolchain");
    target.join("doc/actix_supervisor.json")
}

#[test]
fn the_public_interface_is_what_is_listed() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let description = description(&here.join("../.."));
    if !fs::read_to_string(&description).unwrap().contains(FORMAT) {
        return eprintln!("not compared: this nightly's description is not {FORMAT}");
    }
    let api = public_api::Builder::from_rustdoc_json(description)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .build()
        .unwrap();
    let list: String = api.items().map(|item| format!("{item}\n")).collect();
    let listed = here.join("public-api.txt");
    if env::var_os("UPDATE").is_some() {
        return fs::write(listed, list).unwrap();
    }
    let before = fs::read_to_string(listed).unwrap();
    let (before, after) = (before.lines().collect::<Vec<_>>(), list.lines().collect::<Vec<_>>());
    let gone = before.iter().filter(|line| !after.contains(line)).map(|line| format!("- {line}\n"));
    let new = after.iter().filter(|line| !before.contains(line)).map(|line| format!("+ {line}\n"));
    let change: String = gone.chain(new).collect();
    assert!(
        change.is_empty() && before == after,
        "if this is meant, run it with UPDATE=1:\n{change}"
    );
}

//! Each numbered example prints what its first lines say that it prints.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{process::Command, time::timeout};

/// A guard against hanging, far above what any of them takes.
const GUARD: Duration = Duration::from_secs(60);

#[actix_rt::test]
async fn each_numbered_example_prints_what_it_says() {
    let mut sources: Vec<PathBuf> = fs::read_dir(examples())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| name(path).starts_with(|first: char| first.is_ascii_digit()))
        .filter(|path| feature(path).is_none_or(|feature| FEATURES.contains(&&*feature)))
        .collect();
    sources.sort();
    assert!(!sources.is_empty(), "there are none in {}", examples().display());
    for source in sources {
        let name = name(&source);
        let mut program = Command::new(built(name));
        let output = timeout(GUARD, program.kill_on_drop(true).output())
            .await
            .unwrap_or_else(|_| panic!("{name} has not ended by itself"))
            .unwrap_or_else(|error| panic!("{name}: {error}; `cargo build --examples` builds it"));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {}\n{stderr}", output.status);
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(printed, promised(&source), "{name} prints something else\n{stderr}");
    }
}

/// Those that are on, of those that an example needs.
const FEATURES: &[&str] = &[
    #[cfg(feature = "serde")]
    "serde",
];

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

fn name(source: &Path) -> &str {
    source.file_stem().and_then(|name| name.to_str()).unwrap()
}

/// `target/<profile>/examples/NAME`, while this is `target/<profile>/deps/examples-…`.
fn built(name: &str) -> PathBuf {
    let this = env::current_exe().unwrap();
    let profile = this.ancestors().nth(2).unwrap();
    profile.join("examples").join(format!("{name}{}", env::consts::EXE_SUFFIX))
}

/// The feature that its command asks for, if it does.
fn feature(source: &Path) -> Option<String> {
    let text = fs::read_to_string(source).unwrap();
    let (_, rest) = text.lines().find_map(|line| line.split_once(" --features "))?;
    Some(rest.to_owned())
}

/// The block in the example's own documentation that begins with its command.
fn promised(source: &Path) -> String {
    let features = feature(source).map(|feature| format!(" --features {feature}"));
    let features = features.unwrap_or_default();
    let command = format!("$ cargo run --example {}{features}", name(source));
    let text = fs::read_to_string(source).unwrap();
    let lines = text.lines().map_while(|line| line.strip_prefix("//!"));
    let lines = lines.map(|line| line.strip_prefix(' ').unwrap_or(line));
    let mut lines = lines.skip_while(|line| *line != command);
    assert!(lines.next().is_some(), "{} does not say `{command}`", source.display());
    lines.take_while(|line| *line != "```").flat_map(|line| [line, "\n"]).collect()
}

//! OTP's `supervisor`, in the Erlang module `otp/peers.erl`, which is compiled when it is needed.

use std::{env, fs, io, path::Path, process::Command};

use crate::{jobs::Job, meter::Outcome};

const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/otp/peers.erl");

/// The figures that the module prints, by the names that they have here.
const KEYS: [&str; 12] = [
    "restarts", "median", "p99", "spread", "forget", "reply", "rss", "add", "stop", "back",
    "remove", "tree",
];
const MORE_KEYS: [&str; 4] = ["answered", "start", "rss-second", "rss-last"];

pub(crate) fn absent() -> Option<&'static str> {
    let found = |program: &str| {
        let directories = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&directories).any(|directory| directory.join(program).is_file())
    };
    let both = found("erl") && found("erlc");
    (!both).then_some("there is no `erl` and `erlc` on the PATH")
}

pub(crate) fn run(job: Job, n: usize) -> Outcome {
    match job {
        Job::Pause | Job::Backoff => Err("neither pauses nor waits"),
        _ => in_erlang(job, n).unwrap_or(Err("`erl` or `erlc` could not be run")),
    }
}

fn in_erlang(job: Job, n: usize) -> io::Result<Outcome> {
    let directory = env::temp_dir().join(format!("peers-otp-{}", std::process::id()));
    fs::create_dir_all(&directory)?;
    let outcome = compile_and_run(&directory, job, n);
    fs::remove_dir_all(&directory)?;
    outcome
}

fn compile_and_run(directory: &Path, job: Job, n: usize) -> io::Result<Outcome> {
    let compiled = Command::new("erlc").arg("-o").arg(directory).arg(MODULE).status()?;
    if !compiled.success() {
        return Ok(Err("the module does not compile"));
    }
    let mut erl = Command::new("erl");
    erl.args(["+P", "4000000", "-noshell", "-kernel", "logger_level", "none", "-pa"])
        .arg(directory);
    let output = erl.args(["-run", "peers", "main", job.name(), &n.to_string()]).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let figures: Vec<_> = text.lines().filter_map(figure).collect();
    Ok(if figures.is_empty() { Err("ended without a figure") } else { Ok(figures) })
}

fn figure(line: &str) -> Option<(&'static str, f64)> {
    let (key, figure) = line.split_once(' ')?;
    let key = KEYS.into_iter().chain(MORE_KEYS).find(|known| *known == key)?;
    Some((key, figure.trim().parse().ok()?))
}

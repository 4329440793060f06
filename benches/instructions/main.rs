//! How many machine instructions the hot paths take, next to plain Actix and a bare Tokio task: the same figure on every run.
//!
//! `cargo bench --bench instructions` counts them under Valgrind, prints a table, and fails where a ratio is above its bound. It
//! says so and measures nothing where there is no Valgrind. Each workload runs twice in a process of its own, once for twice
//! as many rounds: the difference is what the rounds cost.
//!
//! `cargo bench --bench instructions --all-features` counts messages only: within the same bounds, and while somebody watches by way
//! of a feature, next to the same messages when nobody does. (What is decided, a restart say, is dearer with features.)

#[path = "../costs/sum.rs"]
mod sum;
mod watch;
mod work;

use std::{
    env,
    error::Error,
    process::{Command, ExitCode},
};

use self::{watch::Watch, work::Work};

/// What is measured, over what, and the highest ratio that passes. A tenth above what was measured when it was set. (Instructions
/// are not time: most of a message's time is spent waiting for memory.)
const BOUNDS: [(Work, Work, f64); 8] = [
    (Work::Message, Work::PlainMessage, 1.12),
    (Work::Request, Work::PlainRequest, 1.31),
    (Work::MessageElsewhere, Work::PlainMessage, 1.31),
    (Work::RestartAfterStop, Work::TaskAfterStop, 4.21),
    (Work::RestartAfterPanic, Work::TaskAfterPanic, 1.96),
    (Work::Child, Work::PlainActor, 5.80),
    (Work::Removal, Work::PlainActor, 7.47),
    (Work::NestedTree, Work::FlatTree, 2.27),
];

/// So many of these are about messages.
const MESSAGES: usize = 3;

type Failure = Box<dyn Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [run, name, rounds, watch] = &arguments[..]
        && run == "run"
    {
        let rounds = rounds.parse().expect("a number of rounds");
        let watch = Watch::named(watch).expect("a feature that is on");
        Work::named(name).expect("a workload").run(rounds, watch);
        return ExitCode::SUCCESS;
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        print("instructions: valgrind is not installed, nothing is measured");
        return ExitCode::SUCCESS;
    }
    match compare() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            print(&format!("instructions: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether all ratios are within their bounds.
fn compare() -> Result<bool, Failure> {
    print(
        "workload                   instructions   compared with      instructions   ratio   bound",
    );
    if Watch::ALL == [Watch::Nobody] {
        return compare_hot(&BOUNDS);
    }
    Ok(compare_hot(&BOUNDS[..MESSAGES])? & compare_watched()?)
}

fn compare_hot(bounds: &[(Work, Work, f64)]) -> Result<bool, Failure> {
    let mut all_pass = true;
    for &(work, base, bound) in bounds {
        let (mine, theirs) = (per_round(work, Watch::Nobody)?, per_round(base, Watch::Nobody)?);
        all_pass &= row((work.name(), mine), (base.name(), theirs), bound);
    }
    Ok(all_pass)
}

/// What is to cost nothing for a message.
fn compare_watched() -> Result<bool, Failure> {
    let mut all_pass = true;
    for work in [Work::Message, Work::MessageElsewhere, Work::Request] {
        let unwatched = per_round(work, Watch::Nobody)?;
        for &watch in &Watch::ALL[1..] {
            let name = format!("{}, {}", work.name(), watch.name());
            let watched = per_round(work, watch)?;
            all_pass &= row((&name, watched), (work.name(), unwatched), watch.bound(work));
        }
    }
    Ok(all_pass)
}

/// Prints a line, and tells whether it is within its bound.
fn row((name, mine): (&str, f64), (base, theirs): (&str, f64), bound: f64) -> bool {
    let ratio = mine / theirs;
    let passes = ratio <= bound;
    let verdict = if passes { "" } else { "   dearer than its bound" };
    print(&format!(
        "{name:<26} {mine:>12.0}   {base:<18} {theirs:>12.0} {ratio:>7.3} {bound:>7.2}{verdict}"
    ));
    passes
}

fn per_round(work: Work, watch: Watch) -> Result<f64, Failure> {
    let rounds = work.rounds();
    let (once, twice) = (count(work, rounds, watch)?, count(work, 2 * rounds, watch)?);
    Ok((twice - once) / rounds as f64)
}

/// All instructions of one run.
fn count(work: Work, rounds: u64, watch: Watch) -> Result<f64, Failure> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        // Where the heap begins depends on what is in the environment, and when it is tidied up on where it begins.
        .env_clear()
        .envs(env::var_os("PATH").map(|path| ("PATH", path)))
        .arg(env::current_exe()?)
        .args(["run", work.name(), &rounds.to_string(), watch.name()])
        .output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text.lines().find_map(|line| line.split_once("Collected :"));
    match collected {
        Some((_, number)) if output.status.success() => Ok(number.trim().parse()?),
        _ => Err(format!("{} under valgrind: {text}", work.name()).into()),
    }
}

#[expect(clippy::print_stdout, reason = "this is what a benchmark is for")]
fn print(line: &str) {
    println!("{line}");
}

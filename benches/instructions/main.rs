//! How many machine instructions the hot paths take, next to plain Actix and a bare Tokio task: the same figure on every run.
//!
//! `cargo bench --bench instructions` counts them under Valgrind, prints a table, and fails where a ratio is above its bound. It
//! says so and measures nothing where there is no Valgrind. Each workload runs twice in a process of its own, once for twice
//! as many rounds: the difference is what the rounds cost.

#[path = "../costs/sum.rs"]
mod sum;
mod work;

use std::{
    env,
    error::Error,
    process::{Command, ExitCode},
};

use self::work::Work;

/// What is measured, over what, and the highest ratio that passes. A tenth above what was measured when it was set. (Instructions
/// are not time: most of a message's time is spent waiting for memory.)
const BOUNDS: [(Work, Work, f64); 6] = [
    (Work::Message, Work::PlainMessage, 1.12),
    (Work::Request, Work::PlainRequest, 1.31),
    (Work::MessageElsewhere, Work::PlainMessage, 1.30),
    (Work::RestartAfterStop, Work::TaskAfterStop, 4.55),
    (Work::RestartAfterPanic, Work::TaskAfterPanic, 1.96),
    (Work::Child, Work::PlainActor, 7.15),
];

type Failure = Box<dyn Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    if let [_, run, name, rounds] = &arguments[..]
        && run == "run"
    {
        let rounds = rounds.parse().expect("a number of rounds");
        Work::named(name).expect("a workload").run(rounds);
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
    let mut all_pass = true;
    print("workload              instructions   compared with        instructions   ratio   bound");
    for (work, base, bound) in BOUNDS {
        let (mine, theirs) = (per_round(work)?, per_round(base)?);
        let ratio = mine / theirs;
        print(&format!(
            "{:<20} {mine:>13.0}   {:<20} {theirs:>12.0} {ratio:>7.2} {bound:>7.2}{}",
            work.name(),
            base.name(),
            if ratio > bound { "   dearer than its bound" } else { "" },
        ));
        all_pass &= ratio <= bound;
    }
    Ok(all_pass)
}

fn per_round(work: Work) -> Result<f64, Failure> {
    let rounds = work.rounds();
    let (once, twice) = (count(work, rounds)?, count(work, 2 * rounds)?);
    Ok((twice - once) / rounds as f64)
}

/// All instructions of one run.
fn count(work: Work, rounds: u64) -> Result<f64, Failure> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        // Where the heap begins depends on what is in the environment, and when it is tidied up on where it begins.
        .env_clear()
        .envs(env::var_os("PATH").map(|path| ("PATH", path)))
        .arg(env::current_exe()?)
        .args(["run", work.name(), &rounds.to_string()])
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

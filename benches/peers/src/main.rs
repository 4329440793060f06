//! Measures actix-supervisor next to other supervisors, next to plain Actix, and next to bare tasks.
//!
//! Each job of each peer runs in a process of its own: this program runs itself again, so that no peer meets the
//! heap, the threads or the caches that another one has left. All peers have their turn before the next run begins,
//! so a slow minute of the machine is everybody's. See `docs/performance.md`.

mod charts;
mod harness;
mod jobs;
mod meter;
mod peers;
mod report;
mod results;
mod targets;

use std::{env, panic::set_hook, process::ExitCode, time::Duration};

use self::{
    jobs::{JOBS, Job},
    peers::{PEERS, Peer},
};

const USAGE: &str = "\
usage: peers [--workload W1]… [--peer NAME]… [--runs N] [--limit SECONDS] [--quick] [--report FILE]

  --workload  only this one, or only this part of one (W1 to W10, W1/stop, …)
  --peer      only this one: actix-supervisor, limit, hand, keeper, plain, actix, ractor, kameo, task-supervisor, acton, otp
  --runs      so many of each; 5 unless it is set
  --limit     so long a process may take; 60 seconds unless it is set
  --quick     one run of small sizes: shows that all works, and measures nothing
  --report    the document that takes the tables, and whose directory takes the charts, in `images/`; a run of
              everything goes into `docs/performance.md`, and any other one is only printed";

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/performance.md");

struct Options {
    jobs: Vec<Job>,
    peers: Vec<Peer>,
    runs: usize,
    limit: Duration,
    quick: bool,
    report: Option<String>,
}

/// What was asked for; or what of it makes no sense.
fn options(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let (mut jobs, mut peers) = (Vec::new(), Vec::new());
    let (mut runs, mut limit, mut quick, mut report) = (None, 60, false, None);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} takes a value"));
        match arg.as_str() {
            "--workload" => {
                let wanted = value()?;
                let fits = |job: &Job| job.name() == wanted || job.workload() == wanted;
                let before = jobs.len();
                jobs.extend(JOBS.into_iter().filter(fits));
                if jobs.len() == before {
                    return Err(format!("there is no workload {wanted:?}"));
                }
            }
            "--peer" => {
                let name = value()?;
                peers.push(Peer::named(&name).ok_or_else(|| format!("there is no peer {name:?}"))?);
            }
            "--runs" => runs = Some(number(&value()?, "--runs")?),
            "--limit" => limit = number(&value()?, "--limit")?,
            "--quick" => quick = true,
            "--report" => report = Some(value()?),
            _ => return Err(format!("there is no option {arg:?}")),
        }
    }
    if jobs.is_empty() && peers.is_empty() && !quick {
        report = report.or(Some(DOCUMENT.to_owned()));
    }
    let jobs = if jobs.is_empty() { JOBS.to_vec() } else { jobs };
    let peers = if peers.is_empty() { PEERS.to_vec() } else { peers };
    let runs = runs.unwrap_or(if quick { 1 } else { 5 });
    Ok(Options { jobs, peers, runs, limit: Duration::from_secs(limit), quick, report })
}

fn number<T: TryFrom<u64>>(text: &str, of: &str) -> Result<T, String> {
    let number = text.parse().ok().filter(|&number| number > 0);
    let number = number.and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| format!("{of} {text:?} is no number of one or more"))
}

fn main() -> ExitCode {
    let mut args = env::args().skip(1).peekable();
    if args.next_if_eq("--measure").is_some() {
        return measure(args);
    }
    if args.peek().is_some_and(|first| first == "--help") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let options = match options(args) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}\n\n{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    let results = harness::run(&options);
    let tables = report::tables(&results);
    if options.quick {
        println!("Sizes were small: no figure below is one of the size that it names.\n");
    }
    println!("{tables}");
    let written = options.report.map_or(Ok(()), |to| report::write(&to, &tables, &results));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the report could not be written: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Does one job of one peer and prints its figures, for the process that has asked for it.
fn measure(mut args: impl Iterator<Item = String>) -> ExitCode {
    let peer = args.next().and_then(|name| Peer::named(&name));
    let job = args.next().and_then(|name| Job::named(&name));
    let (Some(peer), Some(job)) = (peer, job) else { return ExitCode::FAILURE };
    // Nobody wants to read of each panic, and no peer shall pay for its being printed.
    set_hook(Box::new(|_| {}));
    match peer.run(job, args.next().is_some()) {
        Ok(figures) => figures.iter().for_each(|(key, figure)| println!("{key} {figure}")),
        Err(reason) => println!("{} {reason}", harness::UNABLE),
    }
    // What is left is not worth to be dropped in order.
    std::process::exit(0)
}

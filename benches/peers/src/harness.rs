//! Runs the jobs, each in a process of its own, all peers in turn.

use std::{
    env,
    io::{Read, Result},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{
    Options,
    jobs::Job,
    peers::Peer,
    results::{Figures, Results},
};

/// Before the reason why there are no figures.
pub(crate) const UNABLE: &str = "unable:";

pub(crate) fn run(options: &Options) -> Results {
    let mut results = Results::default();
    let mut peers = options.peers.clone();
    peers.retain(|peer| {
        let absent = peer.absent();
        if let Some(reason) = absent {
            eprintln!("{} is left out: {reason}", peer.name());
            results.notes.push(format!("{} is left out: {reason}.", peer.title()));
        }
        absent.is_none()
    });
    for &job in &options.jobs {
        for run in 1..=options.runs {
            for &peer in &peers {
                let figures = results.entry(peer, job);
                // What it cannot do once it cannot do later.
                if figures.unable.is_some() {
                    continue;
                }
                eprintln!("{} {}: run {run} of {}", job.name(), peer.name(), options.runs);
                measure(options, peer, job, figures);
            }
        }
    }
    results
}

fn measure(options: &Options, peer: Peer, job: Job, figures: &mut Figures) {
    match in_a_process(options, peer, job) {
        Ok(Some(output)) => read(&output, figures),
        Ok(None) => {
            let limit = options.limit.as_secs();
            figures.unable = Some(format!("not done within {limit} s"));
        }
        Err(error) => figures.unable = Some(format!("could not be run: {error}")),
    }
    if let Some(reason) = &figures.unable {
        eprintln!("  {reason}");
    }
}

fn read(output: &str, figures: &mut Figures) {
    let mut any = false;
    for line in output.lines() {
        if let Some(reason) = line.strip_prefix(UNABLE) {
            figures.unable = Some(reason.trim().to_owned());
        } else if let Some((key, figure)) = line.split_once(' ')
            && let Ok(figure) = figure.parse()
        {
            any = true;
            figures.add(key, figure);
        }
    }
    if !any && figures.unable.is_none() {
        figures.unable = Some("ended without a figure".to_owned());
    }
}

/// What it prints; nothing if it takes too long.
fn in_a_process(options: &Options, peer: Peer, job: Job) -> Result<Option<String>> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["--measure", peer.name(), job.name()]);
    if options.quick {
        command.arg("--quick");
    }
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    if !ends_within(&mut process, options.limit)? {
        process.kill()?;
        process.wait()?;
        return Ok(None);
    }
    let mut output = String::new();
    if let Some(mut stdout) = process.stdout {
        stdout.read_to_string(&mut output)?;
    }
    Ok(Some(output))
}

/// It prints some lines, which the pipe can hold, so it need not be read meanwhile.
fn ends_within(process: &mut Child, limit: Duration) -> Result<bool> {
    let begin = Instant::now();
    while begin.elapsed() < limit {
        if process.try_wait()?.is_some() {
            return Ok(true);
        }
        sleep(Duration::from_millis(5));
    }
    Ok(false)
}

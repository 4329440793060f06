//! The tables, as Markdown.

use std::{fs, io, path::Path};

use crate::{
    charts,
    jobs::{JOBS, METRICS, Metric, Unit},
    peers::{PEERS, Peer},
    results::{Results, Spread},
    targets,
};

const BEGIN: &str =
    "<!-- figures: written by `cargo run --release --manifest-path benches/peers/Cargo.toml` -->\n";
const END: &str = "<!-- end of the figures -->";

/// The workloads, and what each of them is.
pub(crate) const WORKLOADS: [(&str, &str); 10] = [
    ("W1", "One child that ends at once, restarted"),
    ("W2", "From a fatal message to the next answer"),
    ("W3", "What a message costs"),
    ("W4", "Idle children of one supervisor"),
    ("W5", "A million children stopped"),
    ("W6", "A hundred thousand children fail at once"),
    ("W7", "Children removed at random"),
    ("W8", "A tree, 8 levels deep and 4 wide"),
    ("W9", "Waiting costs nothing"),
    ("W10", "Ten rounds of 100,000 added and removed"),
];

pub(crate) fn tables(results: &Results) -> String {
    let mut tables = String::new();
    let targets = targets::lines(results);
    if !targets.is_empty() {
        tables += "### Targets\n\n| this crate | target | median | min – max | |\n";
        tables += "| --- | --- | --- | --- | --- |\n";
        tables += &targets.join("\n");
        tables += "\n\n";
    }
    for (workload, title) in WORKLOADS {
        let table = table(results, workload);
        if !table.is_empty() {
            let file = charts::file(workload);
            tables += &format!("### {workload}: {title}\n\n![{title}](images/{file})\n\n{table}\n");
        }
    }
    for note in &results.notes {
        tables += &format!("{note}\n\n");
    }
    tables
}

/// The metrics of a workload that anybody has figures of.
pub(crate) fn metrics<'a>(
    results: &'a Results,
    workload: &'a str,
) -> impl Iterator<Item = &'static Metric> + 'a {
    METRICS.iter().filter(move |metric| {
        let measured = |peer| results.runs(peer, metric.job, metric.key).is_some();
        metric.job.workload() == workload && PEERS.into_iter().any(measured)
    })
}

fn table(results: &Results, workload: &str) -> String {
    let mut lines = String::new();
    let peers: Vec<Peer> =
        PEERS.into_iter().filter(|peer| measured(results, *peer, workload)).collect();
    let metrics: Vec<&Metric> = metrics(results, workload).collect();
    if metrics.is_empty() {
        return unable(results, workload);
    }
    let titles: Vec<&str> = peers.iter().map(|peer| peer.title()).collect();
    lines += &format!("| | {} |\n|{}\n", titles.join(" | "), " --- |".repeat(peers.len() + 1));
    for metric in metrics {
        let cells: Vec<String> = peers.iter().map(|peer| cell(results, *peer, metric)).collect();
        lines += &format!("| {} | {} |\n", metric.title, cells.join(" | "));
    }
    lines + "\n" + &unable(results, workload)
}

/// Whether it has any figure of this workload.
fn measured(results: &Results, peer: Peer, workload: &str) -> bool {
    metrics(results, workload).any(|it| results.runs(peer, it.job, it.key).is_some())
}

fn cell(results: &Results, peer: Peer, metric: &Metric) -> String {
    let Some(runs) = results.runs(peer, metric.job, metric.key) else { return "–".to_owned() };
    let Spread { median, min, max } = Spread::of(runs);
    let show = |figure| show(figure, metric.unit);
    format!("**{}**<br>{} – {}", show(median), show(min), show(max))
}

/// A line for each reason why somebody has no figure.
fn unable(results: &Results, workload: &str) -> String {
    let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
    let of = results.of.iter().filter(|((_, job), _)| job.workload() == workload);
    for ((peer, job), figures) in of {
        let Some(reason) = &figures.unable else { continue };
        let parts = JOBS.iter().filter(|it| it.workload() == workload).count();
        let who = match parts {
            1 => peer.title().to_owned(),
            _ => format!("{} ({})", peer.title(), job.name()),
        };
        match reasons.iter_mut().find(|(of, _)| of == reason) {
            Some((_, peers)) => peers.push(who),
            None => reasons.push((reason, vec![who])),
        }
    }
    let line =
        |(reason, peers): &(&str, Vec<String>)| format!("- {}: {reason}\n", peers.join(", "));
    reasons.iter().map(line).collect()
}

/// A figure with three digits and its unit.
pub(crate) fn show(figure: f64, unit: Unit) -> String {
    let steps: &[(f64, &str)] = match unit {
        Unit::Time => &[(1e9, " s"), (1e6, " ms"), (1e3, " µs"), (1.0, " ns")],
        Unit::Rate => &[(1e6, " M/s"), (1e3, " k/s"), (1.0, "/s")],
        Unit::Bytes => &[(1e9, " GB"), (1e6, " MB"), (1e4, " kB"), (1.0, " B")],
        Unit::Ratio => &[(1.0, "")],
    };
    let fits = steps.iter().find(|(step, _)| figure.abs() >= *step).or(steps.last());
    let (step, name) = fits.copied().unwrap_or((1.0, ""));
    let step = if step == 1e4 { 1e3 } else { step };
    let figure = figure / step;
    let digits = match figure.abs() {
        figure if figure < 10.0 => 2,
        figure if figure < 100.0 => 1,
        _ => 0,
    };
    format!("{figure:.digits$}{name}")
}

/// Puts the tables into the document, between its marks, and the charts beside it.
pub(crate) fn write(document: &str, tables: &str, results: &Results) -> io::Result<()> {
    let text = fs::read_to_string(document)?;
    let parts = text.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some((before, after))
    });
    let (before, after) = parts.ok_or_else(|| io::Error::other("its marks are missing"))?;
    fs::write(document, format!("{before}{BEGIN}\n{tables}{END}{after}"))?;
    let images = Path::new(document).with_file_name("images");
    fs::create_dir_all(&images)?;
    for (workload, title) in WORKLOADS {
        if let Some(chart) = charts::chart(results, workload, title) {
            fs::write(images.join(charts::file(workload)), chart)?;
        }
    }
    Ok(())
}

//! The charts: horizontal bars as hand-written SVG, readable on a light and on a dark page.

use crate::{
    jobs::{Job, Metric, Unit},
    peers::{PEERS, Peer},
    report::{metrics, show},
    results::Results,
};

const WIDTH: f64 = 760.0;
/// Where the bars begin, and how long they may be.
const LEFT: f64 = 190.0;
const LONGEST: f64 = 430.0;
const ROW: f64 = 20.0;
const HEAD: f64 = 30.0;

/// A bar that is more than so many times as long as ours is cut, or nobody could see the others.
const CUT: f64 = 6.0;

const STYLE: &str = "\
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.head { font-weight: 600 }
.peer { fill: #8c959f } .ours { fill: #0969da } .limit { fill: #1a7f37 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .peer { fill: #6e7681 } .ours { fill: #58a6ff } .limit { fill: #3fb950 }
}";

pub(crate) fn file(workload: &str) -> String {
    format!("peers-{}.svg", workload.to_lowercase())
}

/// A panel of bars for each metric of the workload; nothing if nothing was measured.
pub(crate) fn chart(results: &Results, workload: &str, title: &str) -> Option<String> {
    let mut body = String::new();
    let mut y = 0.0;
    for metric in metrics(results, workload).filter(|metric| is_drawn(metric)) {
        y = panel(&mut body, y, metric, &bars(results, metric));
    }
    if body.is_empty() {
        return None;
    }
    let head = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\" width=\"{WIDTH}\" height=\"{y}\" role=\"img\">"
    );
    Some(format!("{head}\n<title>{title}</title>\n<style>\n{STYLE}\n</style>\n{body}</svg>\n"))
}

/// Of idle children, only the most: what fewer of them cost is in the table.
fn is_drawn(metric: &Metric) -> bool {
    let fewer = matches!(metric.job, Job::Idle(children) if children < 1_000_000);
    metric.unit != Unit::Ratio && !fewer
}

fn bars(results: &Results, metric: &Metric) -> Vec<(Peer, f64)> {
    let bar = |peer| Some((peer, results.median(peer, metric.job, metric.key)?));
    PEERS.into_iter().filter_map(bar).collect()
}

/// Draws it from this height on, and returns where it ends.
fn panel(body: &mut String, top: f64, metric: &Metric, bars: &[(Peer, f64)]) -> f64 {
    let better = if metric.unit == Unit::Rate { "more is better" } else { "less is better" };
    let (y, title) = (top + 20.0, metric.title.replace('`', ""));
    *body += &format!("<text class=\"head\" x=\"0\" y=\"{y}\">{title} ({better})</text>\n");
    let longest = scale(bars);
    for (row, (peer, figure)) in bars.iter().enumerate() {
        let y = top + HEAD + row as f64 * ROW;
        *body += &bar(*peer, *figure, longest, y, metric.unit);
    }
    top + HEAD + bars.len() as f64 * ROW + 8.0
}

/// The figure of the longest bar.
fn scale(bars: &[(Peer, f64)]) -> f64 {
    let longest = bars.iter().map(|(_, figure)| *figure).fold(f64::MIN_POSITIVE, f64::max);
    let ours = bars.iter().find(|(peer, _)| *peer == Peer::Ours);
    ours.filter(|(_, ours)| *ours > 0.0).map_or(longest, |(_, ours)| longest.min(ours * CUT))
}

fn bar(peer: Peer, figure: f64, longest: f64, y: f64, unit: Unit) -> String {
    let class = match peer {
        Peer::Ours => "ours",
        Peer::Limit => "limit",
        _ => "peer",
    };
    let length = (figure / longest).clamp(0.0, 1.0) * LONGEST;
    let cut = if figure > longest { "… " } else { "" };
    let (name, figure) = (peer.title().replace('`', ""), show(figure, unit));
    let (text, height, label, after) = (y + 13.0, ROW - 5.0, LEFT - 8.0, LEFT + length + 6.0);
    format!(
        "<text x=\"{label}\" y=\"{text}\" text-anchor=\"end\">{name}</text>\
         <rect class=\"{class}\" x=\"{LEFT}\" y=\"{y}\" width=\"{length:.1}\" height=\"{height}\" rx=\"2\"/>\
         <text x=\"{after:.1}\" y=\"{text}\">{cut}{figure}</text>\n"
    )
}

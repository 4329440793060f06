//! The course of a run as hand-written SVG, readable on a light and on a dark page.

use std::time::Duration;

use crate::measure::Sample;

const WIDTH: f64 = 760.0;
/// Where the curves begin and end.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 740.0;
/// Of a panel: its title, its curves, and what is below.
const HEAD: f64 = 28.0;
const CURVES: f64 = 120.0;
const FOOT: f64 = 26.0;

const STYLE: &str = "\
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.head { font-weight: 600 }
.axis { stroke: #8c959f; stroke-width: 1 }
polyline { fill: none; stroke-width: 1.5 }
.a { stroke: #0969da } .b { stroke: #bc4c00 }
.in-a { fill: #0969da } .in-b { fill: #bc4c00 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .axis { stroke: #6e7681 }
  .a { stroke: #58a6ff } .b { stroke: #f0883e }
  .in-a { fill: #58a6ff } .in-b { fill: #f0883e }
}";

/// One figure over time: its class in the style sheet, its name, its points.
type Curve<'a> = (&'a str, &'a str, Vec<(f64, f64)>);

pub(crate) fn draw(samples: &[Sample]) -> String {
    let curve = |figure: fn(&Sample) -> f64| -> Vec<_> {
        samples.iter().map(|sample| (sample.at.as_secs_f64(), figure(sample))).collect()
    };
    let rate = |count: fn(&Sample) -> u64| -> Vec<_> {
        let steps = samples.windows(2).filter_map(|pair| pair.first().zip(pair.last()));
        steps
            .map(|(from, to)| {
                let time = (to.at - from.at).as_secs_f64();
                (to.at.as_secs_f64(), (count(to) - count(from)) as f64 / time)
            })
            .collect()
    };
    let panels: [(&str, Vec<Curve<'_>>); 4] = [
        ("Memory in use, MiB", vec![("a", "", curve(|of| of.resident as f64 / 1024.0))]),
        ("Restarts a second", vec![("a", "", rate(|of| of.restarts))]),
        ("Messages a second", vec![("a", "", rate(|of| of.messages))]),
        (
            "Answered within, milliseconds",
            vec![
                ("a", "half of the requests", curve(|of| millis(of.half))),
                ("b", "99 %", curve(|of| millis(of.most))),
            ],
        ),
    ];
    let end = samples.last().map_or(1.0, |sample| sample.at.as_secs_f64());
    let mut body = String::new();
    let mut y = 0.0;
    for (title, curves) in &panels {
        y = panel(&mut body, y, (title, curves), end);
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\" width=\"{WIDTH}\" height=\"{y}\" role=\"img\">\n\
         <title>A run of the soak test</title>\n<style>\n{STYLE}\n</style>\n{body}</svg>\n"
    )
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Draws it from this height on, and returns where it ends.
fn panel(body: &mut String, top: f64, (title, curves): (&str, &[Curve<'_>]), end: f64) -> f64 {
    let (above, below) = (top + HEAD, top + HEAD + CURVES);
    *body += &format!("<text class=\"head\" x=\"0\" y=\"{}\">{title}", top + 18.0);
    for (class, name, _) in curves {
        *body += &format!("<tspan class=\"in-{class}\" dx=\"10\">{name}</tspan>");
    }
    *body += "</text>\n";
    let points = curves.iter().flat_map(|(_, _, points)| points);
    let most = ceiling(points.map(|(_, figure)| *figure).fold(0.0, f64::max));
    for (figure, y) in [(0.0, below), (most / 2.0, (above + below) / 2.0), (most, above)] {
        *body += &format!(
            "<line class=\"axis\" x1=\"{LEFT}\" y1=\"{y}\" x2=\"{RIGHT}\" y2=\"{y}\" opacity=\"0.4\"/>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{figure}</text>\n",
            LEFT - 8.0,
            y + 4.0
        );
    }
    for (class, _, points) in curves {
        let at = |(time, figure): &(f64, f64)| {
            let x = LEFT + time / end * (RIGHT - LEFT);
            format!("{x:.1},{:.1}", below - figure / most * CURVES)
        };
        let points: Vec<_> = points.iter().map(at).collect();
        *body += &format!("<polyline class=\"{class}\" points=\"{}\"/>\n", points.join(" "));
    }
    for (part, anchor) in [(0.0, "start"), (0.5, "middle"), (1.0, "end")] {
        let (x, time) = (LEFT + part * (RIGHT - LEFT), clock(end * part));
        let y = below + 16.0;
        *body += &format!("<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{time}</text>\n");
    }
    below + FOOT
}

/// The next one, two or five times a power of ten.
fn ceiling(most: f64) -> f64 {
    let power = 10_f64.powf(most.max(1e-3).log10().floor());
    let steps = [1.0, 2.0, 5.0].map(|step| step * power);
    steps.into_iter().find(|step| *step >= most).unwrap_or(10.0 * power)
}

fn clock(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

//! For tests about threads: a real clock, and what the system and a report say of them.

use actix_supervisor::StopReport;
pub use actix_supervisor::test_kit::{Events, Stubborn, real};

/// Who was left behind, with the whole path.
pub fn paths(report: &StopReport) -> Vec<String> {
    report.unstopped.iter().map(|left| left.path.join("/")).collect()
}

/// How many threads of this name there are. A name's first 15 bytes are what the system keeps.
#[cfg(target_os = "linux")]
pub fn threads_named(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")));
    // One that has ended meanwhile has none.
    names.filter(|of| of.as_ref().is_ok_and(|of| of.trim() == name)).count()
}

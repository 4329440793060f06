//! The report, as Markdown, and the verdict.

use std::{process::ExitCode, sync::Arc, time::Duration};

use crate::{
    ending::End,
    measure::{Measures, Sample, TENTHS},
    settings::Settings,
};

/// How much memory may come on top of what was in use in the second tenth, in KiB: more than an allocator's moods account for, and in
/// an hour less than ten bytes a restart.
const GROWTH: u64 = 32 << 10;

pub(crate) struct Report {
    pub(crate) settings: Settings,
    pub(crate) measures: Arc<Measures>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) end: End,
}

impl Report {
    fn lost(&self) -> u64 {
        let from_mailboxes: u64 = self.end.parts.iter().map(|part| part.lost).sum();
        from_mailboxes + self.measures.unanswered.get() + self.measures.under_way()
    }

    fn twice(&self) -> u64 {
        self.end.parts.iter().map(|part| part.twice).sum()
    }

    /// How much memory is in use at the end of each tenth, in KiB.
    fn resident(&self) -> Vec<u64> {
        self.tenths().into_iter().map(|tenth| tenth.last().map_or(0, |of| of.resident)).collect()
    }

    fn growth(&self) -> u64 {
        let resident = self.resident();
        resident[TENTHS - 1].saturating_sub(resident[1])
    }

    pub(crate) fn verdict(&self) -> ExitCode {
        let is_good = self.lost() == 0
            && self.twice() == 0
            && self.end.stopped.is_clean()
            && self.end.threads_left == 0
            && self.growth() <= GROWTH;
        if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    /// The samples of each tenth of the run, that before the first of them included: rates are between two samples.
    fn tenths(&self) -> Vec<&[Sample]> {
        let (all, count) = (&self.samples, self.samples.len());
        let bound = |tenth: usize| tenth * count / TENTHS;
        (0..TENTHS).map(|tenth| &all[bound(tenth).saturating_sub(1)..bound(tenth + 1)]).collect()
    }

    #[expect(clippy::print_stdout, reason = "it is what the program is for")]
    pub(crate) fn print(&self) {
        println!("{}\n{}\n{}", self.head(), self.counts(), self.course());
        for part in self.end.parts.iter().filter(|part| part.lost > 0 || part.twice > 0) {
            let (name, lost, twice) = (&part.name, part.lost, part.twice);
            println!(
                "{name}: of {} messages {lost} are lost, {twice} were handled twice",
                part.sent
            );
        }
        if self.growth() > GROWTH {
            println!("memory grows by {} KiB, and may by {GROWTH}", self.growth());
        }
    }

    fn head(&self) -> String {
        let Settings { seconds, rate, crashes, threads, seed, .. } = self.settings;
        format!(
            "{seconds} s, {rate} messages a second from {threads} threads, {crashes} crashes a second, seed {seed}\n"
        )
    }

    fn counts(&self) -> String {
        let counts = &self.measures;
        let to_parts: u64 = self.end.parts.iter().map(|part| part.sent).sum();
        let rows = [
            ("messages sent to the parts of the application", to_parts),
            ("requests, those to sessions included", counts.asked.get()),
            ("… answered", counts.answered.get()),
            ("… failed with an error", counts.refused.get()),
            ("**lost**", self.lost()),
            ("handled twice", self.twice()),
            ("held back by the senders, since too many were under way", counts.held_back.get()),
            ("crashes", counts.crashes.get()),
            ("failures", counts.failures.get()),
            ("… of these threads that were stuck", counts.stuck.get()),
            ("… of these arbiters that were stopped", counts.arbiters.get()),
            ("restarts", counts.restarts.get()),
            ("pauses", counts.pauses.get()),
            ("supervisors that failed at their limit", counts.escalations.get()),
            ("sessions added", counts.added.get()),
            ("… and removed", counts.removed.get()),
            ("left behind at the end", self.end.stopped.unstopped.len() as u64),
            ("threads left at the end", self.end.threads_left),
        ];
        let rows = rows.map(|(what, count)| format!("| {what} | {} |\n", grouped(count)));
        format!("| | |\n| --- | ---: |\n{}", rows.concat())
    }

    fn course(&self) -> String {
        let mut table = String::from(
            "| tenth | messages/s | restarts/s | memory, MiB | threads | half answered within | 99 % within |\n\
             | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        );
        for (index, tenth) in self.tenths().into_iter().enumerate() {
            let (Some(first), Some(last)) = (tenth.first(), tenth.last()) else { continue };
            let time = (last.at - first.at).as_secs_f64().max(f64::MIN_POSITIVE);
            let rate = |first: u64, last: u64| (last - first) as f64 / time;
            let latencies = self.measures.tenth(index);
            table += &format!(
                "| {} | {:.0} | {:.0} | {:.1} | {} | {} | {} |\n",
                index + 1,
                rate(first.messages, last.messages),
                rate(first.restarts, last.restarts),
                last.resident as f64 / 1024.0,
                last.threads,
                millis(latencies.quantile(0.5)),
                millis(latencies.quantile(0.99)),
            );
        }
        table
    }
}

fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// 1234567 as `1,234,567`.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let first = digits.len() % 3;
    let mut groups = vec![&digits[..first]];
    groups.extend(digits.as_bytes()[first..].chunks(3).map(|of| str::from_utf8(of).unwrap_or("")));
    groups.retain(|group| !group.is_empty());
    groups.join(",")
}

//! Whether the run was good.

use std::collections::BTreeMap;

use crate::Result;
use crate::figures::{Expected, Report, ms};

use super::logs::LogCount;
use super::samples::Samples;
use super::world::World;

/// Milliseconds from a revocation's request to the close of each socket.
const CLOSE: f64 = 3_000.0;

/// Milliseconds for which the tool may have had no CPU: it closes and answers late then, and blames the nodes.
const PAUSE: f64 = 2_000.0;

/// MB by which the memory of the node that is not restarted may grow: from the third quarter of the churn to the last
/// one, by their medians; and from before the first socket until after the last one, which is what allocators keep.
const GROWTH: f64 = 2.0;
const KEPT: f64 = 25.0;

/// File descriptors that may be open at the end and were not at the start: connections to the database, and those of
/// the tool's last requests.
const FILES: f64 = 16.0;

/// What is known at the end.
pub struct Outcome<'a> {
    pub world: &'a World,
    pub samples: &'a Samples,
    pub log: &'a LogCount,
    /// Sockets that were not open when the churn was over and all had had time to come back.
    pub missing: usize,
    /// By how many sessions each node was wrong while the sockets stayed, and after all had closed.
    pub still: Vec<usize>,
    pub closed: Vec<usize>,
}

impl Outcome<'_> {
    /// # Errors
    /// A promise was not kept. The report says which.
    pub fn show(self, report: &mut Report) -> Result<()> {
        let mut bounds = Bounds { report, missed: 0 };
        let world = self.world;
        bounds.report.row("sockets opened", world.opened() as f64, "");
        for (what, count) in world.counts() {
            bounds.report.row(format!("  {what}"), count as f64, "");
        }
        let closes = world.closes.take().sorted();
        bounds
            .report
            .row("revocation to close, sockets", closes.len() as f64, "")
            .row("  p50", closes.percentile(500), "ms")
            .row("  p99", closes.percentile(990), "ms");
        bounds.at_most("  max", closes.max(), "ms", CLOSE);
        bounds.at_most("longest pause of this tool", ms(self.samples.longest_pause()), "ms", PAUSE);
        let incidents = world.incidents();
        for (what, count) in &incidents {
            bounds.report.row(format!("INCIDENT: {what}"), *count as f64, "");
        }
        bounds.at_most("incidents", total(&incidents), "", 0.0);
        bounds.at_most("sockets missing when the churn was over", self.missing as f64, "", 0.0);
        let sum =
            |wrong: &[usize]| wrong.iter().fold(0, |sum: usize, wrong| sum.saturating_add(*wrong)) as f64;
        bounds.at_most("sessions wrong at the nodes then", sum(&self.still), "", 0.0);
        bounds.at_most("sessions left after all sockets closed", sum(&self.closed), "", 0.0);
        memory(&mut bounds, self.samples)?;
        for (what, count) in &self.log.warnings {
            bounds.report.row(format!("WARN: {what}"), *count as f64, "");
        }
        for (what, count) in &self.log.errors {
            bounds.report.row(format!("ERROR: {what}"), *count as f64, "");
        }
        bounds.report.row("lines in the logs", self.log.lines as f64, "");
        bounds.at_most("  of them errors", total(&self.log.errors), "", 0.0);
        match bounds.missed {
            0 => Ok(()),
            missed => Err(format!("{missed} bounds are missed").into()),
        }
    }
}

fn memory(bounds: &mut Bounds<'_>, samples: &Samples) -> Result<()> {
    let quarter = |number: f64| {
        median(samples.of_churn(number / 4.0, (number + 1.0) / 4.0).iter().map(|(_, need)| need.memory))
    };
    let (third, last) = quarter(2.0).zip(quarter(3.0)).ok_or("the run was too short for its memory")?;
    let (before, after) = samples.first_and_last().ok_or("the node's memory is not known")?;
    bounds
        .report
        .row("memory of node 1 before the first socket", before.memory, "MB RSS")
        .row("  third quarter of the churn", third, "MB RSS")
        .row("  last quarter", last, "MB RSS");
    bounds.at_most("    growth", last - third, "MB", GROWTH);
    bounds.report.row("  after all sockets closed", after.memory, "MB RSS");
    bounds.at_most("    kept", after.memory - before.memory, "MB", KEPT);
    bounds.report.row("open files of node 1 before the first socket", before.files, "");
    bounds.at_most("  more after all sockets closed", after.files - before.files, "", FILES);
    Ok(())
}

/// A report, and how many of its bounds are missed.
struct Bounds<'a> {
    report: &'a mut Report,
    missed: usize,
}

impl Bounds<'_> {
    fn at_most(&mut self, what: &str, value: f64, unit: &'static str, bound: f64) {
        self.report.promise(what, value, unit, Expected::AtMost(bound));
        // A value that is not a number is no good value.
        self.missed += usize::from(value > bound || value.is_nan());
    }
}

fn total(counts: &BTreeMap<String, usize>) -> f64 {
    counts.values().sum::<usize>() as f64
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::{Bounds, median};
    use crate::figures::Report;

    #[test]
    fn a_bound_is_missed_above_it_and_by_what_is_not_a_number() {
        let mut report = Report::default();
        let mut bounds = Bounds { report: report.section("soak"), missed: 0 };
        for value in [-1.0, 0.0, 2.0] {
            bounds.at_most("growth", value, "MB", 2.0);
        }
        assert_eq!(bounds.missed, 0);
        for value in [2.1, f64::NAN, f64::INFINITY] {
            bounds.at_most("growth", value, "MB", 2.0);
        }
        assert_eq!(bounds.missed, 3);
    }

    #[test]
    fn the_median_ignores_a_few_peaks() {
        assert_eq!(median([5.0, 1.0, 90.0, 2.0, 3.0].into_iter()), Some(3.0));
        assert_eq!(median([].into_iter()), None);
    }
}

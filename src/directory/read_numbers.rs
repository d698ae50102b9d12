//! Which rows of `access_changes` a node has read, by their numbers: each is read once, also one that is committed late.

use std::ops::RangeInclusive;

use chrono::TimeDelta;

use crate::clock::Timestamp;

/// How long after a row was written a smaller number may still be committed. The server takes numbers in the order of
/// the commits, so this is about rows that are written by hand. Longer than a transaction may be idle (10 s, see `db`)
/// and two polls may be apart (3 s).
const LATE: TimeDelta = TimeDelta::seconds(30);

/// Gaps that are kept apart.
const MAX_GAPS: usize = 64;

/// The greatest number that was read, and the smaller ones that may still be committed.
#[derive(Debug, Default)]
pub struct ReadNumbers {
    newest: Option<i32>,
    /// In their order.
    gaps: Vec<Gap>,
}

/// Numbers that were not there when a greater one was read.
#[derive(Debug, Clone)]
struct Gap {
    first: i32,
    last: i32,
    until: Timestamp,
}

impl ReadNumbers {
    /// The greatest number that was read; none before the start.
    #[must_use]
    pub const fn newest(&self) -> Option<i32> {
        self.newest
    }

    /// Rows up to this number do not matter.
    pub fn start_after(&mut self, number: i32) {
        self.newest = Some(number);
    }

    /// The numbers to read now.
    pub fn unread(&mut self, now: Timestamp) -> Vec<RangeInclusive<i32>> {
        self.gaps.retain(|gap| gap.until > now);
        let gaps = self.gaps.iter().map(|gap| gap.first..=gap.last);
        let first = self.newest.map_or(i32::MIN, |newest| newest.saturating_add(1));
        gaps.chain([first..=i32::MAX]).collect()
    }

    /// The row of this number was read. It was written at `at`.
    pub fn note(&mut self, number: i32, at: Timestamp, now: Timestamp) {
        match self.newest {
            Some(newest) if number <= newest => self.fill(number),
            newest => {
                let until = at.min(now) + LATE;
                if let Some(newest) = newest
                    && newest + 1 < number
                    && until > now
                {
                    self.gaps.push(Gap { first: newest + 1, last: number - 1, until });
                    self.bound();
                }
                self.newest = Some(number);
            }
        }
    }

    fn fill(&mut self, number: i32) {
        let index = self.gaps.partition_point(|gap| gap.last < number);
        let Some(gap) = self.gaps.get(index).filter(|gap| gap.first <= number) else { return };
        let (below, above) =
            (Gap { last: number - 1, ..gap.clone() }, Gap { first: number + 1, ..gap.clone() });
        let left = [below, above].into_iter().filter(|gap| gap.first <= gap.last);
        self.gaps.splice(index..=index, left);
        self.bound();
    }

    /// With too many, the first two become one: what is between them is read again meanwhile.
    fn bound(&mut self) {
        if self.gaps.len() > MAX_GAPS {
            let first = self.gaps.remove(0);
            let merged = &mut self.gaps[0];
            (merged.first, merged.until) = (first.first, merged.until.max(first.until));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::default() + TimeDelta::milliseconds(millis)
    }

    /// A poll at `now` of the rows that are committed: a number, when it was written and when it was committed. Counts
    /// how often each was read.
    fn poll(numbers: &mut ReadNumbers, rows: &[(i32, i64, i64)], now: i64, reads: &mut HashMap<i32, u32>) {
        for range in numbers.unread(at(now)) {
            let found = rows.iter().filter(|(number, _, commits)| *commits <= now && range.contains(number));
            for (number, written, _) in found {
                numbers.note(*number, at(*written), at(now));
                *reads.entry(*number).or_default() += 1;
            }
        }
    }

    proptest! {
        /// Transactions take numbers in order and commit in any order, within the time that one may be idle.
        #[test]
        fn every_change_is_read_once_however_late_it_commits(
            begun in prop::collection::vec((0_i64..60_000, 0_i64..12_000), 1..100),
            starts in 0_i64..60_000,
            pace in 500_i64..3000,
        ) {
            let mut begun = begun;
            begun.sort_unstable();
            let rows: Vec<_> = (1..).zip(&begun).map(|(number, (at, takes))| (number, *at, at + takes)).collect();
            let (mut numbers, mut reads) = (ReadNumbers::default(), HashMap::new());
            numbers.start_after(0);
            for now in (0..80_000 / pace).map(|number| starts + number * pace) {
                poll(&mut numbers, &rows, now, &mut reads);
            }
            prop_assert_eq!(reads.len(), rows.len());
            prop_assert!(reads.values().all(|count| *count == 1));
            prop_assert!(numbers.gaps.is_empty() || numbers.gaps.len() <= MAX_GAPS);
        }
    }

    #[test]
    fn a_start_after_many_changes_reads_them_once() {
        let rows: Vec<_> =
            (1..=200_000).filter(|number| number % 7 != 0).map(|number| (number, 0, 0)).collect();
        let (mut numbers, mut reads) = (ReadNumbers::default(), HashMap::new());
        numbers.start_after(0);
        for now in (60_000..80_000).step_by(1000) {
            poll(&mut numbers, &rows, now, &mut reads);
        }
        assert!(reads.len() == rows.len() && reads.values().all(|count| *count == 1));
    }

    #[test]
    fn many_gaps_are_bounded_and_lose_no_number() {
        let late = 3000;
        let rows: Vec<_> =
            (1..=1000).map(|number| (number, 0, if number % 2 == 0 { 0 } else { late })).collect();
        let (mut numbers, mut reads) = (ReadNumbers::default(), HashMap::new());
        numbers.start_after(0);
        for now in [1000, 2000, late] {
            poll(&mut numbers, &rows, now, &mut reads);
            assert!(numbers.gaps.len() <= MAX_GAPS);
        }
        assert_eq!(reads.len(), rows.len());
        assert_eq!(numbers.unread(at(60_000)), [1001..=i32::MAX], "gaps are given up");
    }
}

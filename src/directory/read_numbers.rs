//! Which rows of a numbered table a node has read: each is read once, also one that is committed after rows with greater
//! numbers.

use std::ops::RangeInclusive;

use chrono::TimeDelta;

use crate::clock::Timestamp;

/// How long a number that is missing is read again, at least: it is taken a moment before its transaction shows. A
/// transaction that was under way then may take as long as it likes, see [`Horizon`].
const LATE: TimeDelta = TimeDelta::seconds(30);

/// Gaps that are kept apart.
const MAX_GAPS: usize = 64;

/// The database server's transactions at the start of a poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Horizon {
    /// Which server: another one may count on from a smaller number.
    pub server: i64,
    /// The oldest transaction that had not ended.
    pub oldest: i64,
    /// Greater than every transaction that had begun to write, also one that had begun after the oldest. Known only if it
    /// was needed, see [`ReadNumbers::needs_bound`].
    pub next: Option<i64>,
}

impl Horizon {
    /// For a database with one writer at a time: numbers are committed in their order.
    pub const SERIAL: Self = Self { server: 0, oldest: i64::MAX, next: Some(0) };

    /// Whether it is known that no transaction was writing.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.next.is_some_and(|next| next <= self.oldest)
    }
}

/// The greatest number that was read, and the smaller ones that may still be committed.
#[derive(Debug, Default)]
pub struct ReadNumbers {
    server: Option<i64>,
    newest: Option<i64>,
    /// In their order.
    gaps: Vec<Gap>,
}

/// Numbers that were not there when a greater one was read.
#[derive(Debug, Clone)]
struct Gap {
    first: i64,
    last: i64,
    until: Timestamp,
    /// The transactions before this one may have taken these numbers. None until the next poll that knows it.
    before: Option<i64>,
}

impl Gap {
    fn has_ended(&self, now: Timestamp, horizon: &Horizon) -> bool {
        self.until <= now && self.before.is_some_and(|before| before <= horizon.oldest)
    }
}

impl ReadNumbers {
    /// The greatest number that was read; none before the start.
    #[must_use]
    pub const fn newest(&self) -> Option<i64> {
        self.newest
    }

    /// All numbers up to this one were read, or will never be there; none before the start.
    #[must_use]
    pub fn complete(&self) -> Option<i64> {
        self.gaps.first().map(|gap| gap.first - 1).or(self.newest)
    }

    /// Whether to call [`ReadNumbers::start_after`]: nothing was read yet, or it was read from another server.
    pub fn begins(&mut self, server: i64) -> bool {
        if self.server != Some(server) {
            *self = Self { server: Some(server), ..Self::default() };
        }
        self.newest.is_none()
    }

    /// Whether the next poll needs [`Horizon::next`].
    #[must_use]
    pub fn needs_bound(&self) -> bool {
        self.newest.is_none() || self.gaps.iter().any(|gap| gap.before.is_none())
    }

    /// Rows up to this number do not matter.
    pub fn start_after(&mut self, number: i64) {
        // Another thread may have started meanwhile.
        self.newest = self.newest.or(Some(number));
    }

    /// The numbers to read now.
    pub fn unread(&mut self, horizon: &Horizon) -> Vec<RangeInclusive<i64>> {
        for gap in &mut self.gaps {
            gap.before = gap.before.or(horizon.next);
        }
        let gaps = self.gaps.iter().map(|gap| gap.first..=gap.last);
        let first = self.newest.map_or(i64::MIN, |newest| newest.saturating_add(1));
        gaps.chain([first..=i64::MAX]).collect()
    }

    /// All numbers of [`ReadNumbers::unread`] were read after this horizon: forgets the gaps that stay empty.
    pub fn settle(&mut self, now: Timestamp, horizon: &Horizon) {
        self.gaps.retain(|gap| !gap.has_ended(now, horizon));
    }

    /// The rows of these numbers, of which none is missing, were read and applied. All that have smaller numbers were
    /// written at `at`, at the latest.
    pub fn note(&mut self, numbers: RangeInclusive<i64>, at: Timestamp, now: Timestamp) {
        let (first, last) = numbers.into_inner();
        let newest = self.newest.unwrap_or(first - 1);
        if first <= newest {
            self.fill(first, last.min(newest));
        }
        let until = at.min(now) + LATE;
        let is_serial = self.server == Some(Horizon::SERIAL.server);
        if newest + 1 < first && until > now && !is_serial {
            self.gaps.push(Gap { first: newest + 1, last: first - 1, until, before: None });
            self.bound();
        }
        self.newest = Some(newest.max(last));
    }

    fn fill(&mut self, first: i64, last: i64) {
        let left = self.gaps.iter().flat_map(|gap| {
            let below = Gap { last: gap.last.min(first - 1), ..gap.clone() };
            let above = Gap { first: gap.first.max(last + 1), ..gap.clone() };
            [below, above].into_iter().filter(|gap| gap.first <= gap.last)
        });
        self.gaps = left.collect();
        self.bound();
    }

    /// With too many, the two that are nearest become one: what is between them is read again meanwhile.
    fn bound(&mut self) {
        while self.gaps.len() > MAX_GAPS {
            let between = |pair: &[Gap]| pair[1].first - pair[0].last;
            let pairs = self.gaps.windows(2).enumerate();
            let Some((nearest, _)) = pairs.min_by_key(|(_, pair)| between(pair)) else { return };
            let first = self.gaps.remove(nearest);
            let merged = &mut self.gaps[nearest];
            (merged.first, merged.until) = (first.first, merged.until.max(first.until));
            merged.before = merged.before.zip(first.before).map(|(one, other)| one.max(other));
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

    /// A number, when it was taken and when it was committed.
    type Row = (i64, i64, i64);

    /// What PostgreSQL says at `now`. Each row has a transaction of its own, which began to write so many milliseconds
    /// before it took the number as `led` says: the transactions may have begun in another order.
    fn horizon(rows: &[Row], led: &[i64], now: i64, bound: bool) -> Horizon {
        let begun = rows.iter().zip(led.iter().chain(std::iter::repeat(&0)));
        let mut begun: Vec<_> = begun.map(|((_, taken, commits), led)| (taken - led, *commits)).collect();
        begun.sort_unstable();
        let begun = || (1..).zip(begun.iter()).take_while(|(_, (begun, _))| *begun <= now);
        // As in a snapshot: what lies beyond the greatest transaction that has ended is not looked at.
        let seen =
            1 + begun().filter(|(_, (_, commits))| *commits <= now).map(|(id, _)| id).max().unwrap_or(0);
        let running = begun().find(|(_, (_, commits))| now < *commits).map_or(seen, |(id, _)| id);
        let next = begun().count() + 1;
        let number = |id: usize| i64::try_from(id).unwrap();
        Horizon { server: 1, oldest: number(running.min(seen)), next: bound.then(|| number(next)) }
    }

    /// A poll at `now` of the rows that are committed. Counts how often each was read.
    fn poll(
        numbers: &mut ReadNumbers,
        (rows, led): (&[Row], &[i64]),
        now: i64,
        reads: &mut HashMap<i64, u32>,
    ) {
        let horizon = horizon(rows, led, now, numbers.needs_bound());
        for range in numbers.unread(&horizon) {
            let found = rows.iter().filter(|(number, _, commits)| *commits <= now && range.contains(number));
            for (number, begun, _) in found {
                numbers.note(*number..=*number, at(*begun).max(at(now)), at(now));
                *reads.entry(*number).or_default() += 1;
            }
        }
        numbers.settle(at(now), &horizon);
    }

    proptest! {
        /// Transactions take numbers in order and commit in any order, some after hours.
        #[test]
        fn every_change_is_read_once_however_late_it_commits(
            begun in prop::collection::vec((0_i64..60_000, prop_oneof![0_i64..12_000, 0_i64..7_200_000]), 1..60),
            led in prop::collection::vec(prop_oneof![Just(0_i64), 0_i64..20_000], 60),
            starts in 0_i64..60_000,
            pace in 500_i64..3000,
        ) {
            let mut begun = begun;
            begun.sort_unstable();
            let rows: Vec<_> = (1..).zip(&begun).map(|(number, (at, takes))| (number, *at, at + takes)).collect();
            let (mut numbers, mut reads) = (ReadNumbers::default(), HashMap::new());
            numbers.start_after(0);
            // Then, as the last gaps are slow to go, at a slower pace.
            let polls = (0..80_000 / pace).map(|number| starts + number * pace);
            for now in polls.chain((0..200).map(|number| 140_000 + number * 60_000)) {
                poll(&mut numbers, (&rows, &led), now, &mut reads);
                prop_assert!(numbers.gaps.len() <= MAX_GAPS);
            }
            prop_assert_eq!(reads.len(), rows.len());
            prop_assert!(reads.values().all(|count| *count == 1));
            prop_assert!(numbers.gaps.is_empty());
        }

        /// Runs of numbers, some of them read twice, leave the gaps that single numbers leave.
        #[test]
        fn runs_leave_the_same_gaps(runs in prop::collection::vec((0_i64..60, 0_i64..8), 1..20)) {
            let (mut one, mut other) = (ReadNumbers::default(), ReadNumbers::default());
            one.start_after(0);
            other.start_after(0);
            for (first, more) in runs {
                one.note(first..=first + more, at(0), at(0));
                for number in first..=first + more {
                    other.note(number..=number, at(0), at(0));
                }
            }
            let mut left = [one, other].map(|mut numbers| numbers.unread(&Horizon::SERIAL));
            for ranges in &mut left {
                ranges.retain(|range| *range.end() > 0);
            }
            prop_assert_eq!(&left[0], &left[1]);
        }
    }

    #[test]
    fn a_start_after_many_changes_reads_them_once() {
        let rows: Vec<_> =
            (1..=20_000).filter(|number| number % 7 != 0).map(|number| (number, 0, 0)).collect();
        let mut numbers = ReadNumbers::default();
        numbers.start_after(0);
        let mut read = 0;
        for now in (60_000..80_000).step_by(1000) {
            for range in numbers.unread(&Horizon::SERIAL) {
                for (number, written, _) in rows.iter().filter(|(number, ..)| range.contains(number)) {
                    numbers.note(*number..=*number, at(*written), at(now));
                    read += 1;
                }
            }
            numbers.settle(at(now), &Horizon::SERIAL);
        }
        assert_eq!(read, rows.len());
    }

    #[test]
    fn a_transaction_that_began_after_the_newest_that_has_ended_is_waited_for() {
        // The second number's transaction began first, and is the only one that has ended.
        let (rows, led) = ([(1, 2000, 600_000), (2, 3000, 4000)], [0, 2000]);
        let (mut numbers, mut reads) = (ReadNumbers::default(), HashMap::new());
        numbers.start_after(0);
        for now in (4000..700_000).step_by(1000) {
            poll(&mut numbers, (&rows, &led), now, &mut reads);
        }
        assert_eq!(reads, HashMap::from([(1, 1), (2, 1)]));
        assert!(numbers.gaps.is_empty());
    }

    #[test]
    fn many_gaps_are_bounded_and_lose_no_number() {
        let late = 3000;
        let rows: Vec<_> =
            (1..=1000).map(|number| (number, 0, if number % 2 == 0 { 0 } else { late })).collect();
        let (mut numbers, mut reads) = (ReadNumbers::default(), HashMap::new());
        numbers.start_after(0);
        for now in [1000, 2000, late, 60_000] {
            poll(&mut numbers, (&rows, &[]), now, &mut reads);
            assert!(numbers.gaps.len() <= MAX_GAPS);
        }
        assert_eq!(reads.len(), rows.len());
        assert_eq!(numbers.unread(&Horizon::SERIAL), [1001..=i64::MAX], "gaps are given up");
    }

    #[test]
    fn the_nearest_gaps_become_one() {
        let mut numbers = ReadNumbers::default();
        numbers.start_after(0);
        // Each gap is one number; two of them have one row between them, the others a thousand.
        let gaps = (1..=64).map(|gap| gap * 1000).chain([40_002]);
        let mut gaps: Vec<i64> = gaps.collect();
        gaps.sort_unstable();
        let mut first = 1;
        for gap in gaps {
            numbers.note(first..=gap - 1, at(0), at(0));
            first = gap + 1;
        }
        numbers.note(first..=first, at(0), at(0));
        let unread = numbers.unread(&Horizon::SERIAL);
        assert_eq!(unread.len(), MAX_GAPS + 1);
        assert!(unread.contains(&(40_000..=40_002)), "{unread:?}");
    }

    #[test]
    fn one_writer_at_a_time_leaves_no_gap() {
        let mut numbers = ReadNumbers::default();
        assert!(numbers.begins(Horizon::SERIAL.server));
        numbers.start_after(0);
        numbers.note(5..=5, at(0), at(0));
        assert_eq!(numbers.unread(&Horizon::SERIAL), [6..=i64::MAX]);
    }

    #[test]
    fn another_server_is_read_from_the_start() {
        let mut numbers = ReadNumbers::default();
        assert!(numbers.begins(1));
        numbers.start_after(7);
        numbers.start_after(3);
        assert_eq!(numbers.newest(), Some(7), "the first one to start has");
        assert!(!numbers.begins(1));
        numbers.note(9..=9, at(0), at(0));
        assert!(numbers.begins(2), "it may count on from 8");
        numbers.start_after(0);
        assert_eq!(numbers.unread(&Horizon { server: 2, ..Horizon::SERIAL }), [1..=i64::MAX]);
    }
}

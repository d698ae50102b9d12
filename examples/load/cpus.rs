//! Keeps this tool off the server's CPUs.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::Result;

/// Leaves these CPUs to the server, unless no other CPU is left for this process. Threads and processes that it starts
/// later do the same.
///
/// # Errors
/// `cpus` is not a list as `taskset` reads it, or the system refuses.
pub fn leave(cpus: &str) -> Result<()> {
    let mut own = sched_getaffinity(None)?;
    for cpu in parse(cpus).ok_or_else(|| format!("{cpus} is not a list of CPUs, such as 0,2-3"))? {
        own.unset(cpu);
    }
    if own.count() > 0 {
        sched_setaffinity(None, &own)?;
    }
    Ok(())
}

/// Parses `0,2-3`.
fn parse(list: &str) -> Option<Vec<usize>> {
    let cpu = |text: &str| text.parse().ok().filter(|cpu| *cpu < CpuSet::MAX_CPU);
    let ranges = list.split(',').map(|range| {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        Some(cpu(from)?..=cpu(to)?)
    });
    Some(ranges.collect::<Option<Vec<_>>>()?.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_list_of_cpus_has_numbers_and_ranges() {
        assert_eq!(parse("0"), Some(vec![0]));
        assert_eq!(parse("0,2-4"), Some(vec![0, 2, 3, 4]));
        assert_eq!(parse("0,x"), None);
        assert_eq!(parse("9999999"), None);
        assert_eq!(parse(""), None);
    }
}

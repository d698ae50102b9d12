//! What processes have used, as `/proc` says.

use std::fs;
use std::time::Duration;

/// The unit of CPU time in `/proc/PID/stat`: `USER_HZ`, which Linux has kept at 100 everywhere.
const TICK: Duration = Duration::from_millis(10);

/// The resources that a process has used.
#[derive(Clone, Copy)]
pub struct Usage {
    pub cpu: Duration,
    /// Resident memory in kB.
    pub rss: f64,
}

pub fn usage_of(pid: u32) -> Option<Usage> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(Usage { cpu: cpu_of(&pid.to_string())?, rss: rss.trim().trim_end_matches(" kB").parse().ok()? })
}

/// The user and system CPU time of a process (`self` is this one).
pub fn cpu_of(process: &str) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // `proc_pid_stat(5)`: the name is in parentheses and may hold anything. Fields 14 and 15 are the twelfth and
    // thirteenth after it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let [user, system] = [11, 12].map(|field| fields.get(field)?.parse::<u32>().ok());
    Some(TICK * (user? + system?))
}

/// The CPU time of a process's threads, in ns in the first field of each `schedstat`: the ticks of [`cpu_of`] are too coarse
/// for a process that is almost idle. A thread that ended takes its share with it.
pub fn fine_cpu_of(pid: u32) -> Option<Duration> {
    let mut total = Duration::ZERO;
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        // A thread can end meanwhile.
        if let Ok(text) = fs::read_to_string(task.ok()?.path().join("schedstat")) {
            total += Duration::from_nanos(text.split(' ').next()?.parse().ok()?);
        }
    }
    Some(total)
}

/// The proportional memory of a process in kB. Other than `VmRSS`, it is exact to the page.
pub fn pss_of(pid: u32) -> Option<f64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let pss = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    pss.trim().trim_end_matches(" kB").parse().ok()
}

/// CPU time of the whole machine: the first eight fields of `cpu` in `proc_stat(5)`, except idle and iowait.
pub fn machine_cpu() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let fields: Vec<u32> =
        stat.lines().next()?.split_ascii_whitespace().skip(1).map_while(|field| field.parse().ok()).collect();
    let [user, nice, system, _, _, irq, softirq, steal, ..] = fields[..] else { return None };
    Some(TICK * (user + nice + system + irq + softirq + steal))
}

/// How many files a process has open.
pub fn files_of(pid: u32) -> Option<usize> {
    Some(fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count())
}

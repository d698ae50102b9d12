//! The process itself, under the names that all programs give these:
//! <https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>.

use std::fs;

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::Registry;
use crate::clock::Clock;

pub(super) fn register(registry: &mut Registry) {
    registry.readings("doorward_build_info", "1, with the version as a label.", Some("version"), || {
        vec![(env!("CARGO_PKG_VERSION"), 1.0)]
    });
    let started = started();
    registry.readings(
        "process_start_time_seconds",
        "When the process started, in seconds since 1970.",
        None,
        move || known(started),
    );
    registry.readings("process_cpu_seconds_total", "CPU time that was used, in seconds.", None, || {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        known(Some(seconds(time.tv_sec, 1.0) + seconds(time.tv_nsec, 1e9)))
    });
    registry.readings("process_resident_memory_bytes", "Memory that is in use, in bytes.", None, || {
        known(resident())
    });
    registry.readings("process_open_fds", "Open files and sockets.", None, || {
        let open = fs::read_dir("/proc/self/fd").ok();
        // Reading the directory opens it.
        known(open.map(|files| count(files.count().saturating_sub(1))))
    });
    registry.readings("process_max_fds", "How many of them there may be.", None, || {
        known(getrlimit(Resource::Nofile).current.map(wide))
    });
}

/// None where the system does not tell.
fn known(value: Option<f64>) -> Vec<(&'static str, f64)> {
    value.map(|value| ("", value)).into_iter().collect()
}

/// Ticks of the times in /proc, in a second: so it is on Linux, whatever the kernel's own clock is.
const TICKS: f64 = 100.0;

fn started() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // After the name, which may hold anything: the state is field 3, and the start field 22.
    let ticks: i64 = stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()?;
    let up = clock_gettime(ClockId::Boottime);
    let up = seconds(up.tv_sec, 1.0) + seconds(up.tv_nsec, 1e9);
    let now = seconds(Clock::System.now().and_utc().timestamp_millis(), 1000.0);
    Some(now - up + seconds(ticks, TICKS))
}

fn resident() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(wide(kibibytes * 1024))
}

#[expect(clippy::cast_precision_loss, reason = "a reading that is shown")]
fn seconds(number: i64, per_second: f64) -> f64 {
    number as f64 / per_second
}

#[expect(clippy::cast_precision_loss, reason = "a reading that is shown")]
fn wide(number: u64) -> f64 {
    number as f64
}

/// A count as a reading.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a reading that is shown")]
pub fn count(number: usize) -> f64 {
    number as f64
}

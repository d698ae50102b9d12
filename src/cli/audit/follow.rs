//! `doorward audit --follow`: shows rows as they are written.

use std::collections::HashMap;
use std::io::{ErrorKind, Write};
use std::time::Duration;

use chrono::TimeDelta;

use crate::accounts::{Accounts, AuditFilter, StoredEvent};
use crate::clock::Clock;

use super::super::failure::Failure;
use super::super::output::{self, Format};
use super::rows::Rows;

const PACE: Duration = Duration::from_secs(1);

/// How far back each query looks: a row may become visible after a later one, and failures are added to a row for a
/// minute.
const BACK: TimeDelta = TimeDelta::seconds(90);

/// Rows that one query reads.
const MOST: i64 = 5000;

/// Shows the newest `limit` rows and then each new one, and each to which failures are added. Ends when nothing reads it
/// any more.
pub(super) async fn run(
    accounts: &Accounts,
    filter: AuditFilter,
    limit: u32,
    format: &Format,
) -> Result<(), Failure> {
    // Before the newest are listed: what is written in between is among those.
    let (recent, _) = accounts.audit_events_with_names(window(&filter), MOST).await?;
    let mut shown: HashMap<String, i32> = recent.into_iter().map(|event| (event.id, event.count)).collect();
    let (newest, names) = accounts.audit_events_with_names(filter.clone(), limit.into()).await?;
    let mut is_read = show(&newest, &Rows(&names), format)?;
    shown.extend(newest.into_iter().map(|event| (event.id, event.count)));
    while is_read {
        Clock::System.sleep(PACE).await;
        let (events, names) = accounts.audit_events_with_names(window(&filter), MOST).await?;
        let is_new = |event: &&StoredEvent| shown.get(&event.id) != Some(&event.count);
        let new: Vec<_> = events.iter().filter(is_new).cloned().collect();
        is_read = show(&new, &Rows(&names), format)?;
        // Older ones are not read again.
        shown = events.into_iter().map(|event| (event.id, event.count)).collect();
    }
    Ok(())
}

/// The rows that may be new.
fn window(filter: &AuditFilter) -> AuditFilter {
    let oldest = Clock::System.now() - BACK;
    let since = filter.since.map_or(oldest, |since| since.max(oldest));
    AuditFilter { since: Some(since), ..filter.clone() }
}

/// Shows rows, which are ordered from the newest on, in the order of time. Returns false if nothing reads them any more.
fn show(events: &[StoredEvent], rows: &Rows<'_>, format: &Format) -> Result<bool, Failure> {
    for event in events.iter().rev() {
        let line = if format.json { json_line(event)? } else { rows.line(event) };
        if !write(&line)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn json_line(event: &StoredEvent) -> Result<String, Failure> {
    let json = serde_json::to_string(event).map_err(Failure::running)?;
    Ok(output::escape_json(&json) + "\n")
}

/// Returns false if nothing reads it any more.
fn write(line: &str) -> Result<bool, Failure> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(output::escape_line(line).as_bytes()).and_then(|()| out.flush());
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::running(error)),
    }
}

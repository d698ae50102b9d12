//! The audit trail as an operator reads it.

use std::collections::HashMap;

use crate::accounts::{GroupBy, StoredEvent, Summary};
use crate::clock::Timestamp;

use super::super::output;

/// Shows rows with the usernames of their accounts, by id.
pub(super) struct Rows<'a>(pub &'a HashMap<String, String>);

impl Rows<'_> {
    pub fn table(&self, events: &[StoredEvent]) -> String {
        let header = ["time", "action", "outcome", "reason", "times", "user", "by", "address"];
        output::table(header, events.iter().map(|event| self.cells(event)))
    }

    /// The same in a line of its own, for what is not known to its end. The place of a word tells its column.
    pub fn line(&self, event: &StoredEvent) -> String {
        let cells = self.cells(event);
        let cells = cells.iter().map(|cell| if cell.is_empty() { "-" } else { cell });
        cells.collect::<Vec<_>>().join("  ") + "\n"
    }

    fn cells(&self, event: &StoredEvent) -> [String; 8] {
        [
            time(event.at),
            event.action.clone(),
            event.outcome.clone(),
            event.reason.clone().unwrap_or_default(),
            if event.count > 1 { format!("{}x", event.count) } else { String::new() },
            event.subject.as_deref().map(|id| self.name(id)).unwrap_or_default(),
            self.actor(event),
            event.ip.clone().unwrap_or_default(),
        ]
    }

    fn name(&self, id: &str) -> String {
        self.0.get(id).map_or(id, String::as_str).to_owned()
    }

    /// Who did it: nothing for the user, and for a client that is not signed in.
    fn actor(&self, event: &StoredEvent) -> String {
        match (event.actor.as_deref(), event.actor_id.as_deref()) {
            (None, None) => String::new(),
            (None, id) if id == event.subject.as_deref() => String::new(),
            (None, Some(id)) => self.name(id),
            (Some(kind), Some(id)) => format!("{kind} {id}"),
            (Some(kind), None) => kind.to_owned(),
        }
    }
}

fn time(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Counts of events by what they have in common.
pub(super) fn summary_table(by: GroupBy, groups: &[Summary], names: &HashMap<String, String>) -> String {
    let name = |group: &Summary| match group.name.as_deref() {
        Some(name) => names.get(name).map_or(name, String::as_str).to_owned(),
        None => "-".to_owned(),
    };
    let times = |group: &Summary| [time(group.first_at), time(group.last_at)];
    if by == GroupBy::Address {
        return output::table(
            ["address", "events", "accounts", "unknown names", "first", "last"],
            groups.iter().map(|group| {
                let [first, last] = times(group);
                let counts = [group.events, group.accounts, group.unknown_names].map(|n| n.to_string());
                let [events, accounts, unknown] = counts;
                [name(group), events, accounts, unknown, first, last]
            }),
        );
    }
    let header = match by {
        GroupBy::User => "user",
        GroupBy::Action => "action",
        GroupBy::Address | GroupBy::Reason => "reason",
    };
    output::table(
        [header, "events", "addresses", "first", "last"],
        groups.iter().map(|group| {
            let [first, last] = times(group);
            [name(group), group.events.to_string(), group.addresses.to_string(), first, last]
        }),
    )
}

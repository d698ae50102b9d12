//! Tables whose sections the operator names: `rooms.KIND.OPTION`.

use std::collections::BTreeSet;

use super::keys::{Key, TABLES, Table, find};
use super::value::Values;

/// Whether keys of a table begin with this, which ends in a dot.
pub(super) fn is_section(text: &str) -> bool {
    TABLES.iter().any(|table| {
        table
            .strip(text)
            .is_some_and(|rest| rest.is_empty() || rest.strip_suffix('.').is_some_and(table.is_section))
    })
}

/// The sections of the table `name` that the values name.
pub(super) fn sections(name: &str, values: &Values) -> BTreeSet<&'static str> {
    let named = values.keys().filter_map(|key| key.strip_prefix(name)?.strip_prefix('.')?.split_once('.'));
    named.map(|(section, _)| section).collect()
}

/// The keys of all sections that the values name, also those that are not set.
pub(super) fn keys(values: &Values) -> Vec<&'static Key> {
    let mut all = Vec::new();
    for Table { name, keys, .. } in TABLES {
        for section in sections(name, values) {
            all.extend(keys.iter().filter_map(|key| find(&format!("{name}.{section}.{}", key.name))));
        }
    }
    all
}

//! Keys of tables whose sections the operator names: `rooms.KIND.OPTION`.

use std::collections::BTreeSet;

use super::keys::{Key, ROOM_KEYS, ROOMS, find};
use super::value::Values;
use doorward_core::rooms::KindName;

/// Whether keys of such a table begin with this, which ends in a dot.
pub(super) fn is_section(section: &str) -> bool {
    let Some(rest) = section.strip_prefix(ROOMS).and_then(|rest| rest.strip_prefix('.')) else {
        return false;
    };
    rest.is_empty() || rest.strip_suffix('.').is_some_and(|kind| KindName::parse(kind).is_some())
}

/// The kinds of rooms that the values name.
pub(super) fn kinds(values: &Values) -> BTreeSet<&'static str> {
    let names = values.keys().filter_map(|name| name.strip_prefix(ROOMS)?.strip_prefix('.')?.split_once('.'));
    names.map(|(kind, _)| kind).collect()
}

/// The keys of all kinds that the values name, also those that are not set.
pub(super) fn keys(values: &Values) -> Vec<&'static Key> {
    let kinds = kinds(values).into_iter();
    kinds
        .flat_map(|kind| {
            ROOM_KEYS.iter().filter_map(move |key| find(&format!("{ROOMS}.{kind}.{}", key.name)))
        })
        .collect()
}

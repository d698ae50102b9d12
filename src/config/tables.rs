//! Keys of tables whose sections the operator names: `rooms.KIND.OPTION`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use super::keys::{Fallback, Key};
use super::value::Values;
use doorward_core::rooms::KindName;

/// The section of the kinds of rooms.
pub(super) const ROOMS: &str = "rooms";

const POLICY: &str = "app, or who may: anyone, own, role:NAME or joined, as a list or separated by commas";

const fn key(name: &'static str, default: &'static str, expected: &'static str) -> Key {
    Key { name, fallback: Fallback::Fixed(default), expected, secret: false }
}

/// The options of a kind of rooms.
pub const ROOM_KEYS: &[Key] = &[
    key("join", "app", "app, or who may: anyone, own or role:NAME, as a list or separated by commas"),
    key("send", "app", POLICY),
    key("max_joined", "100000", "a number from 1 to 10000000"),
    key("max_data", "16KiB", "a size from 16B to 1MiB, such as 16KiB"),
    key("rate", "10/1s", "off, or a count from 1 to 1000000 and a duration from 1s to 30d, such as 10/1s"),
    key("burst", "30", "a number from 1 to 1000000"),
    key("lossy", "false", "true or false"),
];

/// The key of this name in such a table.
///
/// A key is made at its first use and kept for good: its name is in every error and in every list of settings. Only an
/// operator's configuration makes any, and a process reads that once.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    static MADE: Mutex<BTreeMap<String, &'static Key>> = Mutex::new(BTreeMap::new());
    let (kind, option) = name.strip_prefix(ROOMS)?.strip_prefix('.')?.split_once('.')?;
    let option = ROOM_KEYS.iter().find(|key| key.name == option)?;
    KindName::parse(kind)?;
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let make = || &*Box::leak(Box::new(Key { name: Box::leak(name.into()), ..*option }));
    Some(made.entry(name.to_owned()).or_insert_with(make))
}

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

//! Lists in pages: `limit` entries, and where the next page begins.

/// Entries of a page, unless `limit` says otherwise, and at most.
const PAGE: u16 = 100;
const MAX_PAGE: u16 = 500;

/// How many entries a page has.
pub(super) fn limit(asked: Option<u16>) -> usize {
    asked.unwrap_or(PAGE).clamp(1, MAX_PAGE).into()
}

/// How many to read: one more says whether there is a next page.
pub(super) fn one_more(limit: usize) -> i64 {
    i64::try_from(limit + 1).unwrap_or(i64::MAX)
}

/// The page, and the key of its last entry if another page follows.
pub(super) fn cut<T, K>(mut entries: Vec<T>, limit: usize, key: impl Fn(&T) -> K) -> (Vec<T>, Option<K>) {
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| more).map(key);
    (entries, next)
}

//! How often the mail server has refused an email for good.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// A server that says "never" is asked again all the same: many say so while they are being set up.
const LIMIT: u32 = 3;
/// Emails whose refusals are counted. Past it, all counts start over, and emails are tried more often.
const MAX_COUNTED: usize = 10_000;

/// Counts of permanent refusals, by the email's id. Attempts that failed for another reason do not count. The counts are
/// not stored: each process asks [`LIMIT`] times.
#[derive(Default)]
pub(super) struct Refusals(Mutex<HashMap<String, u32>>);

impl Refusals {
    /// Counts a refusal. Returns whether it is time to believe the server.
    pub fn add(&self, id: &str) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= MAX_COUNTED {
            counts.clear();
        }
        let count = counts.entry(id.to_owned()).or_default();
        *count += 1;
        *count >= LIMIT
    }

    pub fn forget(&self, id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_refusal_is_believed() {
        let refusals = Refusals::default();
        assert_eq!([refusals.add("a"), refusals.add("b"), refusals.add("a")], [false; 3]);
        assert!(refusals.add("a"));
        refusals.forget("a");
        assert!(!refusals.add("a"));
    }

    #[test]
    fn the_number_of_counts_is_bounded() {
        let refusals = Refusals::default();
        for id in 0..=MAX_COUNTED {
            refusals.add(&id.to_string());
        }
        assert_eq!(refusals.0.lock().unwrap().len(), 1);
    }
}

//! What breaks a rule today, and why. An entry that is no longer needed fails the test: these lists only shrink.

use std::path::Path;

use crate::imports::Import;

/// Imports of one file from another.
pub struct Exception {
    pub from: &'static str,
    pub to: &'static str,
    pub reason: &'static str,
}

impl Exception {
    pub fn covers(&self, import: &Import) -> bool {
        import.from == Path::new(self.from) && import.to == Path::new(self.to)
    }

    /// Complaints about exceptions that no import needs.
    pub fn not_needed(exceptions: &[Self], needed: &[bool], list: &str) -> Vec<String> {
        let idle = exceptions.iter().zip(needed).filter(|(_, needed)| !**needed);
        idle.map(|(exception, _)| {
            format!(
                "{} no longer breaks the rule with an import from {} ({}).\n  Delete the entry in {list} in \
                 tests/architecture/exceptions.rs.",
                exception.from, exception.to, exception.reason
            )
        })
        .collect()
    }
}

/// A file or function that is too long.
pub struct Long {
    pub file: &'static str,
    /// `None` for the file itself.
    pub function: Option<&'static str>,
    pub reason: &'static str,
}

impl Long {
    pub fn covers(&self, file: &Path, function: Option<&str>) -> bool {
        file == Path::new(self.file) && function == self.function
    }
}

/// A file that uses a word kept to others.
pub struct Word {
    pub file: &'static str,
    pub reason: &'static str,
}

#[rustfmt::skip]
pub const REVERSED: &[Exception] = &[
];

#[rustfmt::skip]
pub const CIRCLES: &[Exception] = &[
];

#[rustfmt::skip]
pub const LONG: &[Long] = &[
    Long { file: "tests/it/migrate_refusals.rs", function: Some("odd_rows_are_moved_as_they_are_or_named"), reason: "one story, told in order" },
    Long { file: "tests/it/migrate_database.rs", function: Some("a_grown_database_moves_and_every_login_stays_active"), reason: "one story, told in order" },
    Long { file: "tests/it/accounts.rs", function: Some("a_user_registers_signs_in_refreshes_and_deletes_the_account"), reason: "one story, told in order" },
    Long { file: "src/config/value_tests.rs", function: Some("a_value_of_another_kind_or_unit_is_refused_with_a_suggestion"), reason: "one story, told in order" },
    Long { file: "examples/load/rolling.rs", function: Some("run"), reason: "one scenario, told in order" },
    Long { file: "src/config/parse.rs", function: Some("config"), reason: "one line for each key" },
    Long { file: "src/error.rs", function: Some("from"), reason: "the one mapping of errors, an arm for each" },

    Long { file: "tests/it/balancer.rs", function: Some("serves"), reason: "one story, told in order" },
    Long { file: "tests/it/cluster_faults.rs", function: Some("postgres_is_restarted_under_load_and_nothing_acknowledged_is_lost"), reason: "one story, told in order" },
    Long { file: "tests/it/fuzz.rs", function: Some("request"), reason: "a table of what a request can be" },
    Long { file: "tests/it/import_bounds.rs", function: Some("of_a_database_only_tables_are_read"), reason: "one story, told in order" },
    Long { file: "tests/it/long_lists.rs", function: Some("the_dashboard_shows_long_lists_in_parts"), reason: "one story, told in order" },
    Long { file: "tests/it/readme.rs", function: Some("the_walk_does_what_it_says"), reason: "one story, told in order" },
];

#[rustfmt::skip]
pub const ADDRESSES: &[Word] = &[
];

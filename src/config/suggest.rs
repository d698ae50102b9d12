//! A command to suggest, which works on the same data as the server.

use std::path::{Path, absolute};

use super::{Config, DatabaseUrl};

/// The default of `data_dir`.
const USUAL: &str = "./data";

impl Config {
    /// How to run this command of the program on the server's data, as far as it can be told in a line: with the data
    /// directory if it is not the usual one. None if the database is elsewhere, whose address may have a password.
    #[must_use]
    pub fn suggest(&self, command: &str) -> Option<String> {
        let inside = DatabaseUrl::Sqlite(self.data_dir.join("doorward.db").display().to_string());
        if self.database.url != inside {
            return None;
        }
        if self.data_dir == Path::new(USUAL) {
            return Some(format!("doorward {command}"));
        }
        let directory = absolute(&self.data_dir).unwrap_or_else(|_| self.data_dir.clone());
        Some(format!("doorward {command} --data-dir {}", quoted(&directory.display().to_string())))
    }
}

/// As a shell takes it for one word.
fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+@%:,".contains(&byte);
    if text.bytes().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suggested(pairs: &[(&str, &str)]) -> Option<String> {
        Config::from_pairs(pairs.iter().copied()).unwrap().suggest("user list")
    }

    #[test]
    fn a_command_is_for_the_servers_own_data() {
        assert_eq!(suggested(&[]).as_deref(), Some("doorward user list"));
        let other = |path| suggested(&[("data_dir", path)]);
        assert_eq!(other("/srv/it").as_deref(), Some("doorward user list --data-dir /srv/it"));
        let odd = "doorward user list --data-dir '/srv/Ann'\\''s data'";
        assert_eq!(other("/srv/Ann's data").as_deref(), Some(odd));
        // Neither with a password, nor in part.
        assert_eq!(suggested(&[("database.url", "postgres://ann:hunter2@db/doorward")]), None);
        assert_eq!(suggested(&[("database.url", "sqlite:/elsewhere.db")]), None);
    }
}

//! Users who have written, so that they can be answered by name.

use std::collections::BTreeMap;

use doorward_core::domain::{UserId, is_display_control};

/// Users that are remembered.
const MOST: usize = 1000;

/// Characters of an id: more than a username has.
const ID_LENGTH: usize = 36;

/// Users who have written, by name.
#[derive(Debug, Default)]
pub struct Names {
    ids: BTreeMap<String, String>,
}

impl Names {
    /// Remembers who has written. A name that another user has now means that user.
    pub fn add(&mut self, id: &str, username: &str) {
        if is_typable(username) && (self.ids.len() < MOST || self.ids.contains_key(username)) {
            self.ids.insert(username.to_owned(), id.to_owned());
        }
    }

    /// The usernames.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.ids.keys().map(String::as_str)
    }

    /// The id of a user who is named by it, or by the username.
    pub fn id_of(&self, user: &str) -> Option<String> {
        // With its hyphens: without them, it may be a username.
        if user.len() == ID_LENGTH
            && let Ok(id) = user.parse::<UserId>()
        {
            return Some(id.to_string());
        }
        self.ids.get(user).cloned()
    }
}

/// Whether what a server has sent may be put into a line that is edited: it is one word, and nothing that a terminal obeys.
pub fn is_typable(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || is_display_control(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_the_newest_counts() {
        let mut names = Names::default();
        for number in 0..2 * MOST {
            names.add(&number.to_string(), &format!("user{number}"));
        }
        assert_eq!(names.ids.len(), MOST);
        names.add("new", "user1");
        assert_eq!(names.id_of("user1").as_deref(), Some("new"));
        assert_eq!(names.id_of("unknown"), None);
        let id = "0190f3c4-5d6e-7f80-91a2-b3c4d5e6f708";
        assert_eq!(names.id_of(&id.to_uppercase()).as_deref(), Some(id));
    }

    #[test]
    fn an_id_without_its_hyphens_is_a_username() {
        let mut names = Names::default();
        let name = "0190f3c45d6e7f8091a2b3c4d5e6f708";
        assert_eq!(names.id_of(name), None);
        names.add("its id", name);
        assert_eq!(names.id_of(name).as_deref(), Some("its id"));
    }
}

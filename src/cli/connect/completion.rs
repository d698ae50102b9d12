//! What Tab completes: commands, the rooms that are joined, and the names of users who have written.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use doorward_core::domain::UserId;

use super::command::{TAKE_A_NAME, WORDS};

/// Users that are remembered.
const MOST: usize = 1000;

/// Users who have written, by name.
#[derive(Debug, Default)]
pub struct Names {
    ids: BTreeMap<String, String>,
}

impl Names {
    /// Remembers who has written. A name that another user has now means that user.
    pub fn add(&mut self, id: &str, username: &str) {
        // What a server says is typed into a line and shown: a username has no space in it, nor what a terminal obeys.
        let is_name =
            !username.is_empty() && !username.contains(|c: char| c.is_whitespace() || c.is_control());
        if is_name && (self.ids.len() < MOST || self.ids.contains_key(username)) {
            self.ids.insert(username.to_owned(), id.to_owned());
        }
    }

    /// The id of a user who is named by it, or by the username.
    pub fn id_of(&self, user: &str) -> Option<String> {
        if let Ok(id) = user.parse::<UserId>() {
            return Some(id.to_string());
        }
        self.ids.get(user).cloned()
    }
}

#[derive(Default)]
struct Known {
    rooms: Vec<String>,
    names: Vec<String>,
}

/// Shared with the line editor, which is on a thread of its own. Cheap to clone.
#[derive(Clone, Default)]
pub struct Completion(Arc<Mutex<Known>>);

impl Completion {
    /// The rooms that are joined now.
    pub fn set_rooms<'a>(&self, rooms: impl Iterator<Item = &'a str>) {
        self.known().rooms = rooms.map(str::to_owned).collect();
    }

    /// The users who can be told something.
    pub fn set_names(&self, names: &Names) {
        self.known().names = names.ids.keys().cloned().collect();
    }

    /// Where the word begins that is completed, and what it may become.
    pub fn of(&self, typed: &str) -> (usize, Vec<String>) {
        let begin_with = |words: &[String], start: &str| {
            words.iter().filter(|word| word.starts_with(start)).map(|word| format!("{word} ")).collect()
        };
        let Some((word, start)) = typed.split_once(' ') else {
            let words = WORDS.iter().filter(|word| word.starts_with(typed));
            let space = |word: &str| if TAKE_A_NAME.contains(&word) { " " } else { "" };
            return (0, words.map(|word| format!("{word}{}", space(word))).collect());
        };
        let known = self.known();
        let words = match word {
            "say" => begin_with(&known.rooms, start),
            "leave" => known.rooms.iter().filter(|room| room.starts_with(start)).cloned().collect(),
            "tell" => begin_with(&known.names, start),
            _ => Vec::new(),
        };
        (word.len() + 1, words)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_rooms_and_names_are_completed() {
        let completion = Completion::default();
        completion.set_rooms(["chat:lobby", "chat:news", "staff:all"].into_iter());
        let mut names = Names::default();
        names.add("1", "bob");
        names.add("2", "b\x1b[2J");
        names.add("3", "");
        completion.set_names(&names);
        let of = |typed: &str| completion.of(typed);
        assert_eq!(of("sec"), (0, vec!["secret".to_owned()]));
        assert_eq!(of("jo"), (0, vec!["join ".to_owned()]));
        assert_eq!(of("say chat:l"), (4, vec!["chat:lobby ".to_owned()]));
        assert_eq!(of("leave s"), (6, vec!["staff:all".to_owned()]));
        assert_eq!(of("tell "), (5, vec!["bob ".to_owned()]));
        assert_eq!(of("ping x").1, Vec::<String>::new());
        assert_eq!(of("say chat:lobby t").1, Vec::<String>::new());
    }

    #[test]
    fn names_are_bounded_and_the_newest_counts() {
        let mut names = Names::default();
        for number in 0..2 * MOST {
            names.add(&number.to_string(), &format!("user{number}"));
        }
        assert_eq!(names.ids.len(), MOST);
        names.add("new", "user1");
        assert_eq!(names.id_of("user1").as_deref(), Some("new"));
        assert_eq!(names.id_of("nobody"), None);
        let id = "0190f3c4-5d6e-7f80-91a2-b3c4d5e6f708";
        assert_eq!(names.id_of(&id.to_uppercase()).as_deref(), Some(id));
    }
}

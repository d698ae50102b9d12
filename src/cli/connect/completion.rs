//! What Tab completes: commands, the rooms that are joined, and the names of users who have written.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::command::{TAKE_A_NAME, WORDS};
use super::names::{Names, is_typable};

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
        self.known().rooms = rooms.filter(|room| is_typable(room)).map(str::to_owned).collect();
    }

    /// The users who can be told something.
    pub fn set_names(&self, names: &Names) {
        self.known().names = names.all().map(str::to_owned).collect();
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
        completion.set_rooms(
            ["chat:lobby", "chat:l\u{202e}", "chat:l\x1b[2J", "chat:news", "staff:all"].into_iter(),
        );
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
}

//! The initials of a name, for a picture of a person who has none.

use super::characters::{ZWJ, is_alphanumeric, is_invisible, is_mark};

/// The first letters of the first and the last word, in upper case; one letter of a single word.
#[must_use]
pub fn initials(name: &str) -> String {
    let mut words = name.split_whitespace();
    let first = words.next().map(initial).unwrap_or_default();
    match words.next_back() {
        Some(last) => first + &initial(last),
        None => first,
    }
}

/// The first letter or digit of a word with the marks on it; of a word that has neither, its first character.
fn initial(word: &str) -> String {
    let word = word.find(is_alphanumeric).map_or(word, |start| &word[start..]);
    let mut rest = word.chars();
    let Some(base) = rest.next() else { return String::new() };
    let mut initial = upper(base);
    let mut joined = false;
    for c in rest {
        // What a reader takes for one character (UAX 29): marks, joined emoji, skin colors, flags.
        let is_flag = is_regional(base) && is_regional(c) && initial.chars().count() == 1;
        if !(joined || is_mark(c) || is_invisible(c) || is_skin_color(c) || is_flag) {
            break;
        }
        joined = c == ZWJ;
        initial.push(c);
    }
    initial
}

/// A letter that has no single upper-case letter stays as it is.
fn upper(c: char) -> String {
    let upper: String = c.to_uppercase().collect();
    if upper.chars().count() == 1 { upper } else { c.to_string() }
}

fn is_skin_color(c: char) -> bool {
    matches!(c, '\u{1f3fb}'..='\u{1f3ff}')
}

fn is_regional(c: char) -> bool {
    matches!(c, '\u{1f1e6}'..='\u{1f1ff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_and_the_last_word_count() {
        for (name, letters) in [
            ("Ada Lovelace", "AL"),
            ("ada", "A"),
            ("Ada Augusta King Lovelace", "AL"),
            ("  jean-luc   picard ", "JP"),
            ("Ada (Countess)", "AC"),
            ("élodie", "É"),
            ("e\u{301}lodie \u{df}t", "E\u{301}\u{df}"),
            ("山田 太郎", "山太"),
            ("नीता", "नी"),
            ("أحمد علي", "أع"),
            ("42", "4"),
            ("_", "_"),
            ("👩🏽‍🚀 Ada", "👩🏽‍🚀A"),
            ("🇩🇪🇫🇷", "🇩🇪"),
            ("", ""),
        ] {
            assert_eq!(initials(name), letters, "{name}");
        }
    }

    proptest! {
        #[test]
        fn every_name_that_is_not_blank_has_initials(name in any::<String>()) {
            prop_assert_eq!(initials(&name).is_empty(), name.trim().is_empty());
        }
    }
}

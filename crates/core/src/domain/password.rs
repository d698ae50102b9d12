//! A plain-text password, and whether it is strong enough to be chosen.

use std::fmt;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};
use zxcvbn::{Score, zxcvbn};

use super::{Invalid, WeakPassword};

/// In characters. NIST SP 800-63B section 5.1.1.2 asks for at least 64; an upper bound keeps the work
/// bounded.
const MAX_LENGTH: usize = 256;

/// Characters that are rated. What follows them only makes a password longer, so the rating is never too
/// good.
const JUDGED: usize = 64;

/// A bound on zxcvbn's work: parts of the password times the ways to read its digits and signs as letters.
/// zxcvbn tries each way on each part, and a text with all of those characters has hundreds: 100 characters
/// would take a second. This much takes 20 ms at worst.
const WORK: usize = 40_000;

/// A shorter name occurs within too many good passwords; zxcvbn still takes it into account.
const SHORTEST_NAME: usize = 4;

/// What a user typed, in the normal form NFKC (NIST SP 800-63B section 5.1.1.2): keyboards and systems send
/// one password as different bytes. `Debug` hides it and there is no `Display`, so that it never reaches a
/// log.
#[derive(Clone, PartialEq, Eq)]
pub struct Password {
    normal: String,
    /// The characters as they were sent, if they differ: hashes of earlier versions and of other systems were
    /// made from them.
    typed: Option<String>,
}

impl Password {
    /// A password typed to sign in. Not rated: a wrong password is wrong at any length.
    #[must_use]
    pub fn typed(text: String) -> Self {
        if is_nfkc_quick(text.chars()) == IsNormalized::Yes {
            return Self { normal: text, typed: None };
        }
        let normal: String = text.nfkc().collect();
        let typed = (normal != text).then_some(text);
        Self { normal, typed }
    }

    /// A new password, of a length within bounds, counted in its normal form. Nothing is trimmed, and no kind
    /// of character is required (NIST SP 800-63B section 5.1.1.2). [`Password::rate`] comes next.
    ///
    /// # Errors
    /// `invalid_password`, with the bound. `min_length` is in characters.
    pub fn chosen(text: String, min_length: usize) -> Result<Self, Invalid> {
        let password = Self::typed(text);
        let length = password.normal.chars().take(MAX_LENGTH + 1).count();
        if length < min_length {
            let detail = format!("A password needs at least {min_length} characters.");
            return Err(Invalid::new("password", detail).because("too_short").naming("min", &min_length));
        }
        if length > MAX_LENGTH {
            let detail = format!("A password can have at most {MAX_LENGTH} characters.");
            return Err(Invalid::new("password", detail).because("too_long").naming("max", &MAX_LENGTH));
        }
        Ok(password)
    }

    /// The characters as they were typed, unless that is the normal form. For hashes that were made from
    /// them.
    #[must_use]
    pub fn as_typed(&self) -> Option<Self> {
        self.typed.clone().map(|text| Self { normal: text, typed: None })
    }

    /// How easy the password is to guess, above all for someone who knows `about`: the username and the address of its
    /// owner. Takes milliseconds, so it must not run on a thread that serves others.
    #[must_use]
    pub fn rate(&self, about: &[String]) -> Rating {
        let folded = self.normal.to_lowercase();
        let telling = about
            .iter()
            .flat_map(|text| [text.as_str(), text.split('@').next().unwrap_or_default()])
            .chain(["doorward"]);
        // A text that is longer than a password cannot be inside one.
        let telling = telling.filter(|name| name.len() <= MAX_LENGTH * char::MAX_LEN_UTF8);
        for name in telling.filter(|name| name.chars().nth(SHORTEST_NAME - 1).is_some()) {
            let name: String = name.nfkc().collect();
            if folded.contains(&name.to_lowercase()) {
                return Rating { score: 0, weakness: Some(WeakPassword::with_name()) };
            }
        }
        let judged = judged(&self.normal);
        // zxcvbn compares each with all parts of the password: a longer text equals none of them.
        let mut inputs: Vec<&str> = about.iter().map(String::as_str).collect();
        inputs.retain(|text| text.len() <= JUDGED * char::MAX_LEN_UTF8);
        inputs.push("doorward");
        let entropy = zxcvbn(judged, &inputs);
        let score = u8::from(entropy.score());
        if entropy.score() >= Score::Three {
            return Rating { score, weakness: None };
        }
        Rating { score, weakness: Some(WeakPassword::of(entropy.feedback())) }
    }

    /// The normal form, for hashing only.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.normal
    }
}

/// The beginning of a password that can be rated in time. Of a password that repeats itself, whole blocks:
/// the rest of a block that was cut would count as something new.
fn judged(text: &str) -> &str {
    let mut seen = String::new();
    let (mut count, mut ways) = (0, 1);
    for char in text.chars().take(JUDGED) {
        if is_substitute(char) && !seen.contains(char) {
            seen.push(char);
            ways = readings(&seen);
        }
        if (count + 1) * (count + 2) / 2 * ways > WORK {
            break;
        }
        count += 1;
    }
    let Some((mut end, _)) = text.char_indices().nth(count) else { return text };
    let block = period(text.as_bytes());
    if block <= end {
        end -= end % block;
    }
    &text[..end]
}

/// The length in bytes of the block that a text repeats to its end, or its whole length (Knuth, Morris and
/// Pratt).
fn period(text: &[u8]) -> usize {
    let mut borders = vec![0; text.len()];
    for at in 1..text.len() {
        let mut border = borders[at - 1];
        while border > 0 && text[at] != text[border] {
            border = borders[border - 1];
        }
        borders[at] = border + usize::from(text[at] == text[border]);
    }
    text.len() - borders.last().copied().unwrap_or_default()
}

/// The characters that zxcvbn reads as letters; those in one string stand for the same letter.
const SUBSTITUTES: [&str; 12] = ["4@", "8", "({[<", "3", "69", "1!|", "1|7", "0", "$5", "+7", "%", "2"];

fn is_substitute(char: char) -> bool {
    SUBSTITUTES.iter().any(|line| line.contains(char))
}

/// The most ways in which zxcvbn reads a text with these characters: one substitute for each letter, and
/// where it also stands for another letter, with and without that.
fn readings(seen: &str) -> usize {
    let of = |line: &str| line.chars().filter(|char| seen.contains(*char)).count().max(1);
    let shared = "1|7".chars().filter(|char| seen.contains(*char)).count();
    SUBSTITUTES.iter().map(|line| of(line)).product::<usize>() << shared
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(***)")
    }
}

/// How hard a password is to guess.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rating {
    /// zxcvbn's score, from 0 (guessed at once) to 4 (very strong); 3 is enough.
    pub score: u8,
    /// Why the password is refused, if it is.
    pub weakness: Option<WeakPassword>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn judge(text: &str) -> Result<(), WeakPassword> {
        let about = ["Margaret".to_owned(), "peggy.o@example.org".to_owned()];
        Password::typed(text.to_owned()).rate(&about).weakness.map_or(Ok(()), Err)
    }

    #[test]
    fn length_is_counted_in_characters_and_spaces_are_kept() {
        assert!(Password::chosen("ééééééé".to_owned(), 8).is_err());
        assert_eq!(Password::chosen(" éééééé ".to_owned(), 8).unwrap().expose(), " éééééé ");
        assert!(Password::chosen("é".repeat(256), 8).is_ok());
        assert!(Password::chosen("e".repeat(257), 8).is_err());
    }

    #[test]
    fn one_password_has_one_form_whatever_the_keyboard() {
        let (composed, decomposed) = ("cr\u{e8}me f\u{fc}r Zo\u{eb}", "cre\u{300}me fu\u{308}r Zoe\u{308}");
        assert_eq!(Password::typed(decomposed.to_owned()).expose(), composed);
        assert_eq!(Password::typed(decomposed.to_owned()).as_typed().unwrap().expose(), decomposed);
        assert_eq!(Password::typed(composed.to_owned()).as_typed(), None);
        for (typed, normal) in [
            ("ｐlum １", "plum 1"),
            ("plum\u{a0}tree\u{3000}", "plum tree "),
            ("\u{fb01}g", "fig"),
            ("\u{1112}\u{1161}\u{11ab}", "\u{d55c}"),
            // Only characters with another form change, not spaces or control characters.
            (" a\tb\0\u{7f}\u{200d} ", " a\tb\0\u{7f}\u{200d} "),
        ] {
            assert_eq!(Password::typed(typed.to_owned()).expose(), normal, "{typed:?}");
        }
    }

    #[test]
    fn length_is_counted_in_the_normal_form() {
        assert!(Password::chosen("e\u{301}".repeat(7), 8).is_err());
        assert!(Password::chosen("e\u{301}".repeat(256), 8).is_ok());
        // One character that expands to 18.
        assert!(Password::chosen("\u{fdfa}".to_owned(), 8).is_ok());
        assert!(Password::chosen("\u{fdfa}".repeat(15), 8).is_err());
    }

    #[test]
    fn easy_guesses_are_refused_with_a_reason() {
        let weak = judge("password1").unwrap_err();
        assert!(!weak.detail.is_empty() && !weak.suggestions.is_empty(), "{weak:?}");
        assert!(judge("qwertyuiop").is_err());
        assert!(judge("plural teapot orbit vinegar").is_ok());
    }

    /// Those of eight characters or more that are used most, by the frequency list of the zxcvbn project (MIT).
    #[test]
    fn the_3000_most_common_passwords_are_refused() {
        let common = include_str!("common_passwords.txt");
        assert_eq!(common.lines().count(), 3000);
        for password in common.lines() {
            assert!(password.chars().count() >= 8 && judge(password).is_err(), "{password}");
        }
    }

    #[test]
    fn a_rating_and_a_judgement_agree() {
        for text in ["", "password1", "plural doorward teapot", "qwertyuiop", "plural teapot orbit vinegar"] {
            let password = Password::typed(text.to_owned());
            let rating = password.rate(&[]);

            assert_eq!(rating.weakness.is_none(), rating.score >= 3, "{text}");
        }
    }

    #[test]
    fn a_password_with_the_owners_name_in_it_is_refused() {
        for bad in [
            "MARGARET plural teapot orbit",
            "plural PEGGY.O teapot orbit",
            "plural peggy.o@example.org",
            "plural teapot DoorWard orbit",
        ] {
            assert!(judge(bad).unwrap_err().detail.contains("name"), "{bad}");
        }
    }

    #[test]
    fn a_hostile_text_is_rated_in_bounded_time() {
        let all = SUBSTITUTES.concat();
        for text in [all.repeat(10), format!("{all}{}", "password".repeat(30)), "1234567890!@$%".repeat(20)] {
            let judged = judged(&text);
            let seen: String = judged.chars().filter(|char| is_substitute(*char)).collect();
            let count = judged.chars().count();
            assert!((12..JUDGED).contains(&count), "{judged}");
            assert!(count * (count + 1) / 2 * readings(&seen) <= WORK, "{judged}");
            assert!(text.starts_with(judged));
        }
        // What people usually type is rated whole, up to the bound.
        let text = format!("{} 2026-11-22 4:35 pässwörd!", "plural teapot orbit vinegar ".repeat(2));
        assert_eq!(judged(&text).chars().count(), JUDGED);
        assert_eq!(judged(&"pässwörd! ".repeat(9)), "pässwörd! ".repeat(6), "whole blocks");
        assert_eq!(judged("plural t34p0t orbit v1n3g@r!"), "plural t34p0t orbit v1n3g@r!");
        assert_eq!(judged(""), "");
    }

    #[test]
    fn a_long_password_is_not_rated_better_than_its_beginning() {
        for block in ["a", "ab", "password", "qwertyuiop", "monkey1", "abc123", "2026-11-22 "] {
            for times in 1..=MAX_LENGTH / block.len() {
                assert!(judge(&block.repeat(times)).is_err(), "{times} times {block}");
            }
        }
    }

    #[test]
    fn names_of_any_length_are_accepted() {
        let about = ["x".repeat(1 << 20), format!("{}@example.org", "é".repeat(1 << 18))];
        assert_eq!(Password::typed("plural teapot orbit vinegar".to_owned()).rate(&about).weakness, None);
        // A name is refused even beyond the part that zxcvbn rates.
        let long = format!("{} margaret", "plural teapot orbit vinegar ".repeat(5));
        assert!(judge(&long).unwrap_err().detail.contains("name"));
    }

    #[test]
    fn debug_hides_the_password() {
        assert_eq!(format!("{:?}", Password::typed("hunter2".to_owned())), "Password(***)");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn judging_never_panics(text in "\\PC{0,40}", about in any::<String>()) {
            drop(Password::typed(text.clone()).rate(&[about]));
            drop(Password::chosen(text, 8));
        }
    }
}

//! A password in the clear, and whether it is good enough to be kept.

use std::fmt;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};
use zxcvbn::{Score, zxcvbn};

use super::Invalid;

/// In characters. NIST SP 800-63B section 5.1.1.2 asks for at least 64; a bound keeps the work bounded.
const MAX_LENGTH: usize = 256;

/// Characters that are judged. What follows them only makes a password longer, so it is never judged too good.
const JUDGED: usize = 64;

/// zxcvbn's work, in parts of the password times the ways to read its digits and signs as letters. It tries each
/// of these ways on each part, and there are hundreds for a text with all of those characters: a second of work for 100
/// characters. So much takes 20 ms at worst.
const WORK: usize = 40_000;

/// A shorter name is found inside too many good passwords; zxcvbn still counts it against them.
const SHORTEST_NAME: usize = 4;

/// What a user typed, in its normal form NFKC (NIST SP 800-63B section 5.1.1.2): keyboards and systems send one password as
/// different bytes. Its `Debug` is blind and it is no `Display`: it never reaches a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Password {
    normal: String,
    /// The characters as they came, if they differ: what hashes of earlier versions and of other systems were made of.
    typed: Option<String>,
}

impl Password {
    /// What is typed to prove who somebody is. Not judged: a wrong password is wrong at any length.
    #[must_use]
    pub fn typed(text: String) -> Self {
        if is_nfkc_quick(text.chars()) == IsNormalized::Yes {
            return Self { normal: text, typed: None };
        }
        let normal: String = text.nfkc().collect();
        let typed = (normal != text).then_some(text);
        Self { normal, typed }
    }

    /// What shall become a password: of a length in bounds, counted in its normal form. Nothing is trimmed, no kind of
    /// character is asked for (NIST SP 800-63B section 5.1.1.2). Next, [`Password::judge`] it.
    ///
    /// # Errors
    /// `invalid_password`, with the bound. `min_length` is in characters.
    pub fn chosen(text: String, min_length: usize) -> Result<Self, Invalid> {
        let password = Self::typed(text);
        let length = password.normal.chars().take(MAX_LENGTH + 1).count();
        if length < min_length {
            let detail = format!("A password has at least {min_length} characters.");
            return Err(Invalid::new("invalid_password", detail));
        }
        if length > MAX_LENGTH {
            let detail = format!("A password has at most {MAX_LENGTH} characters.");
            return Err(Invalid::new("invalid_password", detail));
        }
        Ok(password)
    }

    /// The characters as they were typed, unless that is the normal form: for hashes that were made of those.
    #[must_use]
    pub fn as_typed(&self) -> Option<Self> {
        self.typed.clone().map(|text| Self { normal: text, typed: None })
    }

    /// Refuses a password that is easy to guess, above all by somebody who knows `about`: the username and
    /// the address of its owner. Takes milliseconds: not for a thread that others wait for.
    ///
    /// # Errors
    /// [`WeakPassword`], with what to do about it.
    pub fn judge(&self, about: &[String]) -> Result<(), WeakPassword> {
        self.rate(about).weakness.map_or(Ok(()), Err)
    }

    /// The judgement with its score, for whoever still chooses. As slow as [`Password::judge`].
    #[must_use]
    pub fn rate(&self, about: &[String]) -> Rating {
        let folded = self.normal.to_lowercase();
        let telling = about
            .iter()
            .flat_map(|text| [text.as_str(), text.split('@').next().unwrap_or_default()])
            .chain(["doorward"]);
        // What is longer than a password is not inside one.
        let telling = telling.filter(|name| name.len() <= MAX_LENGTH * char::MAX_LEN_UTF8);
        for name in telling.filter(|name| name.chars().nth(SHORTEST_NAME - 1).is_some()) {
            let name: String = name.nfkc().collect();
            if folded.contains(&name.to_lowercase()) {
                let weakness = WeakPassword {
                    detail: "The password holds your name, your address or the name of this service."
                        .to_owned(),
                    suggestions: vec!["Use words that have nothing to do with you.".to_owned()],
                };
                return Rating { score: 0, weakness: Some(weakness) };
            }
        }
        let judged = judged(&self.normal);
        // Each is compared with all parts: a longer one equals none of them.
        let mut inputs: Vec<&str> = about.iter().map(String::as_str).collect();
        inputs.retain(|text| text.len() <= JUDGED * char::MAX_LEN_UTF8);
        inputs.push("doorward");
        let entropy = zxcvbn(judged, &inputs);
        let score = u8::from(entropy.score());
        if entropy.score() >= Score::Three {
            return Rating { score, weakness: None };
        }
        let feedback = entropy.feedback();
        let weakness = WeakPassword {
            detail: feedback.and_then(zxcvbn::feedback::Feedback::warning).map_or_else(
                || "The password is too easy to guess.".to_owned(),
                |warning| warning.to_string(),
            ),
            suggestions: feedback
                .map(|feedback| feedback.suggestions().iter().map(ToString::to_string).collect())
                .unwrap_or_default(),
        };
        Rating { score, weakness: Some(weakness) }
    }

    /// The characters as they were typed, for another system that has its own rules.
    #[must_use]
    pub fn expose_typed(&self) -> &str {
        self.typed.as_deref().unwrap_or(&self.normal)
    }

    /// The normal form, for hashing, and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.normal
    }
}

/// The beginning of a password that can be judged in time: of one that repeats itself whole blocks, because what is
/// left of a block that was cut would count as something new.
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

/// After how many bytes a text begins anew, to its end; its length if it does not (Knuth, Morris and Pratt).
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

/// The characters that zxcvbn reads as letters: those of a line stand for the same one.
const SUBSTITUTES: [&str; 12] = ["4@", "8", "({[<", "3", "69", "1!|", "1|7", "0", "$5", "+7", "%", "2"];

fn is_substitute(char: char) -> bool {
    SUBSTITUTES.iter().any(|line| line.contains(char))
}

/// In how many ways zxcvbn reads a text in which these characters occur, at most: for each letter one of its
/// substitutes, and where that stands for another letter as well, with and without it.
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
    /// zxcvbn's, from 0 (at once) to 4 (never); 3 is good enough.
    pub score: u8,
    /// Why it is refused, if it is.
    pub weakness: Option<WeakPassword>,
}

/// Why a password would be guessed, in zxcvbn's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct WeakPassword {
    pub detail: String,
    pub suggestions: Vec<String>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn judge(text: &str) -> Result<(), WeakPassword> {
        Password::typed(text.to_owned()).judge(&["Margaret".to_owned(), "peggy.o@example.org".to_owned()])
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
            // Only characters that have another form change: not blanks, and not control characters.
            (" a\tb\0\u{7f}\u{200d} ", " a\tb\0\u{7f}\u{200d} "),
        ] {
            assert_eq!(Password::typed(typed.to_owned()).expose(), normal, "{typed:?}");
        }
    }

    #[test]
    fn length_is_counted_in_the_normal_form() {
        assert!(Password::chosen("e\u{301}".repeat(7), 8).is_err());
        assert!(Password::chosen("e\u{301}".repeat(256), 8).is_ok());
        // One character that stands for 18.
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

    #[test]
    fn a_rating_and_a_judgement_are_one() {
        for text in ["", "password1", "plural doorward teapot", "qwertyuiop", "plural teapot orbit vinegar"] {
            let password = Password::typed(text.to_owned());
            let rating = password.rate(&[]);
            assert_eq!(rating.weakness, password.judge(&[]).err(), "{text}");
            assert_eq!(rating.weakness.is_none(), rating.score >= 3, "{text}");
        }
    }

    #[test]
    fn what_others_know_of_the_owner_is_refused_inside() {
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
    fn a_hostile_text_is_judged_as_far_as_it_can_be_in_time() {
        let all = SUBSTITUTES.concat();
        for text in [all.repeat(10), format!("{all}{}", "password".repeat(30)), "1234567890!@$%".repeat(20)] {
            let judged = judged(&text);
            let seen: String = judged.chars().filter(|char| is_substitute(*char)).collect();
            let count = judged.chars().count();
            assert!((12..JUDGED).contains(&count), "{judged}");
            assert!(count * (count + 1) / 2 * readings(&seen) <= WORK, "{judged}");
            assert!(text.starts_with(judged));
        }
        // What people type is read whole, up to the bound.
        let text = format!("{} 2026-11-22 4:35 pässwörd!", "plural teapot orbit vinegar ".repeat(2));
        assert_eq!(judged(&text).chars().count(), JUDGED);
        assert_eq!(judged(&"pässwörd! ".repeat(9)), "pässwörd! ".repeat(6), "whole blocks");
        assert_eq!(judged("plural t34p0t orbit v1n3g@r!"), "plural t34p0t orbit v1n3g@r!");
        assert_eq!(judged(""), "");
    }

    #[test]
    fn a_long_password_is_not_judged_better_than_its_beginning() {
        for block in ["a", "ab", "password", "qwertyuiop", "monkey1", "abc123", "2026-11-22 "] {
            for times in 1..=MAX_LENGTH / block.len() {
                assert!(judge(&block.repeat(times)).is_err(), "{times} times {block}");
            }
        }
    }

    #[test]
    fn what_is_known_of_the_owner_may_be_as_long_as_it_likes() {
        let about = ["x".repeat(1 << 20), format!("{}@example.org", "é".repeat(1 << 18))];
        assert_eq!(Password::typed("plural teapot orbit vinegar".to_owned()).judge(&about), Ok(()));
        // Inside a password beyond what zxcvbn reads, it still is refused.
        let long = format!("{} margaret", "plural teapot orbit vinegar ".repeat(5));
        assert!(judge(&long).unwrap_err().detail.contains("name"));
    }

    #[test]
    fn it_is_blind_in_logs() {
        assert_eq!(format!("{:?}", Password::typed("hunter2".to_owned())), "Password(***)");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn judging_never_panics(text in "\\PC{0,40}", about in any::<String>()) {
            drop(Password::typed(text.clone()).judge(&[about]));
            drop(Password::chosen(text, 8));
        }
    }
}

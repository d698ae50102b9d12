//! A password in the clear, and whether it is good enough to be kept.

use std::fmt;

use zxcvbn::{Score, zxcvbn};

use super::Invalid;

/// In characters. NIST SP 800-63B section 5.1.1.2 asks for at least 64; a bound keeps the work bounded.
const MAX_LENGTH: usize = 256;

/// A shorter name is found inside too many good passwords; zxcvbn still counts it against them.
const SHORTEST_NAME: usize = 4;

/// What somebody typed. Its `Debug` is blind and it is no `Display`: it never reaches a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// What is typed to prove who somebody is. Not judged: a wrong password is wrong at any length.
    #[must_use]
    pub fn typed(text: String) -> Self {
        Self(text)
    }

    /// What shall become a password: of a length in bounds. Nothing is trimmed, no kind of character is
    /// asked for (NIST SP 800-63B section 5.1.1.2). Next, [`Password::judge`] it.
    ///
    /// # Errors
    /// `invalid_password`, with the bound. `min_length` is in characters.
    pub fn chosen(text: String, min_length: usize) -> Result<Self, Invalid> {
        let length = text.chars().take(MAX_LENGTH + 1).count();
        if length < min_length {
            let detail = format!("A password has at least {min_length} characters.");
            return Err(Invalid::new("invalid_password", detail));
        }
        if length > MAX_LENGTH {
            let detail = format!("A password has at most {MAX_LENGTH} characters.");
            return Err(Invalid::new("invalid_password", detail));
        }
        Ok(Self(text))
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
        let folded = self.0.to_lowercase();
        let telling = about
            .iter()
            .flat_map(|text| [text.as_str(), text.split('@').next().unwrap_or_default()])
            .chain(["doorward"]);
        for name in telling.filter(|name| name.chars().nth(SHORTEST_NAME - 1).is_some()) {
            if folded.contains(&name.to_lowercase()) {
                let weakness = WeakPassword {
                    detail: "The password holds your name, your address or the name of this service."
                        .to_owned(),
                    suggestions: vec!["Use words that have nothing to do with you.".to_owned()],
                };
                return Rating { score: 0, weakness: Some(weakness) };
            }
        }
        let mut inputs: Vec<&str> = about.iter().map(String::as_str).collect();
        inputs.push("doorward");
        // It reads the first 100 characters; its cost grows with the length.
        let entropy = zxcvbn(&self.0, &inputs);
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

    /// For hashing, and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
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

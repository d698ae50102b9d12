//! Why a password would be guessed, in words and in stable codes.

use zxcvbn::feedback::{Feedback, Suggestion, Warning};

/// Why a password would be guessed, in zxcvbn's words, and what would help. Each sentence has a stable code, so that
/// pages can say it in other languages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct WeakPassword {
    /// One of [`WeakPassword::REASONS`].
    pub reason: &'static str,
    pub detail: String,
    pub suggestions: Vec<String>,
    /// One of [`WeakPassword::SUGGESTIONS`] for each suggestion.
    pub suggestion_codes: Vec<&'static str>,
}

impl WeakPassword {
    pub const REASONS: [&'static str; 16] = [
        "weak",
        "contains_name",
        "straight_rows",
        "keyboard_pattern",
        "repeats",
        "repeated_blocks",
        "top_ten",
        "top_hundred",
        "common",
        "similar_to_common",
        "sequences",
        "recent_years",
        "single_word",
        "dates",
        "single_name",
        "common_names",
    ];
    pub const SUGGESTIONS: [&'static str; 14] = [
        "unrelated",
        "few_words",
        "no_symbols",
        "another_word",
        "capitals",
        "all_capitals",
        "reversed",
        "substitutions",
        "longer_pattern",
        "no_repeats",
        "no_sequences",
        "no_recent_years",
        "no_own_years",
        "no_own_dates",
    ];

    /// It contains a name that others know.
    pub(super) fn with_name() -> Self {
        Self {
            reason: "contains_name",
            detail: "The password contains your name, your address or the name of this service.".to_owned(),
            suggestions: vec!["Use words that have nothing to do with you.".to_owned()],
            suggestion_codes: vec!["unrelated"],
        }
    }

    /// What zxcvbn says, if it says anything.
    pub(super) fn of(feedback: Option<&Feedback>) -> Self {
        let suggestions = feedback.map(Feedback::suggestions).unwrap_or_default();
        let (reason, detail) = match feedback.and_then(Feedback::warning) {
            Some(warning) => (reason(warning), warning.to_string()),
            None => ("weak", "The password is too easy to guess.".to_owned()),
        };
        Self {
            reason,
            detail,
            suggestions: suggestions.iter().map(ToString::to_string).collect(),
            suggestion_codes: suggestions.iter().copied().map(code).collect(),
        }
    }
}

fn reason(warning: Warning) -> &'static str {
    match warning {
        Warning::StraightRowsOfKeysAreEasyToGuess => "straight_rows",
        Warning::ShortKeyboardPatternsAreEasyToGuess => "keyboard_pattern",
        Warning::RepeatsLikeAaaAreEasyToGuess => "repeats",
        Warning::RepeatsLikeAbcAbcAreOnlySlightlyHarderToGuess => "repeated_blocks",
        Warning::ThisIsATop10Password => "top_ten",
        Warning::ThisIsATop100Password => "top_hundred",
        Warning::ThisIsACommonPassword => "common",
        Warning::ThisIsSimilarToACommonlyUsedPassword => "similar_to_common",
        Warning::SequencesLikeAbcAreEasyToGuess => "sequences",
        Warning::RecentYearsAreEasyToGuess => "recent_years",
        Warning::AWordByItselfIsEasyToGuess => "single_word",
        Warning::DatesAreOftenEasyToGuess => "dates",
        Warning::NamesAndSurnamesByThemselvesAreEasyToGuess => "single_name",
        Warning::CommonNamesAndSurnamesAreEasyToGuess => "common_names",
    }
}

fn code(suggestion: Suggestion) -> &'static str {
    match suggestion {
        Suggestion::UseAFewWordsAvoidCommonPhrases => "few_words",
        Suggestion::NoNeedForSymbolsDigitsOrUppercaseLetters => "no_symbols",
        Suggestion::AddAnotherWordOrTwo => "another_word",
        Suggestion::CapitalizationDoesntHelpVeryMuch => "capitals",
        Suggestion::AllUppercaseIsAlmostAsEasyToGuessAsAllLowercase => "all_capitals",
        Suggestion::ReversedWordsArentMuchHarderToGuess => "reversed",
        Suggestion::PredictableSubstitutionsDontHelpVeryMuch => "substitutions",
        Suggestion::UseALongerKeyboardPatternWithMoreTurns => "longer_pattern",
        Suggestion::AvoidRepeatedWordsAndCharacters => "no_repeats",
        Suggestion::AvoidSequences => "no_sequences",
        Suggestion::AvoidRecentYears => "no_recent_years",
        Suggestion::AvoidYearsThatAreAssociatedWithYou => "no_own_years",
        Suggestion::AvoidDatesAndYearsThatAreAssociatedWithYou => "no_own_dates",
    }
}

//! The name that other users see.

use icu_properties::CodePointSetData;
use icu_properties::props::{Emoji, UnifiedIdeograph};
use unicode_normalization::UnicodeNormalization;

use super::Invalid;
use super::characters::{
    ZWJ, ZWNJ, is_display_control, is_invisible, is_mark, is_nonspacing, is_unassignable, needs_joiner,
};

/// In characters.
const MAX_LENGTH: usize = 64;

/// Marks on one letter. More leave the line and cover other text; scripts use up to four.
const MAX_MARKS: usize = 8;

/// Shows nothing, and is not white space.
const BRAILLE_BLANK: char = '\u{2800}';

/// A name that is safe to show beside other text: 1 to 64 characters, without control characters, characters
/// that change the direction of text, and invisible characters, except where a script or an emoji needs them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplayName(String);

impl DisplayName {
    /// Parses what a person typed, without surrounding white space.
    ///
    /// # Errors
    /// `invalid_display_name`, with what is wrong.
    pub fn parse(typed: &str) -> Result<Self, Invalid> {
        let refuse = |reason, detail: &str| {
            Err(Invalid::new("display_name", detail).because(reason).naming("max", &MAX_LENGTH))
        };
        let chars: Vec<char> = typed.trim().nfc().take(MAX_LENGTH + 1).collect();
        if chars.len() > MAX_LENGTH {
            return refuse("too_long", "A display name can have at most 64 characters.");
        }
        if !chars.iter().any(|c| is_shown(*c)) {
            return refuse("empty", "A display name needs at least one visible character.");
        }
        for (at, c) in chars.iter().copied().enumerate() {
            if is_display_control(c) {
                return refuse(
                    "controls",
                    "A display name cannot have control characters or characters that change the direction of text.",
                );
            }
            if is_unassignable(c) || is_invisible(c) && !belongs(&chars[..at], c, &chars[at + 1..]) {
                return refuse("invisible", "A display name cannot have invisible characters.");
            }
            if is_annotation(c) {
                return refuse(
                    "characters",
                    "A display name can only have letters, digits, spaces, punctuation and symbols.",
                );
            }
        }
        let name: String = chars.into_iter().collect();
        if has_tower(&name) {
            return refuse("marks", "A display name can have at most 8 marks on a letter.");
        }
        Ok(Self(name))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_shown(c: char) -> bool {
    !(c.is_whitespace() || is_invisible(c) || is_mark(c) || c == BRAILLE_BLANK)
}

/// Whether a letter has more marks than any script uses.
fn has_tower(name: &str) -> bool {
    let mut marks = 0;
    name.nfd().any(|c| {
        marks = if is_nonspacing(c) { marks + 1 } else { 0 };
        marks > MAX_MARKS
    })
}

/// Interlinear annotation characters, which hide text (Unicode Standard, section 23.8).
fn is_annotation(c: char) -> bool {
    matches!(c, '\u{fff9}'..='\u{fffb}')
}

/// Whether an invisible character has a meaning at this position.
fn belongs(before: &[char], c: char, after: &[char]) -> bool {
    match c {
        ZWJ => needs_joiner(before, c, after) || joins_emoji(before, after),
        ZWNJ => needs_joiner(before, c, after),
        // Selects text or emoji presentation (UTS 51 section 1.4.3).
        '\u{fe0e}' | '\u{fe0f}' => before.last().is_some_and(|c| is_emoji(*c)),
        // Variants of a Mongolian letter, and of an ideograph: some family names need one.
        '\u{180b}'..='\u{180d}' | '\u{180f}' => {
            before.last().is_some_and(|c| ('\u{1820}'..='\u{18aa}').contains(c))
        }
        '\u{e0100}'..='\u{e01ef}' => {
            before.last().is_some_and(|c| CodePointSetData::new::<UnifiedIdeograph>().contains(*c))
        }
        '\u{e0020}'..='\u{e007f}' => is_in_flag(before, c, after),
        _ => false,
    }
}

/// An emoji made of several: a family, a profession (UTS 51 section 1.4.6).
fn joins_emoji(before: &[char], after: &[char]) -> bool {
    let last = before.iter().rev().find(|c| **c != '\u{fe0f}');
    last.is_some_and(|c| is_emoji(*c)) && after.first().is_some_and(|c| is_emoji(*c))
}

fn is_emoji(c: char) -> bool {
    CodePointSetData::new::<Emoji>().contains(c)
}

/// The flag of a region: a black flag, up to six letters and digits, and an end tag (UTS 51 annex C).
/// Anything longer would be hidden text.
fn is_in_flag(before: &[char], c: char, after: &[char]) -> bool {
    let is_tag = |c: &&char| matches!(**c, '\u{e0020}'..='\u{e007e}');
    let earlier = before.iter().rev().take_while(is_tag).count();
    let later = after.iter().take_while(is_tag).count();
    let begins = before.iter().rev().nth(earlier) == Some(&'\u{1f3f4}');
    if c == '\u{e007f}' {
        return begins && (2..=6).contains(&earlier);
    }
    begins && earlier + later < 6 && after.get(later) == Some(&'\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_and_emoji_of_the_world_are_kept() {
        for good in [
            "Ada Lovelace",
            "Zoë O’Neill-Smith, Jr.",
            "Владимир",
            "הַיָּם",
            "محمّد",
            "علی\u{200c}رضا",
            "हिन्दी",
            "क्\u{200d}ष",
            "葛\u{e0100}城",
            "Ada 👩\u{200d}💻",
            "👨\u{200d}👩\u{200d}👧",
            "🏳\u{fe0f}\u{200d}🌈",
            "👩🏽\u{200d}🚀",
            "1\u{fe0f}\u{20e3}",
            "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
            "❤\u{fe0f}",
        ] {
            assert_eq!(DisplayName::parse(good).map(|name| name.0), Ok(good.to_owned()));
        }
        assert_eq!(DisplayName::parse(" \u{a0}Ada\t").unwrap().as_str(), "Ada");
        assert_eq!(DisplayName::parse("Zoe\u{308}").unwrap().as_str(), "Zo\u{eb}");
    }

    #[test]
    fn a_name_that_is_not_safe_to_show_is_refused() {
        let stacked = format!("a{}", "\u{302}\u{303}".repeat(5));
        for bad in [
            "",
            " ",
            "\u{a0}\u{3000}",
            "\u{2800}",
            "\u{301}",
            "\u{3164}",
            "a\u{3164}",
            "a\nb",
            "a\0",
            "a\u{9b}b",
            "a\u{85}b",
            "\u{202e}drowssap",
            "a\u{202a}b\u{202c}",
            "a\u{2066}b\u{2069}",
            "a\u{200e}",
            "\u{61c}a",
            "a\u{2028}b",
            "a\u{ad}b",
            "a\u{200b}b",
            "a\u{200d}b",
            "a\u{feff}b",
            "\u{feff}a",
            "a\u{fe0f}",
            "a\u{e0061}",
            "🏴\u{e0067}\u{e0062}",
            "🏴\u{e0068}\u{e0065}\u{e006c}\u{e006c}\u{e006f}\u{e0061}\u{e0062}\u{e0063}\u{e007f}",
            "葛a\u{e0100}",
            "a\u{e000}",
            "a\u{ffff}",
            "a\u{fff9}b\u{fffa}c\u{fffb}",
            &stacked,
            &"a".repeat(65),
        ] {
            let refused = DisplayName::parse(bad);
            assert_eq!(refused.map_err(|invalid| invalid.field), Err("display_name"), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn an_accepted_name_has_no_display_controls_and_is_accepted_again(text in any::<String>()) {
            if let Ok(name) = DisplayName::parse(&text) {
                prop_assert!(!name.as_str().contains(is_display_control));
                prop_assert_eq!(DisplayName::parse(name.as_str()), Ok(name));
            }
        }
    }
}

//! Properties of characters that matter where text is shown: which are invisible, which control a terminal or
//! the direction of text, and where a joiner belongs to the script.

use std::fmt::Write;

use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup, JoiningType};
use icu_properties::{CodePointMapData, CodePointSetData};
use unicode_normalization::char::canonical_combining_class;

pub(super) const ZWNJ: char = '\u{200c}';
pub(super) const ZWJ: char = '\u{200d}';

/// The combining class of a virama (Unicode Standard, section 4.3).
const VIRAMA: u8 = 9;

/// Some editors put this in front of a text to mark it as UTF-8.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The text without a leading byte order mark, which is not part of it (Unicode Standard, section 23.8).
#[must_use]
pub fn without_bom(text: &str) -> &str {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

/// Letters and numbers of any script.
pub(super) fn is_alphanumeric(c: char) -> bool {
    let category = category(c);
    GeneralCategoryGroup::Letter.contains(category) || GeneralCategoryGroup::Number.contains(category)
}

/// Marks that belong to the preceding letter: vowel signs, accents, the points of Hebrew and Arabic.
pub(super) fn is_mark(c: char) -> bool {
    matches!(category(c), GeneralCategory::NonspacingMark | GeneralCategory::SpacingMark)
}

/// Marks that are drawn over the letter and take no space of their own. Many of them on one letter leave the
/// line.
pub(super) fn is_nonspacing(c: char) -> bool {
    category(c) == GeneralCategory::NonspacingMark
}

/// Characters without a glyph, for which most fonts show nothing (`Default_Ignorable_Code_Point`): zero-width
/// spaces and joiners, variation selectors, Hangul fillers, the soft hyphen, tags.
pub(super) fn is_invisible(c: char) -> bool {
    CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

/// Characters that control the display instead of being shown: control characters, line and paragraph
/// separators, and those that change the direction of text (UAX 9 section 2).
#[must_use]
pub fn is_display_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Replaces display control characters by their numbers, such as `\u{1b}`.
#[must_use]
pub fn escape_display_controls(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if is_display_control(c) {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "\\u{{{:x}}}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Characters that are not meant for interchange: private use, and noncharacters.
pub(super) fn is_unassignable(c: char) -> bool {
    let code = u32::from(c);
    category(c) == GeneralCategory::PrivateUse || code & 0xfffe == 0xfffe || (0xfdd0..=0xfdef).contains(&code)
}

/// Whether the script needs a joiner between these two texts (RFC 5892 appendix A.1 and A.2): after a virama,
/// and, for the non-joiner, between two letters that would otherwise join.
pub(super) fn needs_joiner(before: &[char], joiner: char, after: &[char]) -> bool {
    if before.last().is_some_and(|c| canonical_combining_class(*c) == VIRAMA) {
        return true;
    }
    let joining = |c: &&char| {
        let kind = CodePointMapData::<JoiningType>::new().get(**c);
        (kind != JoiningType::Transparent).then_some(kind)
    };
    let left = before.iter().rev().find_map(|c| joining(&c));
    let right = after.iter().find_map(|c| joining(&c));
    joiner == ZWNJ
        && matches!(left, Some(JoiningType::LeftJoining | JoiningType::DualJoining))
        && matches!(right, Some(JoiningType::RightJoining | JoiningType::DualJoining))
}

pub(super) fn category(c: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_character_without_a_glyph_is_invisible() {
        for c in
            "\u{ad}\u{34f}\u{115f}\u{1160}\u{17b4}\u{180b}\u{200b}\u{200d}\u{2060}\u{3164}\u{fe0f}\u{feff}\
                  \u{ffa0}\u{e0001}\u{e0100}"
                .chars()
        {
            assert!(is_invisible(c), "{c:?}");
        }
        assert!(!"aé हि\u{301}".contains(is_invisible));
    }

    #[test]
    fn a_joiner_is_needed_after_a_virama_and_between_joining_letters() {
        let needs = |text: &str| {
            let chars: Vec<char> = text.chars().collect();
            let at = chars.iter().position(|c| matches!(*c, ZWJ | ZWNJ)).unwrap();
            needs_joiner(&chars[..at], chars[at], &chars[at + 1..])
        };
        // Persian "I want", Hindi "kṣa" with and without a ligature, Sinhala "śrī".
        for good in ["می\u{200c}خواهم", "क्\u{200c}ष", "क्\u{200d}ष", "ශ්\u{200d}රී"]
        {
            assert!(needs(good), "{good}");
        }
        for bad in ["a\u{200c}b", "a\u{200d}b", "می\u{200d}خواهم", "\u{200c}خ", "م\u{200c}", "د\u{200c}ا"]
        {
            assert!(!needs(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn escaped_text_has_no_display_controls(text in any::<String>()) {
            prop_assert!(!escape_display_controls(&text).contains(is_display_control));
        }
    }
}

//! The language that a user wants to read.

use super::Invalid;

/// In characters; RFC 5646 section 4.4.1 recommends to have room for 35.
const MAX_LENGTH: usize = 35;

/// A language tag (RFC 5646) such as `de`, `pt-BR` or `zh-Hant-TW`: letters and digits with hyphens between them.
/// Whether there are texts in it is another question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LanguageTag(String);

impl LanguageTag {
    /// Parses a tag. Its language is lower case, as is usual; the rest stays as it is.
    ///
    /// # Errors
    /// `invalid_language` if it is not a tag.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        let mut parts = text.split('-');
        let language = parts.next().unwrap_or_default();
        let is_language =
            (2..=3).contains(&language.len()) && language.bytes().all(|b| b.is_ascii_alphabetic());
        let is_part =
            |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
        if text.len() > MAX_LENGTH || !is_language || !parts.clone().all(is_part) {
            let detail = "A language is a tag such as de, pt-BR or zh-Hant.";
            return Err(Invalid::new("language", detail));
        }
        let (_, rest) = text.split_at(language.len());
        Ok(Self(format!("{}{rest}", language.to_ascii_lowercase())))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The language that a user chooses for pages and emails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LanguageChoice {
    /// The one that the browser asks for.
    Browser,
    Tag(LanguageTag),
}

impl LanguageChoice {
    /// Parses a tag; an empty text is the browser's language.
    ///
    /// # Errors
    /// As [`LanguageTag::parse`].
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.trim().is_empty() { Ok(Self::Browser) } else { LanguageTag::parse(text).map(Self::Tag) }
    }

    #[must_use]
    pub const fn tag(&self) -> Option<&LanguageTag> {
        match self {
            Self::Browser => None,
            Self::Tag(tag) => Some(tag),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_accepted_and_anything_else_is_refused() {
        for (text, tag) in [("de", "de"), (" EN-us ", "en-us"), ("zh-Hant-TW", "zh-Hant-TW"), ("gsw", "gsw")]
        {
            assert_eq!(LanguageTag::parse(text).unwrap().as_str(), tag);
        }
        for bad in
            ["", "d", "deutsch", "de-", "-de", "de_AT", "de AT", "d3", "de-abcdefghi", "ä", "*", "de\0"]
        {
            assert_eq!(LanguageTag::parse(bad).unwrap_err().field, "language", "{bad:?}");
        }
        assert!(LanguageTag::parse(&format!("de{}", "-abcdefgh".repeat(4))).is_err());
    }
}

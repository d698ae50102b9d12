//! Words in rows that stand for a value of the domain.

use serde::{Serialize, Serializer};

use doorward_core::domain::LoginKind;

/// A value as its row names it. A row of another version of this program may name one that this version does not know:
/// it is shown as it is, and equals no known value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored<T> {
    Known(T),
    Unknown(String),
}

/// A value that rows name by a word.
pub trait Word: Copy {
    fn parse(word: &str) -> Option<Self>;
    fn as_str(self) -> &'static str;
}

impl Word for LoginKind {
    fn parse(word: &str) -> Option<Self> {
        Self::parse(word)
    }

    fn as_str(self) -> &'static str {
        Self::as_str(self)
    }
}

impl<T: Word> Stored<T> {
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(value) => value.as_str(),
            Self::Unknown(word) => word,
        }
    }
}

impl<T: Word> From<String> for Stored<T> {
    fn from(word: String) -> Self {
        T::parse(&word).map_or(Self::Unknown(word), Self::Known)
    }
}

impl<T: PartialEq> PartialEq<T> for Stored<T> {
    fn eq(&self, value: &T) -> bool {
        matches!(self, Self::Known(known) if known == value)
    }
}

impl<T: Word> Serialize for Stored<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_word_is_kept_and_equals_nothing() {
        let known = Stored::<LoginKind>::from("browser".to_owned());
        assert!(known == LoginKind::Browser && known != LoginKind::Token);
        let unknown = Stored::<LoginKind>::from("watch".to_owned());
        assert!(unknown != LoginKind::Browser && unknown != LoginKind::Token);
        assert_eq!(serde_json::to_string(&[known, unknown]).unwrap(), r#"["browser","watch"]"#);
    }
}

//! Messages of a language, to be filled in, and what is made of them.

use chrono::{Datelike, NaiveDateTime};

use super::{Html, Language, Text};

impl Language {
    /// What its readers call it.
    #[must_use]
    pub fn endonym(&self) -> String {
        self.text("language-name").to_string()
    }

    /// A message as plain text.
    #[must_use]
    pub fn text(&self, key: impl Into<String>) -> Text<'_> {
        Text::new(self, key)
    }

    /// A message as HTML.
    #[must_use]
    pub fn html(&self, key: impl Into<String>) -> Html<'_> {
        Html::new(self, key)
    }

    /// A time for people to read, rounded down to the minute: a link must not expire before the time that is stated.
    #[must_use]
    pub fn moment(&self, at: NaiveDateTime) -> String {
        let number = |number: u32| usize::try_from(number).unwrap_or_default();
        self.text("moment")
            .with("day", number(at.day()))
            .with("month", number(at.month()))
            .with("year", at.format("%Y").to_string())
            .with("time", at.format("%H:%M").to_string())
            .to_string()
    }
}

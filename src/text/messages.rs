//! Messages of a language, to be filled in, and what is made of them.

use chrono::{Datelike, NaiveDateTime};

use super::{Html, Language, Text};
use doorward_core::domain::DeviceName;

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

    /// What a device is called, such as "Firefox on Linux". `dashboard.js` does the same.
    #[must_use]
    pub fn device_name(&self, name: DeviceName) -> String {
        let DeviceName { client, system } = name;
        let client = client.map(|client| self.client_name(client));
        match (client, system) {
            (Some(client), Some(system)) => {
                self.text("device-name").with("client", client).with("system", system).to_string()
            }
            (Some(client), None) => client,
            (None, Some(system)) => self.text("device-name-system").with("system", system).to_string(),
            (None, None) => self.text("device-name-unknown").to_string(),
        }
    }

    /// The name of a client; those that are words have a message.
    fn client_name(&self, client: String) -> String {
        let key = format!("device-client-{}", client.to_lowercase().replace(' ', "-"));
        if self.knows(&key) { self.text(key).to_string() } else { client }
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

//! One language: its messages and its direction.

use std::fmt;
use std::sync::Arc;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use fluent_syntax::ast::Entry;
use unic_langid::{CharacterDirection, LanguageIdentifier};

/// A language in which pages and emails can be written.
pub struct Language {
    id: LanguageIdentifier,
    tag: String,
    bundle: FluentBundle<Arc<FluentResource>>,
    /// For messages that this language lacks: English, unless this is English.
    fallback: Option<Arc<Language>>,
    /// The keys of its messages, in the order of its files.
    keys: Vec<String>,
}

impl Language {
    pub(super) fn new(id: LanguageIdentifier, fallback: Option<Arc<Language>>) -> Self {
        let mut bundle = FluentBundle::new_concurrent(vec![id.clone()]);
        // Arguments are isolated where they are inserted: by `<bdi>` in HTML, by characters in text.
        bundle.set_use_isolating(false);
        Self { tag: id.to_string(), id, bundle, fallback, keys: Vec::new() }
    }

    /// Adds messages; they replace those of the same key.
    pub(super) fn add(&mut self, resource: FluentResource) {
        for entry in resource.entries() {
            if let Entry::Message(message) = entry
                && !self.bundle.has_message(message.id.name)
            {
                self.keys.push(message.id.name.to_owned());
            }
        }
        self.bundle.add_resource_overriding(Arc::new(resource));
    }

    /// Its tag (RFC 5646), such as `de` or `pt-BR`.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Whether it is written from right to left.
    #[must_use]
    pub fn is_rtl(&self) -> bool {
        self.id.character_direction() == CharacterDirection::RTL
    }

    /// The direction, as HTML's attribute `dir` has it.
    #[must_use]
    pub fn direction(&self) -> &'static str {
        if self.is_rtl() { "rtl" } else { "ltr" }
    }

    /// The keys of all messages, those that are taken from English among them.
    pub fn all_keys(&self) -> impl Iterator<Item = &str> {
        self.fallback.as_deref().unwrap_or(self).keys.iter().map(String::as_str)
    }

    /// The keys of its own messages.
    #[must_use]
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.bundle.has_message(key)
    }

    /// Whether it, or English, has a message of this key.
    #[must_use]
    pub fn knows(&self, key: &str) -> bool {
        self.has(key) || self.fallback.as_ref().is_some_and(|english| english.has(key))
    }

    /// Fills a message in. A message that is missing or wrong is taken from English.
    pub(super) fn format(&self, key: &str, args: &FluentArgs<'_>) -> String {
        if let Some(text) = self.try_format(key, args) {
            return text;
        }
        if let Some(text) = self.fallback.as_ref().and_then(|english| english.try_format(key, args)) {
            return text;
        }
        // The tests render each message; this can only be one that they do not know.
        tracing::error!(key, language = self.tag, "no text for this key");
        format!("⟨{key}⟩")
    }

    fn try_format(&self, key: &str, args: &FluentArgs<'_>) -> Option<String> {
        let message = self.bundle.get_message(key)?;
        let mut errors = Vec::new();
        let text = self.bundle.format_pattern(message.value()?, Some(args), &mut errors).into_owned();
        errors.is_empty().then_some(text)
    }
}

impl fmt::Debug for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Language({})", self.tag)
    }
}

//! A message as plain text.

use std::fmt;

use fluent_bundle::{FluentArgs, FluentValue};

use super::Language;

/// Marks the beginning and the end of text whose direction does not depend on what surrounds it (UAX 9).
const FIRST_STRONG_ISOLATE: char = '\u{2068}';
const POP_DIRECTIONAL_ISOLATE: char = '\u{2069}';

/// What a placeholder of a message stands for.
pub trait Argument {
    fn value(&self) -> FluentValue<'static>;
}

impl Argument for str {
    fn value(&self) -> FluentValue<'static> {
        self.to_owned().into()
    }
}

impl Argument for String {
    fn value(&self) -> FluentValue<'static> {
        self.clone().into()
    }
}

impl Argument for std::borrow::Cow<'_, str> {
    fn value(&self) -> FluentValue<'static> {
        self.clone().into_owned().into()
    }
}

/// A message inside of another one.
impl Argument for Text<'_> {
    fn value(&self) -> FluentValue<'static> {
        self.to_string().into()
    }
}

impl Argument for usize {
    fn value(&self) -> FluentValue<'static> {
        (*self).into()
    }
}

impl Argument for u64 {
    fn value(&self) -> FluentValue<'static> {
        (*self).into()
    }
}

impl<T: Argument + ?Sized> Argument for &T {
    fn value(&self) -> FluentValue<'static> {
        (*self).value()
    }
}

/// A message and its arguments; `Display` writes it as plain text.
///
/// In a language that is written from right to left, each argument is isolated: otherwise a Latin name would take the
/// punctuation beside it along.
#[derive(Clone)]
pub struct Text<'a> {
    pub(super) language: &'a Language,
    key: String,
    args: Vec<(&'static str, FluentValue<'static>)>,
}

impl<'a> Text<'a> {
    pub(super) fn new(language: &'a Language, key: impl Into<String>) -> Self {
        Self { language, key: key.into(), args: Vec::new() }
    }

    /// Gives a placeholder its value.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Argument) -> Self {
        self.args.push((name, value.value()));
        self
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let isolates = self.language.is_rtl();
        let args: FluentArgs<'_> = self
            .args
            .iter()
            .map(|(name, value)| match value {
                FluentValue::String(text) if isolates => {
                    (*name, format!("{FIRST_STRONG_ISOLATE}{text}{POP_DIRECTIONAL_ISOLATE}").into())
                }
                value => (*name, value.clone()),
            })
            .collect();
        f.write_str(&self.language.format(&self.key, &args))
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({})", self.key)
    }
}

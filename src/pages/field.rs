//! An input with its label, its hint and its error.

use askama::Template;

use super::Frame;
use crate::text::Text;

/// Why the input of a field was refused.
#[derive(Debug, Clone)]
pub struct FieldError {
    /// The input's name.
    pub field: String,
    pub detail: String,
    pub suggestions: Vec<String>,
}

/// The errors of a form.
#[derive(Debug, Clone, Default)]
pub struct FormErrors {
    /// An error that belongs to no field.
    pub general: Option<String>,
    pub fields: Vec<FieldError>,
}

impl FormErrors {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.general.is_none() && self.fields.is_empty()
    }

    fn of(&self, field: &str) -> Option<&FieldError> {
        self.fields.iter().find(|error| error.field == field)
    }
}

/// An input. Its markup is in `templates/field.html`.
#[derive(Template, Debug, Clone)]
#[template(path = "field.html")]
pub struct Field<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) id: String,
    name: &'static str,
    pub(super) label: Text<'a>,
    /// A link beside the label: its text, and where it leads.
    side: Option<(Text<'a>, String)>,
    kind: &'static str,
    autocomplete: &'static str,
    /// What was typed before; a password is never shown again.
    value: &'a str,
    hint: String,
    pub(super) error: Option<&'a FieldError>,
    optional: bool,
    pub(super) autofocus: bool,
    min_length: usize,
    max_length: usize,
    /// A new password: the script shows how strong it is.
    meter: bool,
}

/// The template escapes what people typed.
impl askama::filters::HtmlSafe for Field<'_> {}

impl<'a> Field<'a> {
    /// `label` is the key of a message, as are those of hints.
    #[must_use]
    pub fn new(frame: Frame<'a>, name: &'static str, label: &str, autocomplete: &'static str) -> Self {
        Self {
            frame,
            id: name.replace('_', "-"),
            name,
            label: frame.t(label),
            side: None,
            kind: "text",
            autocomplete,
            value: "",
            hint: String::new(),
            error: None,
            optional: false,
            autofocus: false,
            min_length: 0,
            max_length: 0,
            meter: false,
        }
    }

    /// The input for an existing password.
    #[must_use]
    pub fn current_password(frame: Frame<'a>, name: &'static str, label: &str) -> Self {
        Self { kind: "password", ..Self::new(frame, name, label, "current-password") }
    }

    /// The input for a new password. The hint says what is required, the script shows how strong it is.
    #[must_use]
    pub fn new_password(frame: Frame<'a>, name: &'static str, label: &str, min_length: usize) -> Self {
        Self {
            kind: "password",
            hint: frame.t("field-password-hint").with("min", min_length).to_string(),
            min_length,
            max_length: 256,
            meter: true,
            ..Self::new(frame, name, label, "new-password")
        }
    }

    #[must_use]
    pub fn email(frame: Frame<'a>, name: &'static str, label: &str) -> Self {
        Self { kind: "email", ..Self::new(frame, name, label, "email") }
    }

    #[must_use]
    pub fn value(self, value: &'a str) -> Self {
        Self { value, ..self }
    }

    #[must_use]
    pub fn hint(self, hint: &str) -> Self {
        Self { hint: self.frame.t(hint).to_string(), ..self }
    }

    /// Adds a link beside the label.
    #[must_use]
    pub fn beside(self, text: &str, href: String) -> Self {
        Self { side: Some((self.frame.t(text), href)), ..self }
    }

    #[must_use]
    pub fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    #[must_use]
    pub fn max_length(self, max_length: usize) -> Self {
        Self { max_length, ..self }
    }

    /// For a page with several forms: keeps ids unique.
    #[must_use]
    pub fn within(self, form: &str) -> Self {
        Self { id: format!("{form}-{}", self.id), ..self }
    }

    /// Focuses this field when the form opens without errors.
    #[must_use]
    pub fn first(self, errors: &FormErrors) -> Self {
        Self { autofocus: errors.fields.is_empty(), ..self }
    }

    /// Adds the field's error. The first field with an error gets the focus.
    #[must_use]
    pub fn checked(self, errors: &'a FormErrors) -> Self {
        let error = errors.of(self.name);
        let first = errors.fields.first().is_some_and(|first| first.field == self.name);
        Self { error, autofocus: first || self.autofocus, ..self }
    }

    /// Whether its value was refused.
    #[must_use]
    pub const fn is_wrong(&self) -> bool {
        self.error.is_some()
    }

    fn described_by(&self) -> String {
        let mut ids = Vec::new();
        if self.error.is_some() {
            ids.push(format!("{}-error", self.id));
        }
        if !self.hint.is_empty() {
            ids.push(format!("{}-hint", self.id));
        }
        ids.join(" ")
    }
}

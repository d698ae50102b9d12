//! The dashboard of a signed-in user.

use askama::Template;

use super::{Field, FormErrors, Frame, Moment, Notice, Pager};
use crate::text::Language;

/// A signed-in device.
#[derive(Template, Debug, Clone)]
#[template(path = "device_row.html")]
pub struct DeviceRow<'a> {
    pub frame: Frame<'a>,
    pub id: String,
    /// Browser and system in words.
    pub device: String,
    pub address: String,
    pub last_seen: Moment,
    pub since: Moment,
    /// This is the device on which the page is shown.
    pub current: bool,
}

/// A live socket.
#[derive(Template, Debug, Clone)]
#[template(path = "connection_row.html")]
pub struct ConnectionRow<'a> {
    pub frame: Frame<'a>,
    /// The device that it belongs to.
    pub device: String,
    pub transport: &'static str,
    pub address: String,
    pub since: Moment,
}

/// The template escapes what clients call themselves.
impl askama::filters::HtmlSafe for DeviceRow<'_> {}
impl askama::filters::HtmlSafe for ConnectionRow<'_> {}

/// The forms of the account. A refused form is open and shows its errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    Profile,
    Password,
    Email,
    Delete,
}

#[derive(Template, Debug)]
#[template(path = "dashboard.html")]
pub struct Dashboard<'a> {
    pub frame: Frame<'a>,
    pub notice: Option<Notice>,
    pub username: &'a str,
    pub display_name: &'a str,
    pub email: Option<&'a str>,
    pub email_verified: bool,
    /// The language of the account, if it has one, and those to choose from.
    pub language: Option<&'a str>,
    pub languages: Vec<&'a Language>,
    pub min_password: usize,
    pub devices: Vec<DeviceRow<'a>>,
    pub device_pages: Pager<'a>,
    pub connections: Vec<ConnectionRow<'a>>,
    pub connection_pages: Pager<'a>,
    /// The form that is open although nothing was submitted yet.
    pub open: Option<Section>,
    /// The refused form, and why.
    pub refused: Option<(Section, &'a FormErrors)>,
    /// What was typed into it: a name or an address.
    pub typed: &'a str,
}

const NO_ERRORS: &FormErrors = &FormErrors { general: None, fields: Vec::new() };

impl Dashboard<'_> {
    fn errors(&self, section: Section) -> &FormErrors {
        match self.refused {
            Some((refused, errors)) if refused == section => errors,
            _ => NO_ERRORS,
        }
    }

    fn is_refused(&self, section: Section) -> bool {
        !self.errors(section).is_empty()
    }

    fn is_open(&self, section: Section) -> bool {
        self.is_refused(section) || self.open == Some(section)
    }

    fn is_chosen(&self, language: &Language) -> bool {
        self.language == Some(language.tag())
    }

    fn display_name_field(&self) -> Field<'_> {
        let value = if self.is_refused(Section::Profile) { self.typed } else { self.display_name };
        Field::new(self.frame, "display_name", "field-display-name", "nickname")
            .value(value)
            .hint("field-display-name-hint")
            .max_length(64)
            .within("profile")
            .checked(self.errors(Section::Profile))
    }

    fn new_password_field(&self) -> Field<'_> {
        Field::new_password(self.frame, "new_password", "field-new-password", self.min_password)
            .within("password")
            .checked(self.errors(Section::Password))
    }

    fn email_field(&self) -> Field<'_> {
        let value = if self.is_refused(Section::Email) { self.typed } else { "" };
        Field::email(self.frame, "email", "field-new-email")
            .value(value)
            .within("email")
            .checked(self.errors(Section::Email))
    }

    fn current_password_field(&self, section: Section, form: &str) -> Field<'_> {
        Field::current_password(self.frame, "current_password", "field-current-password")
            .within(form)
            .checked(self.errors(section))
    }
}

impl<'a> DeviceRow<'a> {
    /// For the script to copy and fill in.
    fn blank(frame: Frame<'a>) -> Self {
        let never = Moment(crate::clock::Timestamp::default());
        Self {
            frame,
            id: String::new(),
            device: String::new(),
            address: String::new(),
            last_seen: never,
            since: never,
            current: false,
        }
    }
}

impl<'a> ConnectionRow<'a> {
    /// For the script to copy and fill in.
    fn blank(frame: Frame<'a>) -> Self {
        let since = Moment(crate::clock::Timestamp::default());
        Self { frame, device: String::new(), transport: "", address: String::new(), since }
    }
}

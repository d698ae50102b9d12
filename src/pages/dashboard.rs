//! The dashboard of a signed-in user.

use askama::Template;

use super::{ActivityRow, Faults, Field, FormErrors, Frame, Moment, Notice, Pager};
use crate::text::Language;
use doorward_core::domain::DeviceKind;

/// A signed-in device.
#[derive(Template, Debug, Clone)]
#[template(path = "device_row.html")]
pub struct DeviceRow<'a> {
    pub frame: Frame<'a>,
    pub id: String,
    pub kind: DeviceKind,
    /// Browser and system in words.
    pub device: String,
    pub address: String,
    pub last_seen: Moment,
    pub since: Moment,
    /// This is the device on which the page is shown.
    pub current: bool,
    /// It has a live connection.
    pub online: bool,
}

/// A live socket.
#[derive(Template, Debug, Clone)]
#[template(path = "connection_row.html")]
pub struct ConnectionRow<'a> {
    pub frame: Frame<'a>,
    /// The device that it belongs to.
    pub device: String,
    /// Also the name of its icon.
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

impl Section {
    /// The id of the section of the page that has the form.
    const fn pane(self) -> &'static str {
        match self {
            Self::Profile | Self::Email => "profile",
            Self::Password => "security",
            Self::Delete => "delete",
        }
    }
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
    /// Another address, which replaces this one once its link is opened.
    pub pending_email: Option<&'a str>,
    /// The language of the account, or that of the refused form: its tag, the one that it leads to, and those to choose
    /// from.
    pub language: Option<&'a str>,
    pub found: Option<&'a Language>,
    pub languages: Vec<&'a Language>,
    pub min_password: usize,
    /// When the password was last set here, if it was.
    pub password_changed: Option<Moment>,
    pub devices: Vec<DeviceRow<'a>>,
    pub device_pages: Pager<'a>,
    pub activity: Vec<ActivityRow<'a>>,
    /// There are older events, which are not shown.
    pub more_activity: bool,
    pub connections: Vec<ConnectionRow<'a>>,
    pub connection_pages: Pager<'a>,
    /// A command that opens a connection, for a person on the server's machine.
    pub connect: Option<String>,
    /// Whether to show the demo card.
    pub secret_card: bool,
    /// The form that is open although nothing was submitted yet.
    pub open: Option<Section>,
    /// The refused form, and why.
    pub refused: Option<(Section, &'a FormErrors)>,
    /// What was typed into it: a name or an address.
    pub typed: &'a str,
}

const NO_ERRORS: &FormErrors = &FormErrors { general: None, fields: Vec::new() };

impl Dashboard<'_> {
    /// The sections with links: their ids and icons.
    const PANES: [(&'static str, &'static str); 5] = [
        ("profile", "profile"),
        ("security", "security"),
        ("devices", "devices"),
        ("connections", "connections"),
        ("delete", "trash"),
    ];

    const fn panes() -> [(&'static str, &'static str); 5] {
        Self::PANES
    }

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

    /// Whether the link to a section is marked until the script knows which one is in view.
    fn is_current(&self, pane: &str) -> bool {
        let open = self.refused.map(|(section, _)| section).or(self.open);
        open.map_or(Self::PANES[0].0, Section::pane) == pane
    }

    /// The notice, if it belongs into this section; into none, if it is about the whole account.
    fn notice_in(&self, pane: Option<&str>) -> Option<Notice> {
        self.notice.filter(|notice| notice.section() == pane)
    }

    /// Whether there is more to say below the heading.
    fn has_names(&self) -> bool {
        self.username != self.display_name || self.email.is_some()
    }

    fn is_chosen(&self, language: &Language) -> bool {
        self.found.is_some_and(|found| found.tag() == language.tag())
    }

    /// What choosing a language sends. That of the account keeps its tag, such as de-AT for German.
    fn tag_of<'b>(&'b self, language: &'b Language) -> &'b str {
        self.language.filter(|_| self.is_chosen(language)).unwrap_or_else(|| language.tag())
    }

    /// The tag of the account, if it leads to no language that there is: saving the form must not delete it.
    fn unknown_language(&self) -> Option<&str> {
        self.language.filter(|_| self.found.is_none())
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

    /// Only its label and its error are shown: it is a menu.
    fn language_field(&self) -> Field<'_> {
        let field = Field::new(self.frame, "language", "field-language", "language");
        field.within("profile").checked(self.errors(Section::Profile))
    }

    fn password_fields(&self) -> [Field<'_>; 2] {
        let errors = self.errors(Section::Password);
        let new = Field::new_password(self.frame, "new_password", "field-new-password", self.min_password);
        [self.current_password_field(Section::Password, "password"), new.within("password").checked(errors)]
    }

    fn email_fields(&self) -> [Field<'_>; 2] {
        let errors = self.errors(Section::Email);
        let value = if self.is_refused(Section::Email) { self.typed } else { "" };
        let hint = if self.email.is_some() { "email-hint-change" } else { "email-hint-add" };
        let new = Field::email(self.frame, "email", "field-new-email").value(value).hint(hint);
        let new = if self.is_open(Section::Email) { new.first(errors) } else { new };
        let current = Field::current_password(self.frame, "current_password", "field-current-password");
        [new.within("email").checked(errors), current.within("email").checked(errors)]
    }

    /// The first field of its form. It gets the focus if the form is open and no field was refused.
    fn current_password_field(&self, section: Section, form: &str) -> Field<'_> {
        let errors = self.errors(section);
        let field = Field::current_password(self.frame, "current_password", "field-current-password");
        let field = if self.is_open(section) { field.first(errors) } else { field };
        field.within(form).checked(errors)
    }
}

impl<'a> DeviceRow<'a> {
    /// For the script to copy and fill in.
    fn blank(frame: Frame<'a>) -> Self {
        let never = Moment(crate::clock::Timestamp::default());
        Self {
            frame,
            id: String::new(),
            kind: DeviceKind::App,
            device: String::new(),
            address: String::new(),
            last_seen: never,
            since: never,
            current: false,
            online: false,
        }
    }
}

impl<'a> ConnectionRow<'a> {
    /// For the script to copy and fill in.
    fn blank(frame: Frame<'a>) -> Self {
        let since = Moment(crate::clock::Timestamp::default());
        Self { frame, device: String::new(), transport: "websocket", address: String::new(), since }
    }

    /// The transport as people write it.
    fn transport_name(&self) -> &'static str {
        match self.transport {
            "websocket" => "WebSocket",
            "socketio" => "Socket.IO",
            "tcp" => "TCP",
            other => other,
        }
    }
}

//! The pages that people see in a browser: a struct for each page, and its template in `templates/`. Askama,
//! so that an invalid template does not compile. `assets` has the static files.

mod activity;
pub mod assets;
mod dashboard;
#[cfg(test)]
mod dashboard_tests;
mod dev_mail;
mod device_name;
mod field;
mod forms;
mod notice;
mod pager;
mod parts;
mod plain;
mod problem;
#[cfg(test)]
mod problem_tests;
mod reference;
mod script_texts;
#[cfg(test)]
mod tests;

pub use activity::ActivityRow;
pub use dashboard::{ConnectionRow, Dashboard, DeviceRow, Section};
pub use dev_mail::DevMailPage;
pub use field::{Field, FieldError, FormErrors};
pub use forms::{ForgotPassword, Invitee, Login, NewAccountRules, Register, ResetPassword};
pub use notice::Notice;
pub use pager::{ListPart, Pager};
pub use parts::{Faults, Mood, Who};
pub use plain::{
    ConfirmFirst, Continue, EmailVerified, ErrorPage, FirstUse, Home, Logout, NotMe, Remedy, VerifyEmail,
};
pub use reference::Reference;

use crate::brand::{self, Brand};
use crate::clock::{Timestamp, rfc3339};
use crate::config::WhoRegisters;
use crate::text::{Html, Language, Languages, Text};
use script_texts::ScriptTexts;

/// The parameter of a query that names the language of the page, for this and the following ones.
pub const LANGUAGE_PARAMETER: &str = "lang";

/// What surrounds the content of every page.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The language of the page.
    pub language: &'a Language,
    /// The languages to choose from; none for a page without the menu.
    pub menu: Option<&'a Languages>,
    /// What the site is called, and how it looks.
    pub brand: &'a Brand,
    /// The path of the public URL, without a trailing slash: the prefix of every path in a page.
    pub base: &'a str,
    /// The public URL without a trailing slash, which may differ from the URL that was opened.
    pub public_url: &'a str,
    /// This client may see the development mailbox.
    pub dev_mail: bool,
    pub onward: Onward<'a>,
    pub registration: WhoRegisters,
}

/// Where the pages lead once a user is signed in or out; by default to the dashboard.
#[derive(Debug, Clone, Copy, Default)]
pub struct Onward<'a> {
    /// The query that carries it from one of these pages to the next, with its question mark.
    pub query: &'a str,
    /// The origin of the app that they lead to.
    pub app: Option<&'a str>,
}

impl<'a> Frame<'a> {
    /// A message of the page's language, as text.
    fn t(&self, key: impl AsRef<str>) -> Text<'a> {
        self.language.text(key.as_ref()).with("site", &self.brand.name)
    }

    /// The same as HTML, with marked-up arguments and links.
    fn html(&self, key: impl AsRef<str>) -> Html<'a> {
        self.language.html(key.as_ref()).with("site", &self.brand.name)
    }

    /// The title of a page with a form: it begins with "Error" if the form was refused.
    fn title(&self, key: &str, errors: &FormErrors) -> Text<'a> {
        let title = self.t(key);
        if errors.is_empty() { title } else { self.t("title-error").with("page", title) }
    }

    /// The messages whose keys begin like this, for the page's scripts.
    fn script_texts(&self, prefixes: impl AsRef<[&'static str]>) -> ScriptTexts<'a> {
        ScriptTexts::new(self.language, &self.brand.name, prefixes.as_ref())
    }

    /// A time in a row of a list, in which scripts replace it by its `slot`.
    fn time(&self, slot: &'static str, at: &Moment) -> Time<'a> {
        Time { slot, at: *at, language: self.language }
    }

    /// Whether anyone may register.
    const fn is_open(&self) -> bool {
        matches!(self.registration, WhoRegisters::Anyone)
    }

    /// Whether no one may register, invited or not.
    const fn is_closed(&self) -> bool {
        matches!(self.registration, WhoRegisters::NoOne)
    }

    /// The path of a page.
    fn link(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The path of another of the pages that lead to the same place.
    fn onward_link(&self, path: &str) -> String {
        format!("{}{path}{}", self.base, self.onward.query)
    }

    /// The path of the sign-in for another account, which leads to the same place.
    fn another_account(&self) -> String {
        format!("{}&prompt=login", self.onward_link("/login"))
    }

    /// Where the name of the site leads.
    fn home(&self) -> String {
        self.brand.links.home.as_ref().map_or_else(|| self.link("/"), ToString::to_string)
    }

    /// The path of the site's own logo, if it has one.
    fn logo(&self) -> Option<String> {
        self.brand.path(brand::LOGO).map(|path| self.link(&path))
    }

    /// The path of the stylesheet with the site's own colors, if it has any.
    fn own_stylesheet(&self) -> Option<String> {
        self.brand.path(brand::STYLESHEET).map(|path| self.link(&path))
    }

    /// The languages of the menu; none if there is nothing to choose.
    fn languages(&self) -> Vec<&'a Language> {
        let menu = self.menu.filter(|languages| languages.are_several());
        menu.map(|languages| languages.all().collect()).unwrap_or_default()
    }

    /// The page itself in another language. Its path is not named, because it may contain the token of a link.
    fn in_language(&self, language: &Language) -> String {
        let before = if self.onward.query.is_empty() { "?" } else { self.onward.query };
        let and = if self.onward.query.is_empty() { "" } else { "&" };
        format!("{before}{and}{LANGUAGE_PARAMETER}={}", language.tag())
    }

    /// Whether the footer has links.
    const fn has_links(&self) -> bool {
        let links = &self.brand.links;
        self.dev_mail || links.terms.is_some() || links.privacy.is_some() || links.support.is_some()
    }

    /// The path of a static file, which changes with its content.
    fn asset(&self, name: &str) -> String {
        format!("{}/static/{}/{name}", self.base, assets::version())
    }
}

/// A time, for people and, in `datetime`, for the script that shows it in the reader's time zone.
#[derive(Debug, Clone, Copy)]
pub struct Moment(pub Timestamp);

impl Moment {
    fn machine(self) -> String {
        rfc3339(self.0)
    }
}

/// A moment as an element that scripts can find and fill in.
#[derive(Debug, Clone, Copy)]
struct Time<'a> {
    slot: &'static str,
    at: Moment,
    language: &'a Language,
}

/// A fixed word, a time, and a message without markup.
impl askama::filters::HtmlSafe for Time<'_> {}

impl std::fmt::Display for Time<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (slot, machine) = (self.slot, self.at.machine());
        let words = crate::text::escape(&self.language.moment(self.at.0));
        write!(f, "<time data-slot=\"{slot}\" datetime=\"{machine}\">{words}</time>")
    }
}

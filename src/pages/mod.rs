//! The pages that people see in a browser: a struct for each page, and its template in `templates/`. Askama,
//! so that an invalid template does not compile. `assets` has the static files.

pub mod assets;
mod dashboard;
mod dev_mail;
mod field;
mod forms;
mod notice;
mod pager;
mod plain;
mod reference;
#[cfg(test)]
mod tests;

pub use dashboard::{ConnectionRow, Dashboard, DeviceRow, Section};
pub use dev_mail::DevMailPage;
pub use field::{Field, FieldError, FormErrors};
pub use forms::{ForgotPassword, Invitee, Login, NewAccountRules, Register, ResetPassword};
pub use notice::Notice;
pub use pager::Pager;
pub use plain::{Continue, ErrorPage, Home, Logout, VerifyEmail};
pub use reference::Reference;

use crate::clock::{Timestamp, rfc3339};
use crate::config::WhoRegisters;

/// What surrounds the content of every page.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The path of the public URL, without a trailing slash: the prefix of every path in a page.
    pub base: &'a str,
    /// The public URL without a trailing slash, which may differ from the URL that was opened.
    pub public_url: &'a str,
    /// This client may see the kept emails.
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

impl Frame<'_> {
    /// Whether anyone may register.
    fn is_open(&self) -> bool {
        self.registration == WhoRegisters::Anyone
    }

    /// Whether no one may register, invited or not.
    fn is_closed(&self) -> bool {
        self.registration == WhoRegisters::NoOne
    }

    /// The path of a page.
    fn link(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The path of another of the pages that lead to the same place.
    fn onward_link(&self, path: &str) -> String {
        format!("{}{path}{}", self.base, self.onward.query)
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

    fn words(self) -> String {
        self.0.format("%-d %b %Y, %H:%M UTC").to_string()
    }
}

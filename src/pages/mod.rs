//! What people see in a browser: a struct a page, its template in `templates/`. Askama, so that a wrong
//! template does not compile. `assets` has the files that pages load.

pub mod assets;
mod dashboard;
mod dev_mail;
mod field;
mod forms;
mod notice;
mod pager;
mod plain;
#[cfg(test)]
mod tests;

pub use dashboard::{ConnectionRow, Dashboard, DeviceRow, Section};
pub use dev_mail::{DevMailPage, Line};
pub use field::{Field, FieldError, FormErrors};
pub use forms::{ForgotPassword, Login, Register, ResetPassword};
pub use notice::Notice;
pub use pager::Pager;
pub use plain::{ErrorPage, Home, Logout, VerifyEmail};

use crate::clock::{Timestamp, rfc3339};

/// What every page has round its content.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The path of the public URL, without a last slash: before every address of ours.
    pub base: &'a str,
    /// Our address as it is meant to be opened, without a last slash; not always the one that was.
    pub public_url: &'a str,
    /// Kept mails can be looked at from here.
    pub dev_mail: bool,
}

impl Frame<'_> {
    /// A page of ours.
    fn link(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// A file that pages load, under an address that changes with it.
    fn asset(&self, name: &str) -> String {
        format!("{}/static/{}/{name}", self.base, assets::version())
    }
}

/// A moment, for people and, in `datetime`, for the script that shows it in their own zone.
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

//! Pages that only inform, or that ask for one click.

use askama::Template;

use super::{FormErrors, Frame, Notice};

/// The page at `/` for people who are not signed in.
#[derive(Template, Debug)]
#[template(path = "home.html")]
pub struct Home<'a> {
    pub frame: Frame<'a>,
    pub notice: Option<Notice>,
    /// The public URL without a trailing slash, for the example command.
    pub public_url: &'a str,
}

/// Signing out takes a click, because a link that did it could be planted anywhere.
#[derive(Template, Debug)]
#[template(path = "logout.html")]
pub struct Logout<'a> {
    pub frame: Frame<'a>,
    pub username: &'a str,
}

/// A user who is signed in goes on to an app with a click: a link alone must not sign anyone in to it.
#[derive(Template, Debug)]
#[template(path = "continue.html")]
pub struct Continue<'a> {
    pub frame: Frame<'a>,
    /// The app's origin.
    pub app: &'a str,
    pub username: &'a str,
}

/// Confirming an address takes a click too, because mail scanners follow links.
#[derive(Template, Debug)]
#[template(path = "verify_email.html")]
pub struct VerifyEmail<'a> {
    pub frame: Frame<'a>,
    pub username: &'a str,
    pub email: &'a str,
    /// Why it failed; the link stays valid.
    pub errors: &'a FormErrors,
}

/// An error, in place of the requested page.
#[derive(Template, Debug)]
#[template(path = "error.html")]
pub struct ErrorPage<'a> {
    pub frame: Frame<'a>,
    pub status: u16,
    pub title: &'a str,
    pub detail: &'a str,
    /// The id under which the log has the cause.
    pub request_id: Option<&'a str>,
    /// The public URL, for a page that was opened under another one.
    pub elsewhere: Option<&'a str>,
    /// Offers to request a new link.
    pub link_expired: bool,
}
